"""Shares of windows: written and answered by file, and trusted only where the landing area confirms them."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dataflow.errors import (
    ConfigurationError,
    DataFlowError,
    ShareOver,
    SourceIncomplete,
    SourceMalformed,
    SourceMissing,
)
from dataflow.land import Staged, plan_windows, stage_windows
from dataflow.land.gaps import Failure
from dataflow.land.heartbeats import last_heartbeat, sending_heartbeats
from dataflow.land.shares import (
    Share,
    answer_share,
    collect_share,
    is_answered,
    read_share,
    write_share,
)
from dataflow.settings import Settings
from dataflow.sources import KeyRange, Part, PlannedWindow, Window
from tests.lib.deliveries import company, deliver_csv, deliver_pages, person, run

LOST = DataFlowError("The share was lost.")
LATE = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    deliver_pages(tmp_path / "crm", [person("1"), person("2")])
    deliver_csv(tmp_path / "desk", "ticket_id,subject,updated_at\n7,late,2026-03-01T10:00:00Z\n")
    return company(tmp_path)


@pytest.fixture
def share(settings: Settings) -> Share:
    windows = [window for source in ("crm", "desk") for window in plan_windows(None, settings, source=source)]
    return Share(run(1), tuple(windows))


def told(tmp_path: Path, share: Share) -> Path:
    folder = tmp_path / "shares"
    folder.mkdir()
    write_share(folder, 3, share)
    return folder


def test_a_share_is_read_as_it_was_written(tmp_path: Path, share: Share) -> None:
    keyed = PlannedWindow(
        "erp",
        "thing",
        Window(LATE, datetime(9999, 12, 31, tzinfo=UTC)),
        (Part("a/b.csv", "f" * 32, 12, LATE), Part("c.csv", "0" * 32, 0, LATE)),
        "abc",
        repairs=("gap-1", "gap-2"),
        moves_watermark=False,
        keys=KeyRange(5, None),
    )
    whole = replace(share, windows=(*share.windows, keyed, replace(keyed, keys=None, parts=())))
    assert read_share(told(tmp_path, whole), 3) == whole


def test_an_answered_share_is_what_one_process_would_have(tmp_path: Path, share: Share, settings: Settings) -> None:
    folder = told(tmp_path, share)
    there = read_share(folder, 3)
    staged = stage_windows(there.windows, settings, there.run)
    assert not is_answered(folder, 3)
    answer_share(folder, 3, there, staged)
    assert is_answered(folder, 3)
    assert collect_share(folder, 3, share, settings, lost=LOST) == staged
    assert [window.report.rows for window in staged.fetched] == [2, 1]


def test_failures_keep_their_class_and_words(tmp_path: Path, share: Share, settings: Settings) -> None:
    class Odd(SourceIncomplete):
        """A class that only the worker knows."""

    folder = told(tmp_path, share)
    errors = [Odd("The budget is spent."), SourceMalformed("No CSV.", next_move="Deliver it again.")]
    failures = [Failure(one.source, one.object, error, one) for one, error in zip(share.windows, errors, strict=True)]
    answer_share(folder, 3, share, Staged((), tuple(failures)))
    found = collect_share(folder, 3, share, settings, lost=LOST).failures
    assert [(type(one.error), str(one.error)) for one in found] == [
        (SourceIncomplete, "The budget is spent."),
        (SourceMalformed, "No CSV. Deliver it again."),
    ]
    assert [one.gap for one in found] == [one.gap for one in failures]


def test_what_the_dead_had_staged_is_taken_up_and_the_rest_is_lost(
    tmp_path: Path, share: Share, settings: Settings
) -> None:
    folder = told(tmp_path, share)
    stage_windows(share.windows[:1], settings, share.run)
    found = collect_share(folder, 3, share, settings, lost=LOST)
    assert [(window.planned, window.is_reused) for window in found.fetched] == [(share.windows[0], True)]
    assert [(failure.planned, failure.error) for failure in found.failures] == [(share.windows[1], LOST)]


def test_a_repair_staged_by_another_run_is_not_taken_for_this_one(
    tmp_path: Path, share: Share, settings: Settings
) -> None:
    repairing = replace(share, windows=tuple(replace(one, repairs=("gap",)) for one in share.windows))
    stage_windows(repairing.windows, settings, run(2))
    found = collect_share(told(tmp_path, repairing), 3, repairing, settings, lost=LOST)
    assert (found.fetched, len(found.failures)) == ((), 2)


def test_a_worker_with_a_landing_area_of_its_own_is_told_off(tmp_path: Path, share: Share, settings: Settings) -> None:
    folder = told(tmp_path, share)
    elsewhere = settings.model_copy(update={"landing": str(tmp_path / "elsewhere")})
    answer_share(folder, 3, share, stage_windows(share.windows, elsewhere, share.run))
    found = collect_share(folder, 3, share, settings, lost=LOST)
    assert found.fetched == ()
    assert all(isinstance(failure.error, ConfigurationError) for failure in found.failures)
    assert "on a disk that they share" in str(found.failures[0].error)


def test_a_run_that_is_over_wants_no_share_and_no_answer(tmp_path: Path, share: Share) -> None:
    with pytest.raises(ShareOver, match="its run is over"):
        read_share(tmp_path / "gone", 3)
    failures = tuple(Failure(one.source, one.object, SourceMissing("Gone."), one) for one in share.windows)
    with pytest.raises(FileNotFoundError):
        answer_share(tmp_path / "gone", 3, share, Staged((), failures))
    assert not (tmp_path / "gone").exists()


def test_a_heartbeat_names_the_process_that_fetches_the_share(tmp_path: Path) -> None:
    assert (last_heartbeat(tmp_path), last_heartbeat(tmp_path, 1)) == (0, 0)
    with sending_heartbeats(tmp_path, 1):
        assert json.loads((tmp_path / "heartbeat-1.json").read_text())["pid"] == os.getpid()
        assert last_heartbeat(tmp_path, 2) == 0 < last_heartbeat(tmp_path, 1) == last_heartbeat(tmp_path)


def test_heartbeats_are_sent_while_the_share_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.land.heartbeats._EVERY_SECONDS", 0.01)
    with sending_heartbeats(tmp_path, 1):
        first = last_heartbeat(tmp_path, 1)
        while last_heartbeat(tmp_path, 1) == first:
            pass
        (tmp_path / "heartbeat-1.json").unlink()
    assert last_heartbeat(tmp_path, 1) == 0
