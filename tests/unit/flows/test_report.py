"""What a run tells Prefect's pages."""

from datetime import UTC, datetime

from dataflow.run.record import RunOutcome, StageTiming
from dataflow.workspace.report import StepReport
from flows.artifacts import report_markdown

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_markdown_adds_the_objects_of_a_stage_up() -> None:
    outcome = RunOutcome(
        run_id="r1",
        kind="daily",
        status="published",
        message="5 rows changed",
        started_at=START,
        finished_at=START,
        seconds=2.5,
        peak_rss_bytes=3 * 2**20,
        snapshot_id=7,
        reports=(
            StepReport(stage="land", subject="a", rows_in=1000, rows_out=990, set_aside=10, inserted=990),
            StepReport(stage="land", subject="b", rows_in=500, rows_out=400, merged=100, inserted=400),
        ),
        timings=(StageTiming("land", 1.25, 0),),
    )
    text = report_markdown(outcome)
    assert "# daily: published" in text
    assert "| land | 1,500 | 1,390 | 10 | 100 | 1,390 | 1.2 |" in text
    assert "peak memory 3 MiB" in text
