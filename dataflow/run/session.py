"""Run one run in one process as the one writer: open the lake, measure the steps, record how the run ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.access.inbox import inbox_at
from dataflow.access.lake import open_lake
from dataflow.access.log.anchors import heads_to_anchor, put_in_bucket
from dataflow.errors import AccessLogError, DataFlowError, ExitCode
from dataflow.run.claims import claim_run, list_unended, take_unended
from dataflow.run.clock import compare_with_last_run, compare_with_sources
from dataflow.run.declarations import check_declarations
from dataflow.run.folders import UnendedRun, claim_folder, clear_plan_folders, name_run
from dataflow.run.former_lake import former_lake, report_new_lake
from dataflow.run.landed import ensure_tables, reset_unpublished
from dataflow.run.landing_findings import LandingFindings
from dataflow.run.memory import PeakMemory
from dataflow.run.progress import StageEvent, announce
from dataflow.run.record import RunOutcome, StageTiming, record_costs, record_run
from dataflow.run.taking import Taken, take_inbox
from dataflow.settings import Settings
from dataflow.sources import PlannedWindow
from dataflow.tables.declared import declared_tables
from dataflow.tables.ops import RunStatus
from dataflow.workspace.cost import COST_FACT, Cost
from dataflow.workspace.defects import wrapping_defects
from dataflow.workspace.incident_events import IncidentEvent, Outbox, parse_events, read_incident_events
from dataflow.workspace.position import Positions
from dataflow.workspace.refused import describe_refused, forget_refused, keep_refused
from dataflow.workspace.report import NOTES_FACT, StepReport, gap_message, list_behind, list_gaps, measured
from dataflow.workspace.run_row import RunRow
from dataflow.workspace.staging import Run, Staged
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake, LakeError, LakeLocked
from lakehouse.claims import HeldClaim
from lakehouse.damage import naming_damage, require_whole
from lakehouse.lease import lease
from lakehouse.table import Table

if TYPE_CHECKING:
    from dataflow.publish import Publication
    from dataflow.publish.table_rules import TableRule

_ROWS_OF_ONE_THREAD = 50_000
"""Rows of all tables of the lake below which DuckDB computes with one thread.

