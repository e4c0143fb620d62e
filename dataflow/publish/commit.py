"""Write one publication: the staged rows, the run's row, the positions, the audits.

One lake transaction writes all of it or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import duckdb

from checks.contract import verify_contracts
from dataflow.access.log.anchors import with_heads, write_anchors
from dataflow.errors import AuditRefused, BrokenRule
from dataflow.publish.invariants import check_invariants
from dataflow.publish.refusals import Result, explain_failed
from dataflow.publish.table_rules import TableRule, check_table_rules
from dataflow.settings import Settings
from dataflow.tables.ops import INBOX_TAKEN
from dataflow.workspace.incident_events import IncidentEvent, write_incident_events
from dataflow.workspace.position import move_positions
from dataflow.workspace.report import StepReport, gap_message, list_gaps, measured, notes_fact, resident_bytes
from dataflow.workspace.run_row import CrashedRun, RunRow, write_run
from dataflow.workspace.staging import Staged, delta_names
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake, Snapshot
from lakehouse.inbox import claim
from lakehouse.table import DATABASE

AUTHOR = "dataflow"
_PUBLISHED = "published"


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The result of a run. `snapshot` is the lake's newest; `written` counts rows by table.

    `last_change` is the newest snapshot in which `published.*` changed: None where all its snapshots were expired.
    `report` is the commit's own step: rows written, checks made, seconds.
    """

    run_id: str
    status: Literal["published", "unchanged"]
    snapshot: Snapshot
    written: dict[str, Staged] = field(default_factory=dict)
    checks: int = 0
    report: StepReport | None = None
    last_change: int | None = None
    lake_id: str = ""

    @property
    def is_new(self) -> bool:
        return self.status == "published"

    @property
    def number(self) -> int:
        """Return the publication number: the last snapshot that changed `published.*`.

        Sinks store it and compare only it; they read the lake at `snapshot`, which shows the same rows and is kept.
        """
        return self.snapshot.id if self.last_change is None else self.last_change


@dataclass(frozen=True)
class _Written:
    by_table: dict[str, Staged]
    checks: int
    warned: tuple[str, ...] = ()


def commit(
    ws: Workspace,
    lake: Lake,
    reports: Sequence[StepReport],
    *,
    crashed: Sequence[CrashedRun] = (),
    heads: Sequence[str] = (),
    incidents: Sequence[IncidentEvent] = (),
    rules: Sequence[TableRule] = (),
    changes: Mapping[str, Staged] | None = None,
    settings: Settings | None = None,
) -> Publication:
    """Commit what the workspace of a lake holds, audited inside the transaction. Without staged rows, commit nothing.

    `crashed` are runs to record with this one, `heads` signed heads of the access log to anchor,
    `incidents` events that waited in the outbox, `rules` those of tables; `changes` are those of the workspace, where
    they were counted already; by `settings` a refusal names the line that would settle it.
    Raises: AuditRefused, with the lake unchanged; LakeConflict, LakeUnwritable.
    """
    changes = ws.all_changes() if changes is None else changes
    if not any(staged.changed for staged in changes.values()):
        return Publication(
            run_id=ws.run.run_id,
            status="unchanged",
            snapshot=ws.base,
            last_change=lake.last_change_in(_PUBLISHED),
            lake_id=lake.lake_id(),
        )

    def write(con: duckdb.DuckDBPyConnection) -> _Written:
        claim_messages(con, ws, is_alone=lake.is_alone)
        by_table = ws.write(con, changes)
        write_run(con, _row(ws, reports, by_table), crashed=crashed)
        write_anchors(con, heads, run_id=ws.run.run_id, at=ws.run.now)
        write_incident_events(con, incidents, run_id=ws.run.run_id)
        move_positions(con, ws.validated, run_id=ws.run.run_id, moved_at=ws.run.now)
        return _Written(by_table, *audit(con, ws, by_table, rules=rules, settings=settings))

    with measured() as watch:
        written, snapshot = lake.transact(
            write, author=AUTHOR, run_id=ws.run.run_id, message=with_heads(f"{ws.run.kind}: published", heads)
        )
        report = _report(written, snapshot, seconds=watch.seconds)
    return Publication(
        run_id=ws.run.run_id,
        status="published",
        snapshot=snapshot,
        written=written.by_table,
        checks=written.checks,
        report=report,
        last_change=lake.last_change_in(_PUBLISHED),
        lake_id=lake.lake_id(),
    )


