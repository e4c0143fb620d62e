"""sample, demo: generate data with known truth, and run the whole pipeline over it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import NowOption, Output, OutputOption, globals_of, parse_day, settings_of
from dataflow.cli.output import messages, write_json, write_line, write_records

if TYPE_CHECKING:
    from dataflow.run.record import RunOutcome
    from dataflow.sample import SampleSpec
    from dataflow.settings import Settings

DaysOption = Annotated[int, typer.Option("--days", min=1, help="Days: a first load, then changes.")]
RecordsOption = Annotated[int, typer.Option("--records", min=500, help="Records a day over all sources.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")]

_DEFAULT_SEED = 20260101


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)
    app.command("sample")(sample)


def sample(
    context: typer.Context,
    days: DaysOption = 1,
    records: RecordsOption = 100_000,
    seed: SeedOption = _DEFAULT_SEED,
    start: Annotated[
        str | None, typer.Option("--start", help="The first day; default: the one that makes yesterday the last.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="Folder to write into; default: the sample folder of the home.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Generate sample data with known truth: CRM pages, database tables, ticket CSVs, reference data.

    Example:  dataflow sample --days 3 --records 100000
    """
    from dataflow.access.modes import prepare_folders
    from dataflow.sample import SampleSpec

    settings = settings_of(context)
    prepare_folders(settings)
    root = into or Path(settings.sample)
    first = parse_day(start, option="--start") if start else _first_day(root, days=days, records=records, seed=seed)
    made = make_sample(SampleSpec(days=days, records_per_day=records, seed=seed, start=first), root)
    if output is Output.JSON:
        write_json({"root": str(root), **made})
        return
    write_records(_object_rows(made), output=output, title=f"Sample in {root}")
    messages.print(f"{made['entities']:,} people and companies, {made['defects']:,} broken rows.")


def demo(
    context: typer.Context,
    records: RecordsOption = 100_000,
    days: DaysOption = 1,
    seed: SeedOption = _DEFAULT_SEED,
    output: OutputOption = Output.TABLE,
    now: NowOption = None,
) -> None:
    """Run the whole pipeline over sample data: no network, no service, no credential. Can be run again.

    Example:  dataflow demo --records 5000 --days 3
    """
    from dataflow.cli.running import perform
    from dataflow.sample import SampleSpec

    settings = settings_of(context)
    first = _first_day(Path(settings.sample), days=days, records=records, seed=seed)
    spec = SampleSpec(days=days, records_per_day=records, seed=seed, start=first)
    made = make_sample(spec, Path(settings.sample))
    messages.print(f"Sample: {made['delivered']:,} records in {settings.sample}")
    outcome = perform(settings, "daily", {}, now=now)
    summary = _summarise(settings, outcome, made)
    if output is Output.JSON:
        write_json(summary)
    else:
        chosen = globals_of(context).home
        _write_summary(summary, outcome, output=output, command=f"{_called()} --home {chosen}" if chosen else _called())


def _called() -> str:
    """Return how to type this program here: after a checkout it is often not on the PATH."""
    return "dataflow" if shutil.which("dataflow") else os.path.relpath(sys.argv[0])


def make_sample(spec: SampleSpec, root: Path) -> dict[str, Any]:
    """Write the sample, unless the same one exists; return its counts."""
    from dataflow.cli.watching import watching_count
    from dataflow.sample import generate

    wanted = {"days": spec.days, "records": spec.records_per_day, "seed": spec.seed, "start": str(spec.start)}
    if _present(root) != wanted:
        _marker(root).unlink(missing_ok=True)
        with watching_count("sample") as progress:
            generate(spec, root, progress=progress)
        # Written last: an unfinished sample is generated again.
        _marker(root).write_text(json.dumps(wanted), encoding="utf-8")
    counts: dict[str, Any] = json.loads((root / "truth" / "counts.json").read_text(encoding="utf-8"))
    counts["delivered"] = sum(row["delivered"] for row in _object_rows(counts))
    return counts