The second only wakes up for what the first has done by then: a fifth of the CPU of a run of some hundred records, whose
lake has 16,000 rows (November 2026).
"""

Step = Callable[[], StepReport | Sequence[StepReport]]


class RunSession:
    """What the steps of one run share. Created by `open_run`."""

    def __init__(
        self,
        settings: Settings,
        run: Run,
        *,
        lake: Lake,
        tables: Mapping[str, Table],
        folder: Path,
        memory: PeakMemory,
        started_at: datetime,
        crashed: Sequence[UnendedRun] = (),
        claim: HeldClaim | None = None,
    ) -> None:
        self.settings = settings
        self.run = run
        self.lake = lake
        self.tables = tables
        self.folder = folder
        self.started_at = started_at
        self.reports: list[StepReport] = []
        self.timings: list[StageTiming] = []
        self._workspace: Workspace | None = None
        self.outcome: RunOutcome | None = None
        self._has_failed = False
        self._memory = memory
        self._taken = Taken()
        self._crashed = list(crashed)
        self._claim = claim
        self.crashed_runs = tuple(run.crashed() for run in crashed)
        self.landing = LandingFindings()
        self.incident_events = read_incident_events(lake.con)
        self._waiting_events = parse_events(Outbox(settings).read())
        self.recorded_events: frozenset[str] = frozenset()
        self.holds_lake = True
        self._changes: Mapping[str, Staged] | None = None
        self._heads: tuple[str, ...] = ()
        self._set_aside = ""

    @property
    def known_events(self) -> list[IncidentEvent]:
        """Return the events of incidents that were known when the run began: of the lake, and of the outbox."""
        return [*self.incident_events, *self._waiting_events]

    @property
    def workspace(self) -> Workspace:
        """Return the workspace, inside `open_workspace`."""
        assert self._workspace is not None
        return self._workspace

    def note_clocks(self, windows: Iterable[PlannedWindow]) -> None:
        """Note the sources whose clock, when the windows were planned just now, was far from the run's."""
        elapsed = datetime.now(UTC) - self.started_at
        self.reports += compare_with_sources(windows, self.run.now + elapsed)

    @contextmanager
    def open_workspace(self) -> Iterator[Workspace]:
        """Open the run's workspace on the current snapshot, with the waiting messages of the inbox staged."""
        if not self.settings.lake.threads and self.lake.rows_kept() < _ROWS_OF_ONE_THREAD:
            self.lake.con.execute("SET threads = 1")
        with self.one_at_a_time("publish"), Workspace(self.lake, self.run, tables=self.tables) as workspace:
            self._workspace = workspace
            self._take_inbox(workspace)
            try:
                yield workspace
            except DataFlowError as error:
                if error.exit_code == ExitCode.REFUSED:
                    self._keep_set_aside(workspace, error)
                raise
            finally:
                self._workspace = None

    def _keep_set_aside(self, workspace: Workspace, refusal: DataFlowError) -> None:
        """Keep the dead letters of a refused run in a file, and say so in the run's message and with the error."""
        try:
            found = keep_refused(workspace, self.settings)
        except Exception as second:  # noqa: BLE001 (any error: it must not hide the refusal)
            refusal.add_note(f"The rows that it set aside could not be kept ({type(second).__name__}).")
            return
        if found:
            self._set_aside = describe_refused(found, self.run.run_id)
            refusal.add_note(self._set_aside)

    def _take_inbox(self, workspace: Workspace) -> None:
        if (inbox := inbox_at(self.lake.location)) is None:
            return
        with wrapping_defects("inbox"):
            self._taken = take_inbox(workspace, self.settings, inbox)
        if self._taken.report is not None:
            self.reports.append(self._taken.report)

    def _remove_taken(self) -> None:
        """Remove the messages that this run's commit took; if the run dies before that, the next one removes them."""
        if self._taken.ids and (inbox := inbox_at(self.lake.location)) is not None:
            inbox.remove(self._taken.ids)

    def release_lake(self) -> None:
        """Close the lake before the run ends and let the next writer in; later steps read like any reader."""
        self.holds_lake = False
        self.lake.close()

    @contextmanager
    def one_at_a_time(self, what: str) -> Iterator[None]:
        """Exclude other runs from the same work: on a catalogue server, two commits of one key do not conflict."""
        if self.lake.is_alone:
            yield
            return
        purpose, wait = f"{what} of run {self.run.run_id}", self.settings.lake.wait_seconds
        with lease(self.lake.location, what, purpose=purpose, wait_seconds=wait):
            yield

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage, and wrap its unexpected errors without their messages."""
        announce(StageEvent(name, "began"))
        self._memory.restart()
        if self.holds_lake:
            self.lake.renew_access()
        with measured() as watch, wrapping_defects(name), naming_damage(self.lake.con, self.lake.location):
            yield
        self.timings.append(StageTiming(name, watch.seconds, self._memory.peak_bytes()))
        announce(StageEvent(name, "ended"))

    def step(self, stage: str, work: Step) -> list[StepReport]:
        """Run the step of a stage, measured; keep its reports for the run's record."""
        with self.stage(stage):
            made = work()
        cost = self.timings[-1]
        reports = [made] if isinstance(made, StepReport) else list(made)
        reports = [
            _with_cost(report, seconds=cost.seconds / len(reports), peak=cost.peak_rss_bytes) for report in reports
        ]
        self.reports += reports
        return reports

    def find_changes(self) -> bool:
        """Count what the workspace would change, for `commit`; return whether it is anything."""
        self._changes = self.workspace.all_changes()
        return any(staged.changed for staged in self._changes.values())

    def commit(self) -> Publication:
        """Write, audit and commit what the workspace holds, and with it the record of runs that crashed.

        Raises: as dataflow.publish.commit.
        """
        # Imported late: a run that finds the lake locked does not wait for it.
        from dataflow.publish import commit

        if self._claim is not None:
            self._claim.require()
        crashed = [run.crashed() for run in self._crashed]
        heads = heads_to_anchor(self.lake.con, self.settings)
        publication = commit(
            self.workspace,
            self.lake,
            self.reports,
            crashed=crashed,
            heads=heads,
            incidents=self._waiting_events,
            rules=self._table_rules(),
            changes=self._changes,
            settings=self.settings,
        )
        self._remove_taken()
        if publication.is_new:
            self._note_recorded()
            self._forget_crashed()
            self._anchored(heads)
        if publication.report is not None:
            self.reports.append(publication.report)
        return publication

    def conclude(self, status: RunStatus, message: str, *, snapshot_id: int | None = None) -> RunOutcome:
        """Conclude the run and record it, unless it published: its commit has written the row."""
        finished_at = datetime.now(UTC)
        gaps = list_gaps(self.reports)
        ended: RunStatus = "partial" if gaps else status
        message = f"{message}; {gap_message(gaps)}" if gaps else message
        if status != "published":
            # Only an unchanged run has validated what landed so far.
            moved = self._workspace.validated if self._workspace and status == "unchanged" else {}
            snapshot_id = self._record(ended, message, finished_at=finished_at, positions=moved)
        self.outcome = self._outcome(ended, message, finished_at=finished_at, snapshot_id=snapshot_id)
        return self.outcome

    def add_sinks(self, outcome: RunOutcome, reports: Sequence[StepReport]) -> RunOutcome:
        """Add the reports of the sinks to a concluded run; a sink that is behind makes it partial, also in its row.

        The publication stays committed. If the row cannot be changed because another writer holds the lake, the
        message says so.
        """
        self.reports += reports
        status, message, behind = outcome.status, outcome.message, list_behind(reports)
        if unwritten := self._record_costs(reports):
            message = f"{message} ({unwritten})"
        if behind:
            status, addition = "partial", f"sinks behind: {', '.join(behind)}"
            message = f"{message}; {addition}"
            try:
                self._record("partial", addition, finished_at=datetime.now(UTC))
            except LakeError as error:
                message = f"{message} (not on record: {type(error).__name__})"
        return self._outcome(status, message, finished_at=datetime.now(UTC), snapshot_id=outcome.snapshot_id)

    def _record_costs(self, reports: Sequence[StepReport]) -> str:
        """Write what sinks have used to `ops.cost`; return why that could not be, or ""."""
        costs = [Cost(**report.facts[COST_FACT]) for report in reports if COST_FACT in report.facts]
        costs = [cost for cost in costs if cost.bytes_billed or cost.load_jobs]
        if not costs:
            return ""
        try:
            with self._writable_lake() as lake:
                record_costs(lake, costs, run_id=self.run.run_id, started_at=self.started_at)
        except LakeError as error:
            return f"its cost is not on record: {type(error).__name__}"
        return ""

    def record_failure(self, error: BaseException) -> RunOutcome | None:
        """Record a failed or refused run, once; if that fails too, the first error is the one to raise.

        A run that has published stays published; a later failure is added to its message.
        """
        if self._has_failed or (isinstance(error, DataFlowError) and error.exit_code == ExitCode.USAGE):
            return None  # recorded already, or bad usage, which is not recorded
        self._has_failed = True
        refused = isinstance(error, DataFlowError) and error.exit_code == ExitCode.REFUSED
        known = isinstance(error, DataFlowError | LakeError)
        message = f"{error} {self._set_aside}".rstrip() if known else _message_of(error)
        status: RunStatus = "refused" if refused else "failed"
        finished_at = datetime.now(UTC)
        try:
            snapshot_id = self._record(status, message, finished_at=finished_at)
        except Exception as second:  # noqa: BLE001 (any error: it must not hide the first one)
            error.add_note(f"The run could not be recorded either ({type(second).__name__}).")
            return None
        return self._outcome(status, message, finished_at=finished_at, snapshot_id=snapshot_id)

    def _outcome(
        self, status: RunStatus, message: str, *, finished_at: datetime, snapshot_id: int | None
    ) -> RunOutcome:
        return RunOutcome(
            run_id=self.run.run_id,
            kind=self.run.kind,
            status=status,
            message=message,
            started_at=self.started_at,
            finished_at=finished_at,
            seconds=(finished_at - self.started_at).total_seconds(),
            peak_rss_bytes=self._memory.overall_bytes,
            snapshot_id=snapshot_id,
            reports=tuple(self.reports),
            timings=tuple(self.timings),
            heads=self._heads,
        )

    def _record(
        self, status: RunStatus, message: str, *, finished_at: datetime, positions: Positions | None = None
    ) -> int:
        row = RunRow(
            run_id=self.run.run_id,
            kind=self.run.kind,
            status=status,
            message=message,
            started_at=self.started_at,
            finished_at=finished_at,
            reports=self.reports,
        )
        crashed = [run.crashed() for run in self._crashed]
        with self._writable_lake() as lake:
            heads = heads_to_anchor(lake.con, self.settings)
            snapshot_id = record_run(
                lake, row, crashed=crashed, positions=positions, heads=heads, incidents=self._waiting_events
            )
        self._note_recorded()
        self._forget_crashed()
        self._anchored(heads)
        return snapshot_id

    def _anchored(self, heads: Sequence[str]) -> None:
        """Keep what a commit anchored for the report, and put the newest heads into the bucket too, if there is one.

        A bucket that cannot be reached does not undo the run: the report notes it, and the next run puts newer heads.
        """
        self._heads += tuple(heads)
        if not self.settings.audit.anchor_bucket:
            return
        notes = []
        try:
            put = put_in_bucket(self.settings, now=datetime.now(UTC))
        except AccessLogError as error:
            put, notes = 0, [str(error)]
        facts = {NOTES_FACT: notes} if notes else {}
        self.reports.append(StepReport(stage="anchor", subject="access log", rows_in=put, rows_out=put, facts=facts))

    @contextmanager
    def _writable_lake(self) -> Iterator[Lake]:
        if self.holds_lake:
            yield self.lake
            return
        with open_lake(self.settings, purpose=f"record of run {self.run.run_id}") as lake:
            yield lake

    def _table_rules(self) -> list[TableRule]:
        if not self.settings.rules:
            return []
        from dataflow.publish.table_rules import compile_table_rules

        return compile_table_rules(self.settings, self.tables, now=self.run.now)

    def _note_recorded(self) -> None:
        """Note the events of incidents that a commit has put into the lake; the outbox can forget them."""
        self.recorded_events = frozenset(event.event_id for event in self._waiting_events)

    def _forget_crashed(self) -> None:
        """Remove the folders of crashed runs after a commit has recorded them; until then they are found again."""
        for crashed in self._crashed:
            crashed.forget()
        self._crashed = []


