"""plan, run, backfill, follow, check: run a flow, or show what it would do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import (
    NowOption,
    ObjectOption,
    Output,
    OutputOption,
    SinceOption,
    SourceOption,
    UntilOption,
    parse_day,
    parse_days,
    parse_seconds,
    settings_of,
    timestamp_or_none,
)
from dataflow.cli.output import messages, write_json, write_line, write_records
from dataflow.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from dataflow.run.record import RunOutcome
    from dataflow.settings import Settings
    from flows.follow import Turn


def register(app: typer.Typer) -> None:
    app.command("plan")(plan)
    app.command("run")(run)
    app.command("backfill")(backfill)
    app.command("follow")(follow)
    app.command("check")(check)


def plan(
    context: typer.Context,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    retrain: Annotated[
        bool,
        typer.Option("--retrain", help="Show what models trained again on the published records would change."),
    ] = False,
    with_preview: Annotated[
        bool, typer.Option("--preview", help="Preview the new rows also after the first publication.")
    ] = False,
    output: OutputOption = Output.TABLE,
    now: NowOption = None,
) -> None:
    """Show what a run would land: windows, files, bytes, and fields that changed. Nothing is landed.

    Before the first publication, or with --preview, also what would become of the new rows: how the values of CSV files
    are written, dead letters by rule, words that no mapping knows, records that share an address.

    With --retrain: the customers that `dataflow run --retrain` would merge, split or give another id, and the key
    figures; exit code 3 when that run would be refused, because it moves more ids than resolve.id_churn_budget.

    Example:  dataflow plan --source tickets -o json
    """
    if retrain:
        if source or object_name or since or until:
            raise UsageError(
                "--retrain plans all records.", next_move="Leave out --source, --object, --since and --until."
            )
        _plan_retrain(settings_of(context), now=now, output=output)
        return
    from dataflow.observe.plan import plan_run

    records, pending, previewed = plan_run(
        settings_of(context),
        source=source,
        object_name=object_name,
        since=timestamp_or_none(since, option="--since"),
        until=timestamp_or_none(until, option="--until"),
        with_preview=with_preview,
    )
    write_records(records, output=output, title="A run would land:")
    if any(record["drift"] for record in records):
        messages.print("Fields differ from dataflow.toml: `dataflow drift accept SOURCE OBJECT` writes them into it.")
    for finding in pending:
        messages.print(f"Changed declaration: {finding.found} {finding.fix}".rstrip())
    for finding in previewed:
        messages.print(
            f"{'' if finding.is_well else 'Look at: '}{finding.name}: {finding.found} {finding.fix}".rstrip()
        )
    if not records and not pending:
        messages.print("Nothing new: a run would publish nothing.")


def run(
    context: typer.Context,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    ingest_only: Annotated[bool, typer.Option("--ingest-only", help="Land what is new and publish nothing.")] = False,
    publish_only: Annotated[
        bool, typer.Option("--publish-only", help="Publish what has landed and fetch nothing.")
    ] = False,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="Train the identity models again, on all records; see `dataflow plan --retrain` first.",
        ),
    ] = False,
    output: OutputOption = Output.TABLE,
    now: NowOption = None,
) -> None:
    """Run the pipeline once: land what is new, then publish it in one audited transaction.

    Runs the flow of the deployments, in this process. It can be run again at any time: nothing is landed twice.

    Example:  dataflow run --source salesforce --object contact --since 2026-01-01
    """
    if ingest_only and publish_only:
        raise UsageError("--ingest-only and --publish-only exclude each other.", next_move="Give one, or neither.")
    if ingest_only and retrain:
        raise UsageError("--retrain publishes, --ingest-only does not.", next_move="Give one, or neither.")
    if object_name and not source:
        raise UsageError("--object needs --source.", next_move="Give --source as well.")
    chosen: dict[str, Any] = {
        "source": source,
        "object_name": object_name,
        "since": timestamp_or_none(since, option="--since"),
        "until": timestamp_or_none(until, option="--until"),
    }
    settings = settings_of(context)
    _require_declared(settings, source, object_name)
    kind = "ingest" if ingest_only else "publish" if publish_only else "daily"
    parameters = ({} if publish_only else chosen) | ({} if ingest_only else {"retrain": retrain})
    with _refused_as_json(output):
        outcome = perform(settings, kind, parameters, now=now)
    write_outcome(outcome, output=output)


def backfill(
    context: typer.Context,
    start: Annotated[str, typer.Option("--from", help="First day, e.g. 2026-01-01.")],
    end: Annotated[str, typer.Option("--to", help="Last day, included.")],
    window: Annotated[str, typer.Option("--window", help="Length of a window in days: 1d, 7d.")] = "1d",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Windows to fetch at the same time.")] = 10,
    output: OutputOption = Output.TABLE,
    now: NowOption = None,
) -> None:
    """Land a range of days window by window, then publish once; also closes the gaps that start in the range.

    After an interruption give it again: complete windows are skipped, staged files are not read again.

    Example:  dataflow backfill --from 2026-01-01 --to 2026-03-31 --window 1d --workers 10
    """
    first, last = parse_day(start, option="--from"), parse_day(end, option="--to")
    if last < first:
        raise UsageError(f"A backfill from {first} to {last} ends before it starts.", next_move="Swap the two days.")
    parameters = {
        "start": first,
        "end": last,
        "window_days": parse_days(window, option="--window"),
        "workers": workers,
    }
    with _refused_as_json(output):
        outcome = perform(settings_of(context), "backfill", parameters, now=now)
    write_outcome(outcome, output=output)


def follow(
    context: typer.Context,
    every: Annotated[str, typer.Option("--every", help="Time between two looks at the sources: 30s, 5m.")] = "30s",
    for_: Annotated[
        str | None, typer.Option("--for", help="End after this time: 30m, 2h; default: when it is asked to.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Land and publish what is new, again and again, in one process, until SIGTERM or Ctrl-C.

    Each time that something is new it does what `dataflow run` does: an audited run, on record. Between two runs no
    lock is held and nothing is written; a scheduled run goes first. What fails is tried again less often. Asked to end,
    it finishes the run that has begun. A changed dataflow.toml needs a new start.

    Example:  dataflow follow --every 30s
    """
    from dataflow.cli.watching import ending_on_signals
    from flows.follow import follow_sources

    every_seconds = parse_seconds(every, option="--every")
    for_seconds = parse_seconds(for_, option="--for") if for_ is not None else None
    with ending_on_signals() as stop:
        follow_sources(
            settings_of(context),
            every_seconds=every_seconds,
            for_seconds=for_seconds,
            stop=stop,
            on_turn=lambda turn: _write_turn(turn, output=output),
        )


