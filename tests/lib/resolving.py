"""Run the resolve step over records given as mappings, day by day, and commit each day to a lake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflow.govern.review.decisions import Decision, decide_pair
from dataflow.resolve.judgements.messages import lay_over_judgements
from dataflow.resolve.step import resolve
from dataflow.run.taking import take_inbox
from dataflow.settings import Settings, load_settings
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.workspace.report import StepReport
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake
from tests.lib.identities import Record
from tests.lib.inboxes import inbox_of
from tests.lib.tables import NOW, stage_rows, workspace


def resolve_day(
    lake: Lake,
    folder: Path,
    records: Iterable[Record],
    *,
    gone: Iterable[str] = (),
    day: int = 1,
    retrain: bool = False,
) -> StepReport:
    """Stage changed and deleted records, resolve, commit; a model trained anew may move as many ids as it will.

    The run takes the judgements that wait, as every run that publishes.
    """
    now, inbox = NOW + timedelta(days=day), inbox_of(lake.location)
    with workspace(lake, folder, now=now, run_id=f"run{day}") as ws:
        taken = take_inbox(ws, settings(), inbox)
        stage_records(ws, records, gone=gone)
        report = resolve(ws, settings(id_churn_budget=1), retrain=retrain)
        lake.transact(ws.write, author="test", run_id=f"run{day}", message="resolved")
    inbox.remove(taken.ids)
    return report


def judge(
    lake: Lake, pair: Sequence[str], verdict: str, *, who: str = "ann", now: datetime, large: int = 1_000
) -> Decision:
    """Decide a pair as a steward does: what waits already is laid over what the lake holds."""
    inbox = inbox_of(lake.location)
    contents = inbox.read()
    with closing(lake.cursor()) as con:
        con.execute("USE lake")
        judgements = lay_over_judgements(con, contents)
        return decide_pair(
            con, inbox, pair, verdict, who=who, why="as it is", now=now, large=large, judgements=judgements
        )


def stage_records(ws: Workspace, records: Iterable[Record], *, gone: Iterable[str] = ()) -> None:
    """Stage `records` as all that changed; `gone` are deleted."""
    rows = [_typed(record) for record in records]
    ids = ", ".join(f"('{record_id}')" for record_id in [*(row["record_id"] for row in rows), *gone, ""])
    stage_rows(ws, CUSTOMER_RECORD, rows, scope=f"SELECT * FROM (VALUES {ids}) v(record_id)")


def settings(**resolving: Any) -> Settings:
    """The default settings, but for some of `resolve`."""
    given = load_settings()
    return given.model_copy(update={"resolve": given.resolve.model_copy(update=resolving)})


def rows(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    return lake.con.execute(query).fetchall()


def partition(pairs: Iterable[tuple[str, str]]) -> set[frozenset[str]]:
    """The sets of records that share a value."""
    groups: dict[str, set[str]] = {}
    for record_id, group in pairs:
        groups.setdefault(group, set()).add(record_id)
    return {frozenset(group) for group in groups.values()}


def _typed(record: Record) -> Record:
    born = record.get("date_of_birth")
    source, name, key = record["record_id"].split("|")
    lineage = {"_source": source, "_object": name, "_record_key": key}
    return {**record, **lineage, "date_of_birth": date.fromisoformat(born) if born else None, "updated_at": NOW}
