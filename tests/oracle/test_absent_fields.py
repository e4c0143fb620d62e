"""Fields that are absent from some versions: days in any order, and all of raw at once, end as a dull twin says."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.settings import Settings, load_settings
from dataflow.validate.step import validate
from lakehouse import Lake
from tests.lib.raw_rows import NOW, commit, land_rows, opened_lake, workspace

SCHEMAS = ("raw", "valid", "ops")
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
checks = [{ rule = "required", field = "kind" }]
[sources.shop.objects.case.fields]
id = "BIGINT"
kind = "VARCHAR"
mail = "VARCHAR"
size = "INTEGER"
changed = "TIMESTAMP"
gone = "TIMESTAMP"
[validation]
dead_letter_limit_share = 1.0
"""
ABSENT = "absent"
FIELDS = ("mail", "size")


@dataclass(frozen=True)
class Version:
    """One version of a case; a bad one has no kind, and a value is text, null or absent."""

    key: int
    hour: int
    mail: str | None
    size: str | None
    is_gone: bool = False
    is_bad: bool = False

    def held(self) -> dict[str, str | None]:
        return {name: value for name in FIELDS if (value := getattr(self, name)) != ABSENT}

    def payload(self) -> dict[str, Any]:
        at = f"2026-03-01 {self.hour:02d}:00:00"
        return {
            "id": str(self.key),
            "kind": None if self.is_bad else "x",
            "changed": at,
            "gone": at if self.is_gone else None,
            **self.held(),
        }


def twin(versions: list[Version]) -> dict[int, dict[str, tuple[str | None, int | None]]]:
    """The value of each field of each record, and the hour of the version that it is kept from, if it is."""
    records: dict[int, dict[str, tuple[str | None, int | None]]] = {}
    for key in {version.key for version in versions}:
        own = sorted((v for v in versions if v.key == key and not v.is_bad), key=lambda v: v.hour)
        if not own or own[-1].is_gone:
            continue
        last_end = max((v.hour for v in own if v.is_gone), default=-1)
        records[key] = {}
        for name in FIELDS:
            having = [v for v in own if v.hour > last_end and name in v.held()]
            value, hour = (having[-1].held()[name], having[-1].hour) if having else (None, None)
            records[key][name] = (value, None if hour == own[-1].hour else hour)
    return records


def note_windows(lake: Lake, day: list[Version], number: int) -> None:
    """Record as landing does which fields the windows of a day lacked."""
    lacking = [[name for name in FIELDS if name not in version.held()] or None for version in day]
    at = NOW + timedelta(minutes=number)
    rows = [
        {
            "source": "shop",
            "object": "case",
            "window_from": datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=place),
            "window_until": datetime(2026, 3, 2, tzinfo=UTC),
            "keys": "",
            "comparison": "landing",
            "source_count": 1,
            "source_fingerprint": "",
            "raw_count": 1,
            "raw_fingerprint": "",
            "appended_count": 1,
            "checked_at": at,
            "absent_fields": fields,
            "_run_id": f"run-{number}",
        }
        for place, fields in enumerate([*lacking, None])
    ]

    def write(con: duckdb.DuckDBPyConnection) -> None:
        con.register("windows", pa.Table.from_pylist(rows))
        con.execute("INSERT INTO lake.ops.completeness BY NAME SELECT * FROM windows")
        con.unregister("windows")

    lake.transact(write, author="test", run_id="test", message="note")


def run(lake: Lake, configured: Settings, folder: Path, number: int) -> None:
    with workspace(lake, configured, folder, run_id=f"run-{number}", schemas=SCHEMAS) as ws:
        validate(ws, configured)
        commit(ws)


def found(lake: Lake) -> dict[int, dict[str, tuple[str | None, int | None]]]:
    rows = lake.con.execute("SELECT id, mail, size::VARCHAR FROM lake.valid.shop_case").fetchall()
    kept = {
        (int(key), field): hour
        for key, field, hour in lake.con.execute(
            "SELECT _record_key, field, hour(_changed_at) FROM lake.ops.kept_field"
        ).fetchall()
    }
    assert {key for key, _ in kept} <= {key for key, *_ in rows}
    return {
        key: {name: (value, kept.get((key, name))) for name, value in zip(FIELDS, values, strict=True)}
        for key, *values in rows
    }


MAILS = st.sampled_from([ABSENT, ABSENT, None, "a@x.example", "b@x.example"])
SIZES = st.sampled_from([ABSENT, None, "1", "2"])


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Version]]:
    """Days of versions; a case has one version an hour, and arrives in any order."""
    slots = draw(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 6)), min_size=1, max_size=10, unique=True))
    days: list[list[Version]] = [[] for _ in range(3)]
    for key, hour in slots:
        kind = draw(st.integers(0, 7))
        version = Version(key, hour, draw(MAILS), draw(SIZES), is_gone=kind == 0, is_bad=kind == 1)
        days[draw(st.integers(0, 2))].append(version)
    return days


A, B = "a@x.example", "b@x.example"


CASES = [
    [Version(1, 1, A, "1"), Version(2, 2, None, ABSENT), Version(3, 5, ABSENT, None), Version(4, 1, A, "1")],
    [Version(1, 5, ABSENT, "2"), Version(2, 5, ABSENT, "2"), Version(3, 1, B, "1"), Version(4, 5, ABSENT, ABSENT)],
    [Version(1, 3, B, "1"), Version(2, 1, B, "1"), Version(3, 3, ABSENT, "2"), Version(4, 3, A, "1", is_gone=True)],
]
"""1: the version in between arrives last. 2: a null is a value. 3: absence is none. 4: the deletion arrives last."""
BAD = [Version(5, 1, A, "1"), Version(5, 3, B, "2", is_bad=True), Version(5, 5, ABSENT, "2")]
"""The bad version would have had it."""


# Each example costs four runs.
@settings(max_examples=2)
@example(days=[*CASES[:2], [*CASES[2], *BAD]])
@given(days=deliveries())
def test_days_in_any_order_end_as_all_at_once(tmp_path_factory: Any, days: list[list[Version]]) -> None:
    folder: Path = tmp_path_factory.mktemp("company")
    (folder / "dataflow.toml").write_text(CONFIG, encoding="utf-8")
    configured = load_settings(folder / "dataflow.toml", home=folder / "home")
    versions: list[Version] = []
    with opened_lake(configured, schemas=SCHEMAS) as lake:
        for number, day in enumerate(days):
            if day:
                land_rows(lake, configured, "shop.case", [version.payload() for version in day])
                note_windows(lake, day, number)
            versions += day
            run(lake, configured, folder, number)
            assert found(lake) == twin(versions)
        lake.transact(
            lambda con: con.execute("DELETE FROM lake.ops.position"), author="test", run_id="test", message="forget"
        )
        run(lake, configured, folder, len(days))
        assert found(lake) == twin(versions)