def _write_turn(turn: Turn, *, output: Output) -> None:
    """Write a turn that did something: JSON for machines, one line for people."""
    if turn.status == "idle":
        return
    if output is Output.JSON:
        write_line(json.dumps(asdict(turn) | {"at": turn.at.isoformat(), "seconds": round(turn.seconds, 3)}))
        sys.stdout.flush()
    else:
        messages.print(f"{turn.at:%Y-%m-%d %H:%M:%S} {turn.status}, {turn.seconds:.1f} s: {turn.message}")


def check(
    context: typer.Context,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    output: OutputOption = Output.TABLE,
    now: NowOption = None,
) -> None:
    """Compare raw with the sources by range; the next run reads again what is missing.

    Lands what is new first. A source that can count is checked from its beginning, and bisected where counts differ;
    delivered files are read again, by default those of the last 30 days. Where raw holds records that the source does
    not count, their keys are compared, and those that are gone become deletions. Rows stamped later than the source's
    clock, which no run reads, are counted and make the check partial.

    Example:  dataflow check --source mysql --since 2026-01-01
    """
    settings = settings_of(context)
    if object_name and not source:
        raise UsageError("--object needs --source.", next_move="Give --source as well.")
    _require_declared(settings, source, object_name)
    parameters = {
        "source": source,
        "object_name": object_name,
        "since": timestamp_or_none(since, option="--since"),
        "until": timestamp_or_none(until, option="--until"),
    }
    write_outcome(perform(settings, "check", parameters, now=now), output=output)


def _require_declared(settings: Settings, source: str | None, object_name: str | None) -> None:
    if source is None:
        return
    from dataflow.observe.plan import require_declared

    require_declared(settings, source, object_name)


