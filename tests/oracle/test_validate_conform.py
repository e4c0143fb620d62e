"""Whatever the order and the days in which versions arrive, the lake ends as a dull twin says."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.conform.step import conform
from dataflow.settings import load_settings
from dataflow.validate.step import validate
from tests.lib.dead_letter_states import states_by_events, states_by_status
from tests.lib.raw_rows import commit, land_rows, opened_lake, workspace

SCHEMAS = ("raw", "valid", "conformed", "ops")
CONFIG = """
[sources.shop]
adapter = "files"
root = "unused"
[sources.shop.objects.case]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
deleted_when_set = "gone"
checks = [{ rule = "required", field = "name" }]
[sources.shop.objects.case.fields]
id = "BIGINT"
name = "VARCHAR"
place = "VARCHAR"
changed = "TIMESTAMP"
gone = "TIMESTAMP"
[mappings.writer]
table = "customer_record"
object = "shop.case"
record_object = "writer"
group_by = ["name"]
[mappings.writer.fields]
entity_type = { value = "person" }
full_name = "name"
city = { latest = "place" }
[mappings.case]
table = "ticket"
object = "shop.case"
[mappings.case.fields]
subject = "place"
[validation]
dead_letter_limit_share = 1.0
"""


@dataclass(frozen=True)
class Version:
    """One version of a case; without a name it is bad."""

    key: int
    hour: int
    name: str
    place: str
    is_gone: bool

    @property
    def is_bad(self) -> bool:
        return not self.name and not self.is_gone

    def payload(self) -> dict[str, Any]:
        at = f"2026-03-01 {self.hour:02d}:00:00"
        shape = {"id": str(self.key), "name": self.name, "place": self.place, "changed": at}
        return shape | ({"gone": at} if self.is_gone else {})


@dataclass
class Twin:
    """Reads all versions at once and keeps the newest good one of each case."""

    versions: list[Version] = field(default_factory=list)

    def valid(self) -> dict[int, Version]:
        newest: dict[int, Version] = {}
        for version in sorted((v for v in self.versions if not v.is_bad), key=lambda v: v.hour):
            newest[version.key] = version
        return {key: version for key, version in newest.items() if not version.is_gone}

    def writers(self) -> dict[str, str]:
        last: dict[str, str] = {}
        for version in sorted(self.valid().values(), key=lambda v: (v.hour, str(v.key))):
            last[version.name] = version.place
        return last

    def open_dead_letters(self) -> set[tuple[int, int]]:
        """A bad version is open until a good one is newer."""
        good = {v.key: max(w.hour for w in self.versions if w.key == v.key and not w.is_bad)
                for v in self.versions if not v.is_bad}  # fmt: skip
        return {(v.key, v.hour) for v in self.versions if v.is_bad and v.hour > good.get(v.key, -1)}


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Version]]:
    """Days of versions; a case has one version an hour, and arrives in any order."""
    slots = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), min_size=1, max_size=10, unique=True))
    letters = st.sampled_from(["Ann", "Ben", ""])
    versions = [
        Version(key, hour, draw(letters), draw(st.sampled_from(["Kiel", "Lund"])), draw(st.integers(0, 4)) == 0)
        for key, hour in slots
    ]
    days: list[list[Version]] = [[] for _ in range(3)]
    for version in versions:
        days[draw(st.integers(0, 2))].append(version)
    return days


@settings(max_examples=6)
# what is bad and older than the deletion of its record
@example(days=[[Version(2, 1, "Ann", "Kiel", is_gone=True)], [Version(2, 0, "", "Kiel", is_gone=False)], []])
@given(days=deliveries())
def test_days_in_any_order_end_as_all_at_once(tmp_path_factory: Any, days: list[list[Version]]) -> None:
    folder: Path = tmp_path_factory.mktemp("company")
    (folder / "dataflow.toml").write_text(CONFIG, encoding="utf-8")
    configured = load_settings(folder / "dataflow.toml", home=folder / "home")
    twin = Twin()
    with opened_lake(configured, schemas=SCHEMAS) as lake:
        for number, day in enumerate(days):
            if day:
                land_rows(lake, configured, "shop.case", [version.payload() for version in day])
            twin.versions += day
            with workspace(lake, configured, folder, run_id=f"run-{number}", schemas=SCHEMAS) as ws:
                validate(ws, configured)
                conform(ws, configured)
                commit(ws)
            valid = lake.con.execute("SELECT id, name, place FROM lake.valid.shop_case").fetchall()
            assert {key: (name, place) for key, name, place in valid} == {
                key: (version.name, version.place) for key, version in twin.valid().items()
            }
            writers = lake.con.execute("SELECT full_name, city FROM lake.conformed.customer_record").fetchall()
            assert dict(writers) == twin.writers()
            tickets = lake.con.execute("SELECT _record_key FROM lake.conformed.ticket").fetchall()
            assert {int(key) for (key,) in tickets} == set(twin.valid())
            open_dead_letters = lake.con.execute(
                "SELECT _record_key, hour(_changed_at) FROM lake.ops.dead_letters WHERE status = 'open'"
            ).fetchall()
            assert {(int(key), hour) for key, hour in open_dead_letters} == twin.open_dead_letters()
            assert states_by_events(lake) == states_by_status(lake)
