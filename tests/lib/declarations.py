"""One object of rows as received, landed and made anew under changing declarations of its key, cursor and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dataflow.access.lake import open_lake
from dataflow.conform.step import conform
from dataflow.land.commit import PlanFindings, commit_what_holds
from dataflow.land.fetch import fetch_window
from dataflow.land.plan import plan_landing
from dataflow.run.landed import ensure_tables, reset_unpublished
from dataflow.settings import Settings, load_settings
from dataflow.tables.declared import declared_tables
from dataflow.validate.step import validate
from dataflow.workspace.report import StepReport, list_gaps
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake
from tests.lib.deliveries import csv_text, deliver_csv, run
from tests.lib.raw_rows import commit

FIELDS = {
    "order_id": "VARCHAR",
    "line": "VARCHAR",
    "sku": "VARCHAR",
    "amount": "DECIMAL(12,3)",
    "placed": "TIMESTAMPTZ",
    "changed": "TIMESTAMPTZ",
    "gone": "TIMESTAMPTZ",
}
HEADER = tuple(FIELDS)
MAPPING = """
[mappings.lines]
table = "ticket"
object = "shop.line"
where = {{ {where} }}
[mappings.lines.fields]
subject = "{subject}"
opened_at = "{opened_at}"
"""
_SCHEMAS = ("raw", "valid", "conformed", "ops")


def declared(
    folder: Path,
    *,
    key: str = "order_id, line",
    cursor: str = "changed",
    deleted_when_set: str = "",
    optional: Sequence[str] = (),
    fields: Mapping[str, str] = FIELDS,
    share: float = 1.0,
    time_zone: str = "UTC",
    mapping: tuple[str, str, str] = ("", "sku", "placed"),
) -> Settings:
    """The settings of a shop with one object; `mapping`: which rows are tickets, their subject, when opened."""
    typed = "\n".join(f'{name} = "{kind}"' for name, kind in fields.items())
    listed = ", ".join(f'"{name}"' for name in optional)
    where, subject, opened_at = mapping
    mapped = MAPPING.format(where=where, subject=subject, opened_at=opened_at)
    text = f"""
[validation]
dead_letter_limit_share = {share}
dead_letter_limit_floor = 0
[sources.shop]
adapter = "files"
root = "shop"
[sources.shop.objects.line]
format = "csv"
path = "{{date}}/*.csv"
key = "{key}"
cursor = "{cursor}"
deleted_when_set = "{deleted_when_set}"
time_zone = "{time_zone}"
optional = [{listed}]
[sources.shop.objects.line.fields]
{typed}
{mapped}"""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataflow.toml").write_text(text, encoding="utf-8")
    return load_settings(folder / "dataflow.toml", home=folder / "home")


def deliver(folder: Path, day: int, *rows: Sequence[str], header: Sequence[str] = HEADER) -> None:
    """Write one day's export."""
    deliver_csv(folder / "shop", csv_text([header, *rows]), day=f"2026-03-{day:02}")


class Place:
    """An open lake, and the runs on it."""

    def __init__(self, lake: Lake, settings: Settings) -> None:
        self.lake = lake
        self.settings = settings

    def run(self, number: int) -> dict[str, str]:
        """Land what is new and publish the first two stages, as a run does; returns the gaps."""
        made = run(number)
        reset_unpublished(self.lake, self.settings, made)
        plan = plan_landing(self.lake, self.settings)
        windows = [fetch_window(planned, self.settings, made) for planned in plan.windows]
        findings = PlanFindings(plan.failures, plan.closed_gaps)
        reports: list[StepReport] = commit_what_holds(self.lake, windows, made, findings=findings)
        tables = {name: one for name, one in declared_tables(self.settings).items() if one.schema in _SCHEMAS}
        with Workspace(self.lake, made, tables=tables) as ws:
            reports += [*validate(ws, self.settings), *conform(ws, self.settings)]
            commit(ws)
        return list_gaps(reports)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.lake.con.execute(query).fetchall()

    def valid(self, columns: str = "_record_key, sku") -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT {columns} FROM lake.valid.shop_line ORDER BY ALL")

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """What readers would see of the object: without what tells when and by which run, and what was settled."""
        valid = "SELECT * EXCLUDE (_run_id, _extracted_at) FROM lake.valid.shop_line ORDER BY ALL"
        tickets = "SELECT ticket_id, subject, opened_at, _record_key FROM lake.conformed.ticket ORDER BY ALL"
        letters = "SELECT _record_key, _row_hash, rules FROM lake.ops.dead_letters WHERE status = 'open' ORDER BY ALL"
        raw = "SELECT _record_key, _changed_at, _is_deleted, _defect, payload FROM lake.raw.shop_line ORDER BY ALL"
        types = "SELECT column_name, column_type FROM (DESCRIBE lake.valid.shop_line) ORDER BY ALL"
        queries = {"valid": valid, "tickets": tickets, "dead letters": letters, "raw": raw, "types": types}
        return {name: self.rows(query) for name, query in queries.items()}


@contextmanager
def opened(settings: Settings) -> Iterator[Place]:
    """Open the lake of these settings as a run does."""
    with open_lake(settings, purpose="test") as lake:
        ensure_tables(lake, settings, run(1))
        yield Place(lake, settings)
