"""status, query, diff: read the published catalogue, without waiting for a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import Output, OutputOption, open_door, parse_version, settings_of
from dataflow.cli.output import messages, write_json, write_line, write_records, write_rows
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from dataflow.access.answers import Answer
    from dataflow.run.folders import UnendedRun
    from dataflow.settings import Settings
    from lakehouse.snapshot import Snapshot


class DiffOutput(StrEnum):
    """The form of a diff: that of other answers, or Parquet files with the rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


_CHANGES_ROWS = ("inserted_into", "deleted_from", "dropped")


def register(app: typer.Typer) -> None:
    app.command("status")(status)
    app.command("snapshots")(snapshots)
    app.command("query")(query)
    app.command("diff")(diff)


def status(
    context: typer.Context,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Number of last runs to show.")] = 5,
    slo: Annotated[
        bool, typer.Option("--slo", help="Show the service level instead: error budget, burn rate, what was not fresh.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the last runs and their notes, freshness, completeness, gaps, dead letters, decisions, what each sink shows.

    Examples:  dataflow status -o json

               dataflow status --slo
    """
    from datetime import UTC, datetime

    from dataflow.access.lake import reading_location
    from dataflow.observe.sinks import read_sinks
    from dataflow.observe.status import read_status, status_without_lake, unrecorded_runs
    from dataflow.run.claims import list_unended
    from dataflow.run.folders import list_runs
    from lakehouse import LakeDamaged, LakeUnreachable
    from lakehouse.damage import fault_at_sight, lost_at_sight

    if output is Output.CSV:
        raise UsageError("status has several parts and cannot be one CSV.", next_move="Use -o json.")
    settings, now = settings_of(context), datetime.now(UTC)
    if slo:
        _write_service_level(context, settings, now=now, output=output)
        return
    folders: Sequence[UnendedRun] = list_runs(Path(settings.runs))
    try:
        folders = list_unended(reading_location(settings), Path(settings.runs))
        with open_door(context, "status", reads=None) as door:
            found = read_status(door.con, settings=settings, now=now, runs=runs, inbox=door.waiting, folders=folders)
            damage = fault_at_sight(door.location) or lost_at_sight(door.con, door.location)
        if door.recorder.unlogged:
            messages.print(f"Not in the access log: {door.recorder.unlogged}")
        found |= {"sinks": read_sinks(settings)}
    except (LakeUnreachable, LakeDamaged) as error:
        # A first run that was killed leaves only its folder.
        if output is Output.JSON:
            write_json(status_without_lake(folders, now=now, error=str(error)))
        elif folders:
            write_records(unrecorded_runs(folders, now=now), output=output, title="Runs")
        raise
    if output is Output.JSON:
        write_json({"damaged": damage or None, **found})
        return
    if damage:
        write_line((f"damaged: {damage} (dataflow doctor)", "bold"))
        write_line()
    for part, records in found.items():
        write_records(records, output=output, title=part.replace("_", " ").capitalize())
        write_line()


def _write_service_level(context: typer.Context, settings: Settings, *, now: datetime, output: Output) -> None:
    from dataflow.observe.slo import read_service_level

    with open_door(context, "status", reads=None) as door:
        level = read_service_level(door.con, settings, now=now)
    if output is Output.JSON:
        write_json(level.as_dict())
        return
    parts = ("series", "publications", "burn_rate")
    facts = {name: value for name, value in level.as_dict().items() if name not in parts and value not in (None, "")}
    facts |= {f"burn rate of {name}": rate for name, rate in (level.burn_rate or {}).items()}
    write_records([{"fact": name.replace("_", " "), "value": value} for name, value in facts.items()], output=output)
    write_line()
    write_records(level.series, output=output, title="Fresh within")
    write_line()
    counts = [{"status": status, "runs": runs} for status, runs in (level.publications or {}).items()]
    write_records(counts, output=output, title="Runs that publish")


def snapshots(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Number of last snapshots to show.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the states of the lake, newest first: when, what made them, whether readers saw a change.

    Their numbers are those that `query --as-of`, `diff` and `restore --to` take.

    Example:  dataflow snapshots --limit 5
    """
    with open_door(context, "status", reads=None) as door:
        newest = door.view.snapshot().id
        found = [one for one in reversed(door.view.snapshots()) if one.id <= newest][:limit]
    write_records([_snapshot_row(one) for one in found], output=output, title="Snapshots")


def _snapshot_row(one: Snapshot) -> dict[str, Any]:
    tables = {name for kind in _CHANGES_ROWS for name in one.changes.get(kind, ())}
    return {
        "snapshot": one.id,
        "at": one.at,
        "run_id": one.run_id,
        # The heads of the access log follow, for its verification.
        "message": one.message.partition("; access log ")[0],
        "tables": len(tables),
        "publishes": any(name.startswith("published.") for name in tables),
    }


def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(help="One SELECT; tables are schema.table, e.g. published.customer_360.")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Read the lake as of this time or snapshot number.")
    ] = None,
    output: OutputOption = Output.TABLE,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="At most so many rows in a table; json and csv have all.")
    ] = 100,
    role: Annotated[
        str | None, typer.Option("--role", help="Read as this role, which must be yours; default: your usual one.")
    ] = None,
) -> None:
    """Run SQL on the published data. Queries and runs do not wait for each other.

    A role sees what `dataflow describe role NAME` lists. Columns of one name are numbered: a, a_1. JSON has no number
    for NaN and infinity: they are the texts nan, inf and -inf there.

    Examples:  dataflow query "select count(*) from published.customer_360"

               dataflow query --role marketing "select lifecycle_stage, count(*) from published.customer_360 group by 1"

               dataflow query --as-of 2026-01-31 -o csv "from published.segments" > segments.csv
    """
    import duckdb

    from lakehouse.translate import without_trace

    version = None if as_of is None else parse_version(as_of, option="--as-of")
    with open_door(context, "query", as_of=version, role=role) as door:
        try:
            _write_answer(door.query(sql), output=output, limit=limit)
        except duckdb.InterruptException as error:
            raise UsageError(
                "The query took longer than access.timeout_seconds.", next_move="Ask for less, or raise the setting."
            ) from error
        except duckdb.Error as error:
            # The message is about the user's own SQL; a conversion error can quote a value.
            raise UsageError(
                f"The query cannot be run: {without_trace(error)}", next_move=_move_after(error)
            ) from error