def _report(written: _Written, snapshot: Snapshot, *, seconds: float) -> StepReport:
    """Return the commit's own report: its rows are those changed in the lake's tables."""
    tables = written.by_table.values()
    rows = sum(staged.changed for staged in tables)
    return StepReport(
        stage="commit",
        subject="lake",
        rows_in=rows,
        rows_out=rows,
        inserted=sum(staged.inserted for staged in tables),
        updated=sum(staged.updated for staged in tables),
        deleted=sum(staged.deleted for staged in tables),
        seconds=seconds,
        peak_rss_bytes=resident_bytes(),
        facts={"checks": written.checks, "snapshot": snapshot.id, **notes_fact(written.warned)},
    )


def claim_messages(con: duckdb.DuckDBPyConnection, ws: Workspace, *, is_alone: bool) -> None:
    """Ensure that no other commit takes the inbox messages that this run acts on. Raises: LakeConflict."""
    if INBOX_TAKEN.full_name in ws.staged:
        ids = f"SELECT message_id FROM {delta_names(INBOX_TAKEN).delta}"
        claim(con, ids, taken=INBOX_TAKEN, is_alone=is_alone)


def audit(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    written: Mapping[str, Staged],
    *,
    rules: Sequence[TableRule] = (),
    settings: Settings | None = None,
) -> tuple[int, tuple[str, ...]]:
    """Verify the contracts of the changed published tables, every invariant, and the rules of changed tables.

    `written` is what was written, by table. Returns the number of checks, and what rules that only warn found.
    Raises: AuditRefused naming each failed check, its table and counts.
    """
    changed = [t for name, t in ws.staged.items() if t.schema == "published" and written[name].changed]
    contracts = verify_contracts(con, changed, database=DATABASE)
    invariants = check_invariants(con)
    ruled = check_table_rules(con, rules, {name for name, staged in written.items() if staged.changed})
    broken = [result for result in ruled if not result.passed]
    blocking = [result for result in broken if result.rule.blocks]
    results: list[Result] = [*contracts, *invariants, *ruled]
    refusing: list[Result] = [one for one in contracts if not one.passed]
    refusing += [one for one in invariants if not one.passed]
    refusing += blocking
    if refusing:
        failed = tuple(map(str, refusing))
        raise AuditRefused(
            f"Run {ws.run.run_id} was not published: {len(failed)} of {len(results)} checks failed: "
            f"{'; '.join(failed)}.",
            next_move="The lake is as it was. Look at the named tables' stages in the run report, then run again.",
            failed=failed,
            broken=tuple(
                BrokenRule(rule=one.rule.name, on=one.rule.on, owner=one.rule.owner, found=str(one)) for one in blocking
            ),
            checks=explain_failed(con, refusing, tables=ws.tables, settings=settings),
        )
    return len(results), tuple(f"Rule broken: {one}" for one in broken)


def _row(ws: Workspace, reports: Sequence[StepReport], written: Mapping[str, Staged]) -> RunRow:
    tables = [name for name, staged in written.items() if staged.changed]
    rows = sum(staged.changed for staged in written.values())
    gaps = list_gaps(reports)
    return RunRow(
        run_id=ws.run.run_id,
        kind=ws.run.kind,
        status="partial" if gaps else "published",
        message="; ".join([f"{rows} rows in {len(tables)} tables", *([gap_message(gaps)] if gaps else [])]),
        started_at=ws.run.now,
        # The run's clock plus the seconds of its steps: no second clock is read.
        finished_at=ws.run.now + timedelta(seconds=sum(report.seconds for report in reports)),
        reports=reports,
    )
