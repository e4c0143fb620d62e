"""A lake that an earlier commit left behind: today's code opens it, runs on, restores, and moves no customer unstated.

`churn.json` states what today's code makes of the next day otherwise than the pinned code did; `--update-golden` writes
it, and the change is seen where the commit is read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from dataflow.cli.main import run
from dataflow.settings import load_settings
from tests.golden.build import FACTS, NEXT_DAY, ask, publish, read_facts
from tests.golden.lake import GoldenLake, golden_lake

STATED = Path(__file__).with_name("churn.json")


@pytest.fixture(scope="module")
def golden() -> GoldenLake:
    return golden_lake()


@pytest.fixture
def home(golden: GoldenLake, tmp_path: Path) -> Path:
    return golden.copy(tmp_path / "home")


def owners(facts: dict[str, Any]) -> dict[str, str]:
    """Customer of each record."""
    return {row["record_id"]: row["customer_id"] for row in facts["owners"]}


def moved(before: dict[str, str], after: dict[str, str]) -> int:
    """How many records had a customer before and have another now."""
    return sum(after[record] != customer for record, customer in before.items() if record in after)


def customers(owned: dict[str, str]) -> set[frozenset[str]]:
    """The records of each customer, whatever its id."""
    records = defaultdict(set)
    for record, customer in owned.items():
        records[customer].add(record)
    return {frozenset(together) for together in records.values()}


def differences(pinned: dict[str, Any], today: dict[str, Any]) -> dict[str, Any]:
    """What of a day's publication is otherwise: records that moved, and each fact that is not the same."""
    found: dict[str, Any] = {}
    for name in FACTS:
        if name in ("owners", "runs"):
            continue
        before, after = ({json.dumps(row, sort_keys=True) for row in facts[name]} for facts in (pinned, today))
        if before != after:
            found[name] = {"only_pinned": len(before - after), "only_today": len(after - before)}
    before, after = owners(pinned), owners(today)
    if before.keys() != after.keys():
        found["records"] = {"only_pinned": len(before.keys() - after), "only_today": len(after.keys() - before)}
    if count := moved(before, after):
        found["moved"] = count
    return found


def test_it_opens_and_tells_the_same(home: Path, golden: GoldenLake, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        status = ask(run, home, "status", "--runs", "20")
        assert read_facts(run, home) == golden.facts["opened"]
    pinned = golden.facts["opened"]
    assert [one["run_id"] for one in status["runs"]] == [one["run_id"] for one in reversed(pinned["runs"])]
    open_dead_letters = [letter for letter in pinned["dead_letters"] if letter["status"] == "open"]
    assert sum(row["rows"] for row in status["dead_letters"] if row["status"] == "open") == len(open_dead_letters)


def test_it_runs_on_restores_and_catches_up(
    home: Path, golden: GoldenLake, update_golden: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        told = publish(run, home, day=NEXT_DAY)
        next_day = read_facts(run, home)
    assert told["status"] == "published"
    pinned = golden.facts["next_day"]
    assert [one["run_id"] for one in next_day["runs"]][:-1] == [one["run_id"] for one in pinned["runs"]][:-1]
    found = differences(pinned, next_day)
    if update_golden:
        STATED.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert found == json.loads(STATED.read_text(encoding="utf-8"))
    churn, budget = found.get("moved", 0) / len(pinned["owners"]), load_settings(home=home).resolve.id_churn_budget
    assert churn <= budget, f"{found['moved']} of {len(pinned['owners'])} records have another customer"

    eighth = golden.facts["eighth"]
    with capsys.disabled():
        ask(run, home, "restore", "--to", str(eighth["snapshot_id"]), "--yes")
        restored = read_facts(run, home)
    assert restored["owners"] == eighth["owners"]
    assert restored["judgements"] == next_day["judgements"]

    with capsys.disabled():
        assert publish(run, home, day=NEXT_DAY)["status"] == "published"
        again = read_facts(run, home)
    first, second, known = owners(next_day), owners(again), set(owners(eighth).values())
    assert customers(first) == customers(second)
    # Ids first given after the restored snapshot are given anew, and two days at once may give other ones.
    assert known.isdisjoint(customer for _, customer in first.items() ^ second.items())
    assert again["judgements"] == next_day["judgements"]
