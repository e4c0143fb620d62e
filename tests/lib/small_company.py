"""A company of two objects and all stages of its pipeline, without an orchestrator: landed, published, restored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflow.conform.step import conform
from dataflow.enrich import enrich
from dataflow.publish import build, commit
from dataflow.resolve.step import resolve
from dataflow.run.folders import name_run
from dataflow.run.record import record_run
from dataflow.settings import Settings, load_settings
from dataflow.tables.declared import declared_objects, declared_tables
from dataflow.tables.ops import POSITION
from dataflow.validate.step import validate
from dataflow.workspace.position import adopt_former
from dataflow.workspace.report import StepReport
from dataflow.workspace.run_row import RunRow
from dataflow.workspace.staging import Run
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake, LakeLocation
from lakehouse.table import Table, column_list
from tests.lib import raw_rows
from tests.lib.blank import lay_blank_lake

CONFIG = """
[currency]
base = "EUR"
[currency.rates]
USD = 0.9

[sources.shop]
adapter = "files"
root = "unused"
[sources.shop.objects.person]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
deleted_when_set = "gone"
checks = [{ rule = "required", field = "surname" }]
[sources.shop.objects.person.fields]
id = "BIGINT"
given = "VARCHAR"
surname = "VARCHAR"
mail = "VARCHAR"
changed = "TIMESTAMP"
gone = "TIMESTAMP"
[sources.shop.objects.purchase]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
checks = [{ rule = "refers_to", field = "person", object = "shop.person" }]
[sources.shop.objects.purchase.fields]
id = "BIGINT"
person = "BIGINT"
total = "DECIMAL(12,2)"
changed = "TIMESTAMP"

[enrich]
geoip = ""
firmographics = ""

[mappings.people]
table = "customer_record"
object = "shop.person"
[mappings.people.fields]
entity_type = { value = "person" }
given_name = "given"
surname = "surname"
email = "mail"
updated_at = "changed"

[mappings.purchases]
table = "customer_order"
object = "shop.purchase"
[mappings.purchases.fields]
record_id = { record = "shop.person", key = "person" }
order_number = "id"
ordered_at = "changed"
status = { value = "placed" }
currency_code = { value = "EUR" }
amount = "total"
"""

START = datetime(2026, 3, 10, 12, tzinfo=UTC)
_FIRST = ("raw", "valid", "ops")
_NAMES = (("Ada", "Lind"), ("Ben", "Ruiz"), ("Cleo", "Marsh"), ("Dan", "Okoye"), ("Eva", "Novak"))

# When a state was shown, and by which run: a run that is made up for later gives other times.
_TIMES = ("linked_at", "redirected_at", "occurred_at", "entered_at", "valid_from", "valid_to", "obtained_at")
_TIMES += ("expires_at", "first_seen_at", "last_seen_at", "queued_at", "event_id", "attempts")


def person(number: int, *, day: int = 1, **fields: Any) -> dict[str, Any]:
    """A row of shop.person; two numbers in a row share a name and an address."""
    given, surname = _NAMES[number // 2 % len(_NAMES)]
    mail = f"{given.lower()}{number // 2}@example.org"
    changed = f"2026-03-{day:02} 10:00:00"
    return {"id": str(number), "given": given, "surname": surname, "mail": mail, "changed": changed} | fields


def purchase(number: int, *, of: int, day: int = 1, **fields: Any) -> dict[str, Any]:
    """A row of shop.purchase."""
    changed = f"2026-03-{day:02} 11:00:00"
    return {"id": str(number), "person": str(of), "total": f"{number}.50", "changed": changed} | fields


def company_settings(folder: Path, text: str = CONFIG) -> Settings:
    """The settings of the company, with data in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dataflow.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, home=folder / "home")


class Company:
    """An open lake with the company's tables. Its clock moves on by a day with every run."""

    def __init__(self, lake: Lake, settings: Settings) -> None:
        self.lake = lake
        self.settings = settings
        self.tables = declared_tables(settings)
        self.now = START

    def land(self, name: str, *rows: Mapping[str, Any] | str) -> int:
        """Add rows to raw; returns the snapshot."""
        raw_rows.land_rows(self.lake, self.settings, f"shop.{name}", rows)
        return self.snapshot()

    def snapshot(self) -> int:
        return self.lake.snapshot().id

    def publish(self) -> dict[str, StepReport]:
        """Run all stages and commit; returns the reports by subject."""

        def stages(ws: Workspace) -> list[StepReport]:
            reports = [*validate(ws, self.settings), *conform(ws, self.settings), resolve(ws, self.settings)]
            return [*reports, *enrich(ws, self.settings), *build(ws, self.settings)]

        with self._workspace(self.tables) as ws:
            reports = stages(ws)
            if not commit(ws, self.lake, reports).is_new:
                self._record_unchanged(ws)
        return {report.subject: report for report in reports}

    def validate(self) -> dict[str, StepReport]:
        """Run the first stage alone and commit without audits, which costs a tenth; returns the reports by subject."""
        with self._workspace({name: table for name, table in self.tables.items() if table.schema in _FIRST}) as ws:
            reports = validate(ws, self.settings)
            if any(staged.changed for staged in ws.all_changes().values()):
                raw_rows.commit(ws)
            else:
                self._record_unchanged(ws)
        return {report.subject: report for report in reports}

    def _workspace(self, tables: Mapping[str, Table]) -> Workspace:
        self.now += timedelta(days=1)
        return Workspace(self.lake, Run(name_run("publish", self.now), "publish", self.now), tables=tables)

    def _record_unchanged(self, ws: Workspace) -> None:
        row = RunRow(ws.run.run_id, ws.run.kind, "unchanged", "", self.now, self.now)
        record_run(self.lake, row, positions=ws.validated)

    def positions(self) -> dict[str, int]:
        """The position of each object."""
        rows = self.lake.con.execute(f"SELECT object, raw_snapshot_id FROM {POSITION.in_lake}").fetchall()
        return {str(name): int(upto) for name, upto in rows}

    def runs(self) -> list[tuple[str, str]]:
        """Kind and status of every run on record, in order."""
        return self.lake.con.execute("SELECT kind, status FROM lake.ops.run ORDER BY run_id").fetchall()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.lake.con.execute(query).fetchall()

    def state(self, *schemas: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, or of those of some schemas, without what tells when and by which run."""
        found = {}
        for name, table in self.tables.items():
            if name in ("ops.run", "ops.position", "ops.dead_letter_event") or (
                schemas and table.schema not in schemas
            ):
                continue
            names = [c.name for c in table.columns if not c.volatile and c.name not in _TIMES]
            found[name] = self.rows(f"SELECT {column_list(names)} FROM {table.in_lake} ORDER BY ALL")
        return found


@contextmanager
def opened_company(settings: Settings, location: LakeLocation | None = None) -> Iterator[Company]:
    """Open the company's lake, alone, at `location` or in its home."""
    home = settings.home / "lake"
    place = location or LakeLocation(
        catalogue=home / "catalogue.ducklake", data=home / "data", published=home / "published"
    )
    tables = declared_tables(settings).values()
    lay_blank_lake(place, tables)
    with Lake.open(place, purpose="test", alone=True, threads=1) as lake:
        run = Run("open", "test", START)
        former = adopt_former(declared_objects(settings), run)
        lake.ensure(tables, first_rows={POSITION: former})
        yield Company(lake, settings)