def _move_after(error: Exception) -> str:
    import duckdb

    if isinstance(error, duckdb.CatalogException):
        return "`dataflow describe table` lists the tables."
    if "prepared" in str(error):
        return "Write the values themselves: a query has no parameters."
    return "Correct it."


def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(help="Snapshot number or time of the older state.")],
    after: Annotated[
        str | None, typer.Argument(help="Snapshot number or time of the newer state; default: the newest.")
    ] = None,
    output: Annotated[
        DiffOutput, typer.Option("-o", "--output", help="table, json or csv (UTF-8); parquet: the changed rows.")
    ] = DiffOutput.TABLE,
    out: Annotated[Path | None, typer.Option("--out", help="The new folder of -o parquet.")] = None,
) -> None:
    """Compare two snapshots: rows by table, customers added, removed, merged or split, key figures and why they moved.

    The parts of a key figure are applied in this order and sum to its change: `rules` (the same received rows, judged,
    mapped or counted differently), `identity` (records that moved to another customer), `erasure`, `corrected` (rows
    that came late, changed or were deleted at the source), `activity` (what happened since). They are recorded with
    each publication; ops.kpi_bridge has them by day.

    -o parquet writes a file for each published table with exactly the rows that differ in any column: inserted and
    updated ones as they are after, deleted ones as they were before; _change says which, _from_publication and
    _to_publication between which. diff.json names lake, publications and files. The folder appears when it is whole.

    Examples:  dataflow diff 12 17

               dataflow diff 12 17 -o parquet --out changes
    """
    from dataflow.publish.diff import diff as compare

    if (output is DiffOutput.PARQUET) != (out is not None):
        raise UsageError("-o parquet and --out DIR belong together.", next_move="Give both, or neither.")
    with open_door(context, "diff", reads=None) as door:
        view = door.view
        older = view.snapshot_at(parse_version(before, option="BEFORE"))
        newer = view.snapshot() if after is None else view.snapshot_at(parse_version(after, option="AFTER"))
        _require_published(view.tables(older.id), older.id)
        if out is not None:
            from dataflow.publish.diff_files import write_diff

            written = write_diff(view, older, newer, folder=out, counted=door.recorder.own_rows)
            write_records([asdict(each) for each in written], output=Output.TABLE, title=f"Written to {out}")
            return
        found = compare(door.con, older.id, newer.id)
    if output is DiffOutput.JSON:
        write_json(found.as_dict())
    else:
        title = f"Rows, snapshot {found.a} to {found.b}"
        write_changes(found.as_dict(), output=Output(output.value), title=title)


def write_changes(found: dict[str, Any], *, output: Output, title: str) -> None:
    """Write a Diff as tables for people, or its rows by table as CSV."""
    write_records(list(found["tables"]), output=output, title=title)
    if output is Output.TABLE:
        write_line()
        write_records([found["identities"]], output=output, title="Customers")
        write_line()
        figures = [{**figure, "parts": parts_text(figure["parts"])} for figure in found["kpis"]]
        write_records(figures, output=output, title="Key figures")


def parts_text(parts: Mapping[str, float]) -> str:
    """Return the parts of a change in their order: `identity -1, activity +3`."""
    return ", ".join(f"{part} {change:+,.6g}" for part, change in parts.items())


def _require_published(tables: list[str], version: int) -> None:
    if "published.customer_360" not in tables:
        raise UsageError(
            f"Snapshot {version} is older than the first tables of this lake.",
            next_move="Choose a later snapshot; dataflow query \"from ducklake_snapshots('lake')\" lists them.",
        )


def _write_answer(answer: Answer, *, output: Output, limit: int) -> None:
    if output is not Output.TABLE:
        write_rows(answer.columns, answer.rows(), output=output)
    elif answer.is_plan:
        for _, plan in answer.rows():
            write_line(plan.strip("\n"))
    else:
        rows = list(islice(answer.rows(), limit + 1))
        write_rows(answer.columns, rows[:limit], output=output)
        if len(rows) > limit:
            messages.print(f"Only the first {limit} rows are shown; --limit or -o csv shows more.")