def _plan_retrain(settings: Settings, *, now: str | None, output: Output) -> None:
    from dataflow.cli.reading import write_changes
    from dataflow.cli.watching import watching_run
    from dataflow.observe.plan_retrain import plan_retrain
    from dataflow.resolve.training.churn import refuse_churn

    with watching_run():
        found = plan_retrain(settings, now=timestamp_or_none(now, option="--now"))
    document = found.as_dict()
    if output is Output.JSON:
        write_json(document)
    else:
        if output is Output.TABLE:
            write_records(document["models"], output=output, title="Models, and those that would replace them")
            write_records([document["churn"]], output=output, title="Records that would change their customer")
            write_records(document["largest"], output=output, title="Largest merges and splits")
        write_changes(document, output=output, title="Rows that would change")
    refuse_churn(found.churn, budget=found.budget)


def perform(settings: Settings, kind: str, parameters: dict[str, Any], *, now: str | None = None) -> RunOutcome:
    """Run a flow in this process, with progress on a terminal."""
    from dataflow.cli.watching import watching_run, watching_windows
    from flows.start import run_flow

    timestamp = timestamp_or_none(now, option="--now")
    with watching_windows() if kind == "backfill" else watching_run():
        return run_flow(settings, kind, now=timestamp, **parameters)


@contextmanager
def _refused_as_json(output: Output) -> Iterator[None]:
    """Write why a publication was refused as JSON too, where that is asked for; the error is raised on."""
    from dataflow.errors import AuditRefused

    try:
        yield
    except AuditRefused as error:
        if output is Output.JSON:
            checks = [asdict(check) for check in error.checks]
            write_json({"status": "refused", "message": str(error), "failed": list(error.failed), "checks": checks})
        raise


def write_outcome(outcome: RunOutcome, *, output: Output) -> None:
    """Write the stages of a run with their rows, and its message. Raises: Exit when the run was partial."""
    from dataflow.workspace.report import list_behind, list_gaps

    if output is Output.JSON:
        write_json(outcome.as_dict())
    else:
        _write_for_people(outcome, output=output)
    if outcome.status == "partial":
        gaps, behind = list_gaps(outcome.reports), list_behind(outcome.reports)
        for subject, why in gaps.items():
            messages.print(f"Incomplete: {subject}: {why}")
        if gaps:
            messages.print("Partial: what is missing is on record (dataflow status); the next run reads it again.")
        for name, why in behind.items():
            messages.print(f"Sink behind: {name}: {why}")
        if behind:
            messages.print(
                "Partial: the publication is committed. The next run updates these sinks, even with nothing new."
            )
        raise typer.Exit(ExitCode.PARTIAL)


def _write_windows(outcome: RunOutcome) -> None:
    """Say where the time of many windows went."""
    from dataflow.workspace.report import condensed

    many = [one for one in condensed(outcome.reports) if one not in outcome.reports]
    for one in many:
        messages.print(f"Landed {one.subject}.")
    if many:
        spent: dict[str, float] = {}
        for timing in outcome.timings:
            spent[timing.stage] = spent.get(timing.stage, 0.0) + timing.seconds
        longest = sorted(spent.items(), key=lambda one: -one[1])
        messages.print(f"Time: {', '.join(f'{stage} {seconds:.1f} s' for stage, seconds in longest)}.")


def _write_for_people(outcome: RunOutcome, *, output: Output) -> None:
    from dataflow.workspace.report import list_drift, list_notes

    records = []
    for totals in outcome.totals_by_stage():
        record = asdict(totals)
        peak = record.pop("peak_rss_bytes")
        records.append(record | {"seconds": round(totals.seconds, 2), "peak_mib": round(peak / 2**20)})
    write_records(records, output=output)
    if output is Output.TABLE:
        write_line()
        write_line((outcome.status.capitalize(), "bold"), f": {outcome.message}.")
    _write_windows(outcome)
    for subject, drift in list_drift(outcome.reports).items():
        messages.print(f"Fields differ from dataflow.toml: {subject}: {drift} (dataflow drift list)")
    for note in list_notes(outcome.reports):
        messages.print(f"Note: {note}")
    messages.print(f"Run {outcome.run_id} took {outcome.seconds:.1f} s.")
    if outcome.report_page:
        messages.print(f"Report: {outcome.report_page}")
