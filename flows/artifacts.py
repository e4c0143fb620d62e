"""Post a run's progress, report and link to the HTML page as Prefect artifacts. Counts, no rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from dataflow.run.record import RunOutcome


@contextmanager
def progress_artifact(kind: str, *, steps: int) -> Iterator[Callable[[], None]]:
    """Create a progress artifact; the yielded function advances it by one of `steps`."""
    artifact = cast(UUID, create_progress_artifact(0.0, key=f"{kind}-progress", description=f"{kind} run"))
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        update_progress_artifact(artifact, min(100.0, 100.0 * done / steps))

    yield advance


def post_report(outcome: RunOutcome) -> None:
    """Post the run's report as markdown and as a table, and link the page."""
    create_markdown_artifact(report_markdown(outcome), key=f"{outcome.kind}-report", description=outcome.run_id)
    create_table_artifact(
        [{name: report.as_dict()[name] for name in _COLUMNS} for report in outcome.reports],
        key=f"{outcome.kind}-steps",
        description=outcome.run_id,
    )
    if outcome.report_page is not None:
        create_link_artifact(
            outcome.report_page if "://" in outcome.report_page else Path(outcome.report_page).as_uri(),
            key=f"{outcome.kind}-page",
            link_text="Run report",
            description=outcome.run_id,
        )


_COLUMNS = (
    "stage",
    "subject",
    "rows_in",
    "rows_out",
    "set_aside",
    "merged",
    "inserted",
    "updated",
    "deleted",
    "seconds",
)


def report_markdown(outcome: RunOutcome) -> str:
    """Return the run as Markdown: a summary and the table of its stages."""
    lines = [
        f"# {outcome.kind}: {outcome.status}",
        "",
        f"{outcome.message}. Run `{outcome.run_id}`, {outcome.seconds:.1f} s, "
        f"peak memory {outcome.peak_rss_bytes / 2**20:.0f} MiB.",
        "",
        "| stage | rows in | rows out | set aside | merged | rows changed | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.stage} | {row.rows_in:,} | {row.rows_out:,} | {row.set_aside:,} | {row.merged:,} "
        f"| {row.changed:,} | {row.seconds:.1f} |"
        for row in outcome.totals_by_stage()
    ]
    return "\n".join(lines)
