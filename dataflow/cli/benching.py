"""bench: measure this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import ObjectOption, Output, OutputOption, SourceOption, settings_of
from dataflow.cli.output import messages, write_json, write_line, write_records
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.bench import Figures
    from dataflow.bench.identity import IdentityFigures
    from dataflow.bench.reading import ReadFigures

_MIB = 2**20


def register(app: typer.Typer) -> None:
    measures = typer.Typer(invoke_without_command=True)
    measures.callback()(bench)
    measures.command("identity")(identity)
    measures.command("sources")(sources)
    measures.command("audit")(audit)
    measures.command("access")(access)
    measures.command("rules")(rules)
    measures.command("quality")(quality)
    measures.command("serve")(serve)
    measures.command("ui")(ui)
    app.add_typer(measures, name="bench")


def bench(
    context: typer.Context,
    records: Annotated[int, typer.Option("--records", min=500, help="Records a day.")] = 100_000,
    sizes: Annotated[
        str, typer.Option("--sizes", help="Several sizes, e.g. 100000,1000000, to measure how time grows.")
    ] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure a first run with training, then the next day's increment, each in a new process.

    Example:  dataflow bench --sizes 10000,100000
    """
    if context.invoked_subcommand is not None:
        return
    from dataflow.bench import measure_sizes

    chosen = _sizes(sizes) if sizes else [records]
    found = list(measure_sizes(chosen, notify=messages.print))
    growth = _growth(found)
    if output is Output.JSON:
        write_json({"figures": [figures.as_dict() for figures in found], "exponents": growth})
        return
    write_records([_row(figures) for figures in found], output=output, title="Measured")
    if output is Output.TABLE:
        write_line()
        write_records(_stage_rows(found), output=output, title="Seconds by stage")
        for step, exponents in growth.items():
            write_line()
            rows = [{"stage": stage, "exponent": round(value, 2)} for stage, value in exponents.items()]
            write_records(rows, output=output, title=f"Growth of {step}: seconds ~ records^exponent")