def _first_day(root: Path, *, days: int, records: int, seed: int) -> date:
    """Choose the first day of a sample: its last day is yesterday, unless the same sample exists from earlier.

    A sample generated again on a later day would change under a lake that has landed it.
    """
    present = _present(root)
    if {**present, "start": ""} == {"days": days, "records": records, "seed": seed, "start": ""}:
        return date.fromisoformat(str(present["start"]))
    return datetime.now(UTC).date() - timedelta(days=days)


def _marker(root: Path) -> Path:
    return root / "truth" / "spec.json"


def _present(root: Path) -> dict[str, Any]:
    """Return the spec of the sample in a folder; empty when there is none or an unfinished one."""
    marker = _marker(root)
    return dict(json.loads(marker.read_text(encoding="utf-8"))) if marker.is_file() else {}


def _object_rows(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"date": day["date"], "object": name, **counts}
        for day in made["days"]
        for name, counts in day["objects"].items()
    ]


def _summarise(settings: Settings, outcome: RunOutcome, made: dict[str, Any]) -> dict[str, Any]:
    """Return what came in, what was published, and the quality against the known truth."""
    from dataflow.access.pipeline import open_published
    from dataflow.observe.quality import measure_quality
    from dataflow.observe.status import read_status
    from dataflow.tables.published import CUSTOMER_360

    con = open_published(settings)
    try:
        standing = read_status(con, settings=settings, now=datetime.now(UTC))
        quality = measure_quality(con, settings)
        entities = con.execute(
            f"SELECT entity_type, count(*) FROM {CUSTOMER_360.in_lake} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    finally:
        con.close()
    return {
        "sample": {"records": made["delivered"], "entities": made["entities"], "defects": made["defects"]},
        "run": outcome.as_dict(),
        "published": standing["published"][0],
        "customers": {str(kind): int(count) for kind, count in entities},
        "dead_letters": sum(row["rows"] for row in standing["dead_letters"]),
        "quality": quality.as_dict() if quality else None,
    }


def _write_summary(summary: dict[str, Any], outcome: RunOutcome, *, output: Output, command: str) -> None:
    from dataflow.cli.running import write_outcome
    from lakehouse.plural import agreeing, counted

    write_outcome(outcome, output=output)
    published, quality = summary["published"], summary["quality"]
    kinds = " and ".join(f"{count:,} {kind}" for kind, count in summary["customers"].items())
    write_line()
    write_line(
        f"Sample        {summary['sample']['records']:,} records, {summary['sample']['defects']:,} of them broken"
    )
    validated = next((row for row in outcome.totals_by_stage() if row.stage == "validate"), None)
    if validated and validated.rows_in:
        write_line(
            f"Validated     {validated.rows_in:,} rows = {validated.rows_out:,} valid "
            f"+ {validated.set_aside:,} set aside + {validated.merged:,} older or repeated versions"
        )
    waiting = summary["dead_letters"]
    write_line(f"Set aside     {counted(waiting, 'dead letter')} {agreeing(waiting, 'is', 'are')} open")
    write_line(f"Customers     {published['customers']:,} ({kinds}) from {published['records']:,} customer records")
    write_line(f"Orders        {published['orders']:,}; tickets {published['tickets']:,}")
    write_line(f"To review     {counted(published['pairs_to_review'], 'pair')}")
    if quality:
        write_line(
            f"Against truth pairwise precision {quality['pairwise_precision']:.4f}, recall "
            f"{quality['pairwise_recall']:.4f}, F1 {quality['pairwise_f1']:.4f}; B³ precision "
            f"{quality['b3_precision']:.4f}, recall {quality['b3_recall']:.4f}, F1 {quality['b3_f1']:.4f} "
            f"({quality['records']:,} records, {quality['true_clusters']:,} true customers)"
        )
    messages.print()
    messages.print("Try next:")
    messages.print(f"  {command} status")
    messages.print(f'  {command} query "select segment_name, count(*) from published.segments group by all"')
    messages.print(f"  {command} dlq count")
    messages.print(f"  {command} ui      # the workbench: the same, in a browser")
