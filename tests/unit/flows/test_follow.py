"""A turn of `follow` runs what is due and nothing else, and pauses as sources, failures and budgets ask."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from dataflow.access.inbox import inbox_at
from dataflow.access.lake import lake_location, open_lake
from dataflow.errors import SourceUnavailable
from dataflow.settings import Settings, load_settings
from dataflow.sources import calls
from flows.follow import Follower, Turn, follow_sources
from flows.start import run_here
from tests.lib.homes import newest_snapshot
from tests.lib.small_company import CONFIG

SHOP = CONFIG.replace('root = "unused"', 'root = "${home}/shop"').replace("{date}.csv", "@/{date}.csv")
PEOPLE = "id,given,surname,mail,changed,gone\n"


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    config = tmp_path / "dataflow.toml"
    first, _, second = SHOP.partition("[sources.shop.objects.purchase]")
    config.write_text(
        first.replace("@", "person") + "[sources.shop.objects.purchase]" + second.replace("@", "purchase")
    )
    settings = load_settings(config, home=tmp_path / "home")
    deliver(settings, 1, "1,Ada,Lovelace,ada@example.org,2026-01-01 10:00:00,\n")
    return settings


def deliver(settings: Settings, day: int, rows: str) -> None:
    """Put one day's file of people into the source."""
    file = settings.home / "shop" / "person" / f"2026-01-{day:02}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PEOPLE + rows)
    (settings.home / "shop" / "purchase").mkdir(exist_ok=True)
    (settings.home / "shop" / "purchase" / file.name).write_text("id,person,total,changed\n")


def test_a_turn_runs_only_when_something_is_new(shop: Settings) -> None:
    follower = Follower(shop)
    first = follower.turn()
    assert (first.status, bool(first.run_id)) == ("published", True)
    snapshot = newest_snapshot(shop)
    assert [follower.turn().status for _ in range(2)] == ["idle", "idle"]
    assert newest_snapshot(shop) == snapshot

    deliver(shop, 2, "2,Grace,Hopper,grace@example.org,2026-01-02 10:00:00,\n")
    with open_lake(shop, purpose="a scheduled run"):
        assert follower.turn().status == "waiting"
    assert follower.turn().status == "published"

    # What somebody else has landed is published too; a decision is taken once, also one that this version cannot read.
    deliver(shop, 3, "3,Alan,Turing,alan@example.org,2026-01-03 10:00:00,\n")
    assert run_here(shop, "ingest").status == "landed"
    assert [follower.turn().status for _ in range(2)] == ["published", "idle"]
    inbox = inbox_at(lake_location(shop))
    assert inbox is not None
    inbox.write("of_a_later_version", author="tests", body={}, now=datetime.now(UTC))
    assert [follower.turn().status for _ in range(2)] == ["unchanged", "idle"]


def test_it_ends_after_the_turn_in_which_it_is_asked_to(shop: Settings) -> None:
    stop, turns = Event(), list[Turn]()

    def on_turn(turn: Turn) -> None:
        turns.append(turn)
        stop.set()

    assert follow_sources(shop, every_seconds=3600, stop=stop, on_turn=on_turn) == 1
    assert [turn.status for turn in turns] == ["published"]


@pytest.fixture
def no_budget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(calls, "_left", {})
    yield


def test_pauses(shop: Settings, no_budget: None, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(shop)
    quick, slow = (Turn(datetime.now(UTC), "idle", "", seconds) for seconds in (2.0, 100.0))
    assert follower.pause_seconds(30, quick) == 28
    assert follower.pause_seconds(30, slow) == 25

    def look() -> None:
        for _ in range(4):
            calls.note_call()
        raise SourceUnavailable("no answer")

    monkeypatch.setattr(follower, "_look", look)
    failed = [follower.turn() for _ in range(3)]
    assert [turn.status for turn in failed] == ["failed"] * 3
    assert follower.pause_seconds(30, quick) == 30 * 2**3 - 2
    follower._failures = 50
    assert follower.pause_seconds(30, quick) == 598
    assert follower.pause_seconds(3600, quick) == 3598
    # Four calls a turn: 400 calls last a day with a turn every 864 s.
    calls.note_left("org", 400)
    calls.note_left("other", 9_000)
    assert follower.pause_seconds(30, quick) == 862
    calls.note_left("org", 0)
    assert follower.pause_seconds(30, quick) == 598