@contextmanager
def open_run(settings: Settings, kind: str, *, now: datetime | None = None) -> Iterator[RunSession]:
    """Open the lake as its one writer and prepare it for a run of this kind.

    `now` is the run's clock, by default its start time. A run that raises is recorded as failed or refused.
    Raises: LakeLocked naming the holder, LakeUnreachable, LakeUnwritable, LakeDamaged, ConfigurationError.
    """
    started_at = datetime.now(UTC)
    run = Run(name_run(kind, started_at), kind, now or started_at)
    tables = declared_tables(settings)
    check_declarations(settings, tables)
    runs = Path(settings.runs)
    former = former_lake(settings)
    with open_lake(settings, purpose=f"run {run.run_id}", temp_directory=runs / run.run_id / "spill") as lake:
        clear_plan_folders(runs)
        forget_refused(settings, now=started_at)
        with (
            _crashed_runs(lake, runs, purpose=f"run {run.run_id}") as crashed,
            PeakMemory() as memory,
            claim_folder(runs, run.run_id) as folder,
            claim_run(lake.location, run.run_id) as claim,
        ):
            ensure_tables(lake, settings, run)
            reset_unpublished(lake, settings, run)
            session = RunSession(
                settings,
                run,
                lake=lake,
                tables=tables,
                folder=folder,
                memory=memory,
                started_at=started_at,
                crashed=crashed,
                claim=claim,
            )
            if former:
                session.reports.append(report_new_lake(former))
            session.reports += compare_with_last_run(lake, run.now)
            try:
                require_whole(lake.con, lake.location)
                yield session
            except BaseException as error:
                session.record_failure(error)
                raise


@contextmanager
def _crashed_runs(lake: Lake, runs: Path, *, purpose: str) -> Iterator[list[UnendedRun]]:
    """Yield the crashed runs that this run records; of several runs at the same time, one takes all of them."""
    if all(run.is_running for run in list_unended(lake.location, runs)):
        yield []
        return
    with ExitStack() as held:
        if not lake.is_alone:
            try:
                held.enter_context(lease(lake.location, "crashed-runs", purpose=purpose))
            except LakeLocked:
                yield []
                return
        yield take_unended(lake.location, runs)


def _message_of(error: BaseException) -> str:
    """Return the message of an error of another tree; its own can quote a row."""
    if isinstance(error, Exception):
        return f"unexpected {type(error).__name__}"
    # Ctrl-C, or SIGTERM as Prefect sends it to the process of a cancelled run: not errors of Python's either.
    return "cancelled: its process was asked to end; what it had committed stays, and the next run continues from there"


def _with_cost(report: StepReport, *, seconds: float, peak: int) -> StepReport:
    """Fill in the cost that the step did not measure itself, or only at its end."""
    return dataclasses.replace(
        report, seconds=report.seconds or seconds, peak_rss_bytes=max(report.peak_rss_bytes, peak)
    )
