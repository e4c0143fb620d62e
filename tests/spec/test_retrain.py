"""Retraining identity: it is planned first, learns from judgements, and keeps to its budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataflow.access.inbox import inbox_at
from dataflow.access.lake import lake_location, open_lake
from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.govern.review.decisions import decide_pair
from dataflow.govern.review.training import list_for_training
from dataflow.settings import Settings, load_settings
from lakehouse import Inbox
from tests.lib.homes import lake_state, make_sample, newest_snapshot

RECORDS = 2_000
JUDGED = 50


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one published day, on whose hardest pairs a steward has spoken; the tests follow one another."""
    home = tmp_path_factory.mktemp("retrain") / "home"
    make_sample(home, records=RECORDS)
    assert run(["--home", str(home), "run", "--now", "2026-01-03"]) == 0
    return home


@pytest.fixture
def settings(home: Path) -> Settings:
    return load_settings(home=home)


def answer(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert run(["--home", str(home), *arguments, "-o", "json"]) == code
    out = capsys.readouterr().out
    return json.loads(out) if out else None


def judge(settings: Settings, count: int) -> None:
    """Say of the pairs that teach most what is true."""
    inbox = inbox_at(lake_location(settings))
    assert inbox is not None
    with open_published(settings) as con:
        _judge(con, inbox, settings, count)


def _judge(con: duckdb.DuckDBPyConnection, inbox: Inbox, settings: Settings, count: int) -> None:
    truth = f"'{settings.home}/sample/truth/truth.parquet'"
    owner = dict(con.execute(f"SELECT concat_ws('|', source, object, record_key), entity_id FROM {truth}").fetchall())
    pairs = [
        (p.left, p.right)
        for p in list_for_training(con, now=datetime.now(UTC), limit=10 * count)
        if p.entity_type == "person" and p.left in owner and p.right in owner
    ]
    assert len(pairs) >= count
    for number, (left, right) in enumerate(pairs[:count]):
        verdict = "same" if owner[left] == owner[right] else "different"
        now = datetime(2026, 1, 3, 12, 0, number, tzinfo=UTC)
        decide_pair(con, inbox, [left, right], verdict, who="ann", why="as it is", now=now, large=1_000)


@pytest.mark.soak
def test_the_same_records_give_the_same_model(
    home: Path, settings: Settings, capsys: pytest.CaptureFixture[str], rounds: Callable[[int, int], int]
) -> None:
    before = newest_snapshot(settings)
    # A plan trains as the run does, and the next test plans: in a soak both train here.
    if rounds(0, 1):
        told = answer(capsys, home, "plan", "--retrain")
        found = [(model["before"] == model["after"], model["has_judgement_weights"]) for model in told["models"]]
        assert found == 2 * [(True, False)]
        assert (told["churn"]["moved"], told["largest"], told["kpis"]) == (0, [], [])
        assert not any(table["added"] or table["changed"] or table["removed"] for table in told["tables"])
    assert answer(capsys, home, "run", "--publish-only", "--retrain", "--now", "2026-01-03")["status"] == "unchanged"
    con = open_published(settings)
    assert con.execute("SELECT count(*), count(DISTINCT entity_type) FROM resolved.epoch").fetchall() == [(2, 2)]
    con.close()
    assert newest_snapshot(settings) == before + 1  # the run's own record


def test_the_plan_equals_the_retraining(
    home: Path, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(settings, JUDGED)
    assert answer(capsys, home, "run", "--publish-only", "--now", "2026-01-04")["status"] == "published"
    before, state = newest_snapshot(settings), lake_state(settings)
    monkeypatch.setenv("DATAFLOW_RESOLVE__ID_CHURN_BUDGET", "0")
    # planning does not need the lock of the lake
    with open_lake(settings, purpose="test"):
        planned = answer(capsys, home, "plan", "--retrain", "--now", "2026-01-05", code=3)
    assert newest_snapshot(settings) == before
    assert (planned["b"], planned["churn"]["is_allowed"]) == (None, False)
    people = next(model for model in planned["models"] if model["entity_type"] == "person")
    assert people["before"] != people["after"]
    assert (people["has_judgement_weights"], people["judged_pairs"]) == (True, JUDGED)
    assert planned["churn"]["moved"] == planned["identities"]["records_moved"] > 0
    assert {move["kind"] for move in planned["largest"]} <= {"merged", "split"}

    # over budget the run is refused as well, and the lake is as it was
    answer(capsys, home, "run", "--publish-only", "--retrain", "--now", "2026-01-05", code=3)
    assert lake_state(settings) == state
    assert answer(capsys, home, "status")["runs"][0]["status"] == "refused"

    monkeypatch.setenv("DATAFLOW_RESOLVE__ID_CHURN_BUDGET", "0.2")
    told = answer(capsys, home, "run", "--publish-only", "--retrain", "--now", "2026-01-05")
    done = answer(capsys, home, "diff", str(before), str(told["snapshot_id"]))
    assert {name: done[name] for name in ("tables", "identities", "kpis")} == {
        name: planned[name] for name in ("tables", "identities", "kpis")
    }


def test_an_explanation_shows_what_judgements_added(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # the order of the queue does not show on which pairs judgements changed the weight
    for pair in answer(capsys, home, "review", "list", "--limit", "100"):
        explanation = answer(capsys, home, "review", "show", pair["pair_id"])["explanation"]
        assert sum(step["weight"] for step in explanation["steps"]) == pytest.approx(explanation["weight"], abs=0.06)
        added = [step["weight"] for step in explanation["steps"] if step["name"] == "Judgements of stewards"]
        if added:
            assert all(added)
            return
    pytest.fail("no pair in the queue has a weight from judgements")


def test_what_cannot_be_retrained(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["plan", "--retrain", "--source", "mysql"], ["run", "--retrain", "--ingest-only"]):
        assert run(["--home", str(home), *words]) == 2
    assert run(["--home", str(tmp_path / "new"), "plan", "--retrain"]) != 0
    assert "finish a first run" in capsys.readouterr().err