def identity(
    sizes: Annotated[
        str, typer.Option("--sizes", help="Number of existing records; several numbers measure how time grows.")
    ] = "100000,1000000",
    added: Annotated[int, typer.Option("--added", min=1, help="Records added to them.")] = 100_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure identity resolution: many records in one run, then added records, a deletion, a judgement.

    The records are people with prepared match fields, in a lake of their own, scored by a model trained once; each step
    is a new process. Ten million records take half an hour and 40 GB of disk.

    Example:  dataflow bench identity --sizes 1000000,10000000
    """
    from dataflow.bench.identity import LARGEST_EXPONENT, growth, measure_identity

    found = list(measure_identity(_sizes(sizes), added=added, notify=messages.print))
    powers = growth(found)
    if output is Output.JSON:
        write_json({"figures": [figures.as_dict() for figures in found], "exponents": powers})
        return
    write_records([_identity_row(figures) for figures in found], output=output, title="Measured")
    if output is Output.TABLE and powers:
        write_line()
        rows = [
            {
                "step": step,
                "exponent": round(power, 2),
                "target": f"{'met' if power <= LARGEST_EXPONENT else 'MISSED'} (≤ {LARGEST_EXPONENT})",
            }
            for step, power in powers.items()
        ]
        write_records(rows, output=output, title="Growth: processor seconds ~ records^exponent")


def sources(
    context: typer.Context,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rows: Annotated[
        int, typer.Option("--rows", min=1, help="At most so many rows of a table or a Salesforce object.")
    ] = 1_000_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure how fast each source is read: its first object, or the one given. Your lake is not written.

    A MySQL table and the files of a folder are also landed to raw, in a lake of their own. Beside it a table is read by
    connectorx, PyMySQL and dlt (`pip install 'dlt[parquet]'`), files by DuckDB alone, a Salesforce object through REST
    and through Bulk API 2.0 (which uses API calls), the files of a bucket also from a folder. Each reading is a new
    process.

    Example:  dataflow bench sources --source mysql --object orders --rows 100000
    """
    from dataflow.bench.sources import measure_sources

    measured = measure_sources(
        settings_of(context), source=source, object_name=object_name, rows=rows, notify=messages.print
    )
    found = list(measured)
    if output is Output.JSON:
        write_json({"figures": [figures.as_dict() for figures in found]})
        return
    write_records([_read_row(figures) for figures in found], output=output, title="Measured")


def audit(
    entries: Annotated[int, typer.Option("--entries", min=1, help="Entries of the log that is verified.")] = 1_000_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure the access log: recording a read, and verifying a log of many entries.

    Example:  dataflow bench audit --entries 100000
    """
    from dataflow.bench.audit import measure_audit

    found = list(measure_audit(entries, notify=messages.print))
    if output is Output.JSON:
        write_json({"figures": [figures.as_dict() for figures in found]})
        return
    rows = [
        {
            "step": figures.step,
            "entries": figures.entries,
            "seconds": round(figures.seconds, 2),
            "cpu_s": round(figures.cpu_seconds, 2),
            "mib": round(figures.bytes / _MIB, 1),
            "target": figures.target,
        }
        for figures in found
    ]
    write_records(rows, output=output, title="Measured")


def rules(
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows that are judged.")] = 1_000_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure one evaluation of fifty rules; the goal is 5 s for a million rows on two cores.

    Example:  dataflow bench rules --rows 10000
    """
    from dataflow.bench.rules import measure_rules

    found = measure_rules(rows)
    write_records([asdict(found)], output=output, title="Measured")


def quality(
    histories: Annotated[int, typer.Option("--histories", min=1, help="Simulated histories for each noise.")] = 200,
    records: Annotated[int, typer.Option("--records", min=500, help="Records a day of the run.")] = 100_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure baselines and the bridge of key figures: what is found in simulated histories, and the cost of both.

    A history has 60 publications of 40 columns, with a weekday pattern, a trend and 5 % of noise; in its last third the
    volume, a share of nulls, a category share and a median move by 25 %, twice. The noise is once within 5 %, and once
    normal with a standard deviation of 5 %, of which no rule can tell every such shift from chance.

    Example:  dataflow bench quality --histories 20 --records 2000
    """
    from dataflow.bench.quality import measure_costs, measure_histories

    found = list(measure_histories(histories, notify=messages.print))
    found += measure_costs(records, notify=messages.print)
    if output is Output.JSON:
        write_json({"figures": [figure.as_dict() for figure in found]})
        return
    rows = [
        {
            "figure": figure.figure,
            "measured": f"{figure.value:,.2f} {figure.unit}",
            "target": figure.target,
            "note": figure.note,
        }
        for figure in found
    ]
    write_records(rows, output=output, title="Measured")


def access(
    records: Annotated[int, typer.Option("--records", min=500, help="Records a day.")] = 100_000,
    entries: Annotated[int, typer.Option("--entries", min=1, help="Entries of the log that is verified.")] = 1_000_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure what access costs: the marts of all shipped roles, their size, the access log.

    The marts follow a first publication, and a next day that changes most customers. Their processor time is compared
    with that of the run without marts.

    Example:  dataflow bench access --records 20000 --entries 100000
    """
    from dataflow.bench.access import measure_access

    found = list(measure_access(records, entries=entries, notify=messages.print))
    if output is Output.JSON:
        write_json({"figures": [figure.as_dict() for figure in found]})
        return
    rows = [
        {
            "figure": figure.figure,
            "measured": f"{figure.value:.2f} {figure.unit}",
            "of_it": ", ".join(f"{part} {value:,.1f}" for part, value in figure.parts.items()),
            "target": figure.target,
        }
        for figure in found
    ]
    write_records(rows, output=output, title="Measured")


def serve(
    context: typer.Context,
    records: Annotated[int, typer.Option("--records", min=500, help="Records a day.")] = 2_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure the warehouse and the cache of this configuration: a first load, an increment, reading a customer.

    They have to be empty, and are emptied after; BigQuery gets a dataset beside the configured one. Targets apply from
    100,000 records on.

    Example:  dataflow bench serve --records 500
    """
    from dataflow.bench.serving import measure_serving

    found = list(measure_serving(settings_of(context), records, notify=messages.print))
    if output is Output.JSON:
        write_json({"figures": [figure.as_dict() for figure in found]})
        return
    rows = [
        {
            "figure": figure.figure,
            "measured": f"{figure.value:,.2f} {figure.unit}",
            "of_it": ", ".join(f"{part} {value:,.1f}" for part, value in figure.parts.items()),
            "target": figure.target,
        }
        for figure in found
    ]
    write_records(rows, output=output, title="Measured")


def ui(
    records: Annotated[int, typer.Option("--records", min=500, help="Records of the sample.")] = 20_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure the workbench on an idle machine: milliseconds of its pages, a search, and from a key to the next pair.

    Example:  dataflow bench ui --records 1000000
    """
    from dataflow.bench.workbench import measure_workbench

    found = list(measure_workbench(records, notify=messages.print))
    if output is Output.JSON:
        write_json({"figures": [figure.as_dict() for figure in found]})
        return
    rows = [
        {
            "figure": figure.figure,
            "requests": figure.requests,
            "p50_ms": round(figure.p50),
            "p95_ms": round(figure.p95),
            "first_ms": round(figure.first),
            "of_it": ", ".join(f"{part} {value:,.0f}" for part, value in figure.parts.items()),
            "target": figure.target,
        }
        for figure in found
    ]
    write_records(rows, output=output, title="Measured")


def _sizes(text: str) -> list[int]:
    try:
        sizes = sorted({int(part) for part in text.split(",")})
    except ValueError:
        sizes = []
    if not sizes or sizes[0] < 500:
        raise UsageError("--sizes takes numbers of 500 or more, separated by commas, such as 100000,1000000.")
    return sizes


def _growth(found: list[Figures]) -> dict[str, dict[str, float]]:
    from dataflow.bench import exponent

    growth = {}
    for step in ("first run", "next day"):
        of_step = [figures for figures in found if figures.step == step]
        if len(of_step) > 1:
            growth[step] = exponent(of_step[0], of_step[-1])
    return growth


def _row(figures: Figures) -> dict[str, Any]:
    from dataflow.bench import judge

    return {
        "records": figures.records,
        "step": figures.step,
        "seconds": round(figures.seconds, 1),
        "cpu_s": round(figures.cpu_seconds, 1),
        "rows_per_s": round(figures.rows_per_second),
        "peak_mib": round(figures.peak_rss_bytes / _MIB) or None,
        "written_mib": round(figures.bytes_written / _MIB, 1),
        "prefect": f"{figures.orchestration_share:.1%}" if figures.stages else "",
        "target": judge(figures),
    }


def _identity_row(figures: IdentityFigures) -> dict[str, Any]:
    from dataflow.bench.identity import judge_identity

    return {
        "step": figures.step,
        "existing": figures.existing,
        "added": figures.added or "",
        "seconds": round(figures.seconds, 1),
        "cpu_s": round(figures.cpu_seconds, 1),
        "peak_mib": round(figures.peak_rss_bytes / _MIB),
        "of_it": ", ".join(f"{part} {seconds:.1f}" for part, seconds in figures.parts.items()),
        "found": ", ".join(f"{count:,} {what}" for what, count in figures.counts.items()),
        "target": judge_identity(figures),
    }


def _read_row(figures: ReadFigures) -> dict[str, Any]:
    return {
        "source": figures.source,
        "object": figures.object,
        "way": figures.way,
        "rows": figures.rows,
        "seconds": round(figures.seconds, 2),
        "cpu_s": round(figures.cpu_seconds, 2),
        "rows_per_s": round(figures.rows_per_second),
        "mb_per_s": round(figures.megabytes_per_second, 1) or None,
        "peak_mib": round(figures.peak_rss_bytes / _MIB),
    }


def _stage_rows(found: list[Figures]) -> list[dict[str, Any]]:
    from dataflow.bench.figures import ordered_stages

    runs = [figures for figures in found if figures.stages]
    return [
        {
            "stage": stage,
            **{f"{run.records:,} {run.step}": round(run.stages.get(stage, 0.0), 2) for run in runs},
        }
        for stage in ordered_stages(runs)
    ]
