"""One sink at a time: under its lease, within its time, and its failure is its own."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.errors import CheckDeclarationError
from dataflow.access.lake import lake_location
from dataflow.errors import SinkError, SinkTimeout, StepDefect
from dataflow.publish.commit import Publication
from dataflow.settings import Settings, load_settings
from dataflow.sinks import SINKS, active_sinks, follow_sink
from lakehouse import Snapshot, lease
from tests.lib.fake_sinks import FakeSink, hang, with_sinks, write_to_the_lake

NUMBER = 7
PUBLICATION = Publication(
    run_id="r", status="published", snapshot=Snapshot(NUMBER, datetime(2026, 1, 1, tzinfo=UTC), "t", "r", "", {})
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path)


def hurried(settings: Settings) -> Settings:
    """The same, with no patience for a sink."""
    return settings.model_copy(update={"sinks": settings.sinks.model_copy(update={"timeout_seconds": 0.2})})


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_sink_follows_and_reports(settings: Settings) -> None:
    fake = FakeSink("fake", shows=3)
    report = follow_sink(fake.kind(), settings, PUBLICATION)
    assert (report.stage, report.subject, report.facts) == ("sink", "fake", {"publication": NUMBER, "was_at": 3})
    assert fake.shows == NUMBER


def test_no_writers_lock_is_held_meanwhile(settings: Settings) -> None:
    follow_sink(FakeSink("fake", does=write_to_the_lake).kind(), settings, PUBLICATION)


def test_what_a_sink_says_passes_and_what_it_did_not_foresee_keeps_its_text(settings: Settings) -> None:
    fake = FakeSink("fake", errors=[SinkError("No space."), ValueError("Jane Doe")])
    with pytest.raises(SinkError, match="No space"):
        follow_sink(fake.kind(), settings, PUBLICATION)
    with pytest.raises(
        StepDefect, match=r"The sink fake failed: unexpected ValueError at .*the publication stands"
    ) as told:
        follow_sink(fake.kind(), settings, PUBLICATION)
    assert "Jane" not in str(told.value)
    assert told.value.__cause__ is None


def test_one_that_hangs_is_given_up(settings: Settings, ended: threading.Event) -> None:
    with pytest.raises(SinkTimeout, match=r"The sink fake gave no answer within 0\.2 s") as told:
        follow_sink(FakeSink("fake", does=hang(ended)).kind(), hurried(settings), PUBLICATION)
    assert not told.value.retryable


def test_a_sink_that_another_run_feeds_is_waited_for_and_named(settings: Settings) -> None:
    fake = FakeSink("fake")
    with lease(lake_location(settings), "sink-fake", purpose="publication 6 of run q"):
        with pytest.raises(SinkTimeout, match=r"fed by another run: .*publication 6 of run q"):
            follow_sink(fake.kind(), hurried(settings), PUBLICATION)
        # Each has a lease of its own.
        follow_sink(FakeSink("other").kind(), settings, PUBLICATION)
    assert fake.calls == 0
    follow_sink(fake.kind(), settings, PUBLICATION)


def test_the_lease_goes_with_the_call(settings: Settings) -> None:
    with pytest.raises(SinkError):
        follow_sink(FakeSink("fake", errors=[SinkError("x")]).kind(), settings, PUBLICATION)
    with lease(lake_location(settings), "sink-fake", purpose="t"):
        pass


def test_the_registry_refuses_a_second_declaration_and_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckDeclarationError, match="Declared twice: sink warehouse"):
        with_sinks(monkeypatch, FakeSink("warehouse"))
    with pytest.raises(CheckDeclarationError, match=r"no sink warehuose\. Did you mean warehouse\?"):
        SINKS.find("warehuose")


def test_a_sink_without_a_place_is_off(settings: Settings) -> None:
    off = settings.model_copy(update={"warehouse": settings.warehouse.model_copy(update={"path": ""})})
    assert [kind.name for kind in active_sinks(settings)] == ["warehouse"]
    assert active_sinks(off) == []
