"""Reset an object: read key, version and deletion of its rows in raw again, and have everything after raw made anew.

Raw is kept as received. The next run validates the object from all of raw, and what follows from it: valid, conformed,
resolved, published. A reset is one lake transaction: killed at any point, it is done or not done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from dataflow.errors import UsageError
from dataflow.land.reread import REREAD, lay_out_reread, write_reread
from dataflow.run.folders import name_run
from dataflow.run.landed import ensure_tables
from dataflow.settings import Settings
from dataflow.tables.declared import declared_tables
from dataflow.tables.ops import FINGERPRINT, POSITION
from dataflow.workspace.landed_by import declarations, landed_by
from dataflow.workspace.position import ObjectName
from dataflow.workspace.run_row import RunRow, write_run
from dataflow.workspace.staging import Run
from lakehouse import Lake
from lakehouse.query import fetch_int
from lakehouse.table import literal


@dataclass(frozen=True, kw_only=True)
class ResetPlan:
    """What a reset of an object does. `changes`: what dataflow.toml changes in how its rows are landed.

    `rows` in raw, of which `rows_reread` get another key, version or deletion; `records`: valid records that are made
    anew; `deletions_kept`: deletions that name records by the former key only, and delete none of the new key;
    `is_read_anew`: the source is read from its beginning, since the cursor is another.
    """

    source: str
    object: str
    changes: tuple[str, ...]
    rows: int
    rows_reread: int
    records: int
    deletions_kept: int
    is_read_anew: bool

    @property
    def name(self) -> ObjectName:
        return self.source, self.object


def plan_reset(lake: Lake, settings: Settings, name: ObjectName) -> ResetPlan:
    """Find out what a reset of the object does; `reset` on the same lake then does it. Raises: UsageError."""
    declared = declarations(settings).get(name)
    if declared is None:
        known = ", ".join(f"{source} {one}" for source, one in sorted(declarations(settings)))
        raise UsageError(
            f"No object {name[1]} is declared for the source {name[0]}; there are: {known}.",
            next_move="Name one of these, or declare it in dataflow.toml.",
        )
    started_at = datetime.now(UTC)
    ensure_tables(lake, settings, Run(name_run("reset", started_at), "reset", started_at))
    before = landed_by(lake)[name]
    found = lay_out_reread(lake, name, before, declared)
    valid = declared_tables(settings)[f"valid.{name[0]}_{name[1]}"]
    return ResetPlan(
        source=name[0],
        object=name[1],
        changes=tuple(before.changes_to(declared)),
        rows=found.rows,
        rows_reread=found.changed,
        records=fetch_int(lake.con, f"SELECT count(*) FROM {valid.in_lake}"),
        deletions_kept=found.deletions_kept,
        is_read_anew=before.cursor_field != declared.cursor,
    )


def reset(lake: Lake, settings: Settings, plan: ResetPlan) -> str:
    """Do what was planned, in one transaction; return the id of the reset, which is recorded as a run."""
    declared, started_at = declarations(settings)[plan.name], datetime.now(UTC)
    before = landed_by(lake)[plan.name]
    run_id = name_run("reset", started_at)

    def write(con: DuckDBPyConnection) -> None:
        write_reread(con, plan.name, before, declared)
        of_object = f"source = {literal(plan.source)} AND object = {literal(plan.object)}"
        con.execute(f"DELETE FROM {POSITION.in_lake} WHERE {of_object}")
        con.execute(
            f"DELETE FROM {FINGERPRINT.in_lake} WHERE table_name = {literal(f'valid.{plan.source}_{plan.object}')}"
        )
        write_run(con, _row(run_id, plan, started_at))

    lake.transact(write, author="dataflow", run_id=run_id, message=f"reset {'.'.join(plan.name)}")
    lake.con.execute(f"DROP TABLE {REREAD}")
    return run_id


def _row(run_id: str, plan: ResetPlan, started_at: datetime) -> RunRow:
    changes = f" ({'; '.join(plan.changes)})" if plan.changes else ""
    return RunRow(
        run_id=run_id,
        kind="reset",
        status="complete",
        message=f"{'.'.join(plan.name)} reset{changes}: {plan.rows_reread:,} of {plan.rows:,} rows in raw read again",
        started_at=started_at,
        finished_at=datetime.now(UTC),
    )
