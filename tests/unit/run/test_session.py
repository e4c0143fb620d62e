"""A run's session: its id, its folder, its record, its cost."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.exceptions import TerminationSignal

from dataflow.access.lake import open_lake
from dataflow.access.pipeline import open_published
from dataflow.errors import AuditRefused, DataFlowError
from dataflow.run.folders import name_run
from dataflow.run.progress import StageEvent, watched_by
from dataflow.run.session import open_run
from dataflow.settings import Settings, load_settings
from dataflow.tables.ops import RunStatus
from dataflow.workspace.report import StepReport
from lakehouse import LakeLocked, LakeUnwritable

CANCELLED = (
    "cancelled: its process was asked to end; what it had committed stays, and the next run continues from there"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


def recorded(settings: Settings) -> list[tuple[object, ...]]:
    con = open_published(settings)
    try:
        return con.execute("SELECT kind, status, message FROM ops.run ORDER BY run_id").fetchall()
    finally:
        con.close()


def positions(settings: Settings) -> dict[tuple[str, str], int]:
    con = open_published(settings)
    try:
        rows = con.execute("SELECT source, object, raw_snapshot_id FROM ops.position").fetchall()
        return {(source, name): upto for source, name, upto in rows}
    finally:
        con.close()


def report(stage: str, rows: int = 3) -> StepReport:
    return StepReport(stage=stage, subject="things", rows_in=rows, rows_out=rows)


def test_run_ids_sort_by_time() -> None:
    timestamps = [datetime(2026, 1, 1, 9, tzinfo=UTC), datetime(2026, 1, 1, 10, 0, 0, 5, tzinfo=UTC)]
    names = [name_run("daily", timestamp) for timestamp in reversed(timestamps)]
    assert sorted(names) == list(reversed(names))
    assert names[1] == "20260101T090000000000Z-daily"


def test_a_landing_is_on_record_with_its_steps(settings: Settings) -> None:
    with open_run(settings, "ingest") as session:
        session.step("land", lambda: report("land"))
        outcome = session.conclude("landed", "3 rows landed")
        assert session.folder.is_dir()
    assert not session.folder.exists()
    assert recorded(settings) == [("ingest", "landed", "3 rows landed")]
    assert outcome.snapshot_id is not None
    assert outcome.peak_rss_bytes > 0
    assert json.loads(json.dumps(outcome.as_dict()))["steps"][0]["rows_out"] == 3
    assert [timing.stage for timing in outcome.timings] == ["land"]
    assert outcome.reports[0].peak_rss_bytes > 0


def test_an_unchanged_run_moves_the_positions_of_what_it_validated(settings: Settings) -> None:
    with open_run(settings, "publish") as session, session.open_workspace() as workspace:
        workspace.validated["shop", "person"] = workspace.base.id
        base = workspace.base.id
        session.conclude("unchanged", "nothing new")
    assert recorded(settings) == [("publish", "unchanged", "nothing new")]
    assert positions(settings) == {("shop", "person"): base}


@pytest.mark.parametrize("status", ["landed", "complete"])
def test_a_run_that_publishes_nothing_moves_no_position(settings: Settings, status: RunStatus) -> None:
    with open_run(settings, "publish") as session, session.open_workspace() as workspace:
        workspace.validated["shop", "person"] = workspace.base.id
        session.conclude(status, "")
    assert positions(settings) == {}


def test_a_run_that_fails_moves_no_position(settings: Settings) -> None:
    with pytest.raises(DataFlowError), open_run(settings, "publish") as session, session.open_workspace() as workspace:
        workspace.validated["shop", "person"] = workspace.base.id
        raise DataFlowError("broken")
    assert positions(settings) == {}


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (AuditRefused("2 checks failed"), "refused", "2 checks failed"),
        (DataFlowError("broken"), "failed", "broken"),
        (ValueError("Jane Doe"), "failed", "unexpected ValueError"),
        (KeyboardInterrupt(), "failed", CANCELLED),
        (TerminationSignal(15), "failed", CANCELLED),
    ],
)
def test_a_run_that_raises_is_on_record(settings: Settings, error: BaseException, status: str, message: str) -> None:
    with pytest.raises(type(error)), open_run(settings, "daily"):
        raise error
    assert recorded(settings) == [("daily", status, message)]


def test_a_second_writer_is_told_who_holds_the_lake(settings: Settings) -> None:
    with (
        open_lake(settings, purpose="maintenance"),
        pytest.raises(LakeLocked, match="maintenance"),
        open_run(settings, "daily"),
    ):
        pass
    assert not Path(settings.runs).exists()


def test_runs_folder_that_cannot_be_made(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = settings.model_copy(update={"runs": str(tmp_path / "file" / "runs")})
    with pytest.raises(LakeUnwritable, match="cannot write its folder"), open_run(blocked, "daily"):
        pass


def test_listeners_hear_each_stage(settings: Settings) -> None:
    heard: list[StageEvent] = []
    with open_run(settings, "daily") as session, watched_by(heard.append):
        session.step("land", lambda: [report("land"), report("land")])
        session.conclude("landed", "")
    assert heard == [StageEvent("land", "began"), StageEvent("land", "ended")]


@pytest.mark.parametrize(("rows", "threads"), [(49_999, 1), (50_000, 3)])
def test_a_small_lake_is_computed_by_one_thread(
    settings: Settings, rows: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    per_core = settings.model_copy(update={"lake": settings.lake.model_copy(update={"threads": 0})})
    with open_run(per_core, "publish") as session:
        assert 0 <= session.lake.rows_kept() < 1000
        session.lake.con.execute("SET threads = 3")
        monkeypatch.setattr(session.lake, "rows_kept", lambda: rows)
        with session.open_workspace() as workspace:
            found = workspace.con.execute("SELECT current_setting('threads')").fetchone()
        session.conclude("unchanged", "nothing")
    assert found == (threads,)
