"""Fill a home with a lake, by the code of the pinned commit: a script, run by `tests.golden.lake` with that code.

Only `FACTS` and `ask` serve today's code as well, so nothing but the standard library is imported at the top.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

Run = Callable[[Sequence[str]], int]

# 1,000 delivered rows a day give about 350 further customer records: 3,000 on the ninth day.
ROWS_PER_DAY = 1000
LAST_DAY = 9
"""Published by the pinned code; the sample holds one more day, which each later commit publishes."""
NEXT_DAY = LAST_DAY + 1

_TABLES = (
    *("customer_360", "customer_history", "orders", "tickets", "customer_features", "segments", "kpi_daily", "xref"),
    "redirects",
)
FACTS = {
    "rows": " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS rows FROM published.{name}" for name in _TABLES),
    "customers": "SELECT count(*) AS customers, md5(string_agg(customer_id, ' ' ORDER BY customer_id)) AS hash"
    " FROM published.customer_360",
    "judgements": "SELECT judgement_id, verdict, decided_by, reason FROM ops.judgement ORDER BY judgement_id",
    "history": "SELECT customer_id, count(*) AS states, min(valid_from) AS first, max(valid_from) AS last"
    " FROM published.customer_history GROUP BY customer_id ORDER BY customer_id",
    "dead_letters": "SELECT dead_letter_id, status, attempts, decided_by, decision_reason FROM ops.dead_letters"
    " ORDER BY dead_letter_id",
    "runs": "SELECT run_id, kind, status FROM ops.run ORDER BY run_id",
    "review": "SELECT reason, count(*) AS pairs FROM ops.review_queue GROUP BY reason ORDER BY reason",
    "owners": "SELECT record_id, customer_id FROM published.xref ORDER BY record_id",
}
"""Fact to the SQL that tells it, in the words of a reader of the lake."""


def ask(run: Run, home: Path, *arguments: str) -> Any:
    """Run one command of `dataflow` and return its JSON."""
    answer = io.StringIO()
    with contextlib.redirect_stdout(answer):
        code = run(["--home", str(home), *arguments, "-o", "json"])
    assert code == 0, f"dataflow {' '.join(arguments)} ended with {code}"
    return json.loads(answer.getvalue())


def read_facts(run: Run, home: Path) -> dict[str, Any]:
    """Read every fact of a lake."""
    return {name: ask(run, home, "query", sql) for name, sql in FACTS.items()}


def publish(run: Run, home: Path, *, day: int) -> dict[str, Any]:
    """Land and publish everything up to a day, on the morning after it."""
    ends = date(2026, 1, day + 1).isoformat()
    told: dict[str, Any] = ask(run, home, "run", "--until", ends, "--now", f"{ends}T06:00:00Z")
    return told


def decide(run: Run, home: Path, verdict: str, *, count: int) -> list[str]:
    """Judge the most valuable of the pairs that wait, by as many stewards as it may need."""
    chosen = [pair["pair_id"] for pair in ask(run, home, "review", "list", "--limit", str(count))]
    for pair in chosen:
        for who in ("ann", "bob"):
            ask(run, home, "review", "decide", pair, verdict, "--who", who, "--why", "golden")
    return chosen


def dead_letters(run: Run, home: Path) -> list[str]:
    """List the ids of the open dead letters, in order."""
    return sorted(letter["id"] for letter in ask(run, home, "dlq", "list"))


def settle(run: Run, home: Path) -> None:
    """Discard the first two open dead letters and have the next three validated again."""
    letters = dead_letters(run, home)
    assert len(letters) > 5
    assert run(["--home", str(home), "dlq", "discard", *letters[:2], "--who", "ann", "--why", "golden"]) == 0
    assert run(["--home", str(home), "dlq", "replay", *letters[2:5]]) == 0


def live_ten_publications(run: Run, home: Path) -> dict[str, Any]:
    """Lead a lake through ten publications; returns the snapshot and the owners of the eighth."""
    publish(run, home, day=1)
    publish(run, home, day=2)
    decide(run, home, "same", count=3)
    different = decide(run, home, "different", count=3)
    publish(run, home, day=3)
    settle(run, home)
    ask(run, home, "review", "undo", different[0], "--who", "ann", "--why", "golden")
    publish(run, home, day=4)
    ask(run, home, "maintain")
    fifth = publish(run, home, day=5)
    publish(run, home, day=6)
    ask(run, home, "restore", "--to", str(fifth["snapshot_id"]), "--yes")
    publish(run, home, day=6)
    eighth = publish(run, home, day=7)
    owners = ask(run, home, "query", FACTS["owners"])
    publish(run, home, day=8)
    publish(run, home, day=LAST_DAY)
    # On record when the next code opens the lake, and acted on by its first run.
    decide(run, home, "same", count=1)
    settle(run, home)
    return {"snapshot_id": eighth["snapshot_id"], "owners": owners}


def draw_no_pages() -> None:
    """Leave out the page of each run, a fifth of what a small run costs: it is no part of the lake."""
    vars(import_module("flows.journey")).update(
        write_run_report=lambda _, outcome, **__: outcome, drafting_report=lambda _: contextlib.nullcontext()
    )


def build(folder: Path) -> None:
    """Fill `folder` with the lake (home), and with what the pinned code reads in it and makes of the next day."""
    draw_no_pages()
    from dataflow.cli.main import run
    from dataflow.sample import SampleSpec, generate
    from dataflow.settings import load_settings

    # Of the pinned code: today's has none.
    orchestrator = import_module("flows.orchestrator").orchestrator
    home, later = folder / "home", folder / "later"
    generate(SampleSpec(days=NEXT_DAY, records_per_day=ROWS_PER_DAY, start=date(2026, 1, 1)), home / "sample")
    with orchestrator(load_settings(home=home)):
        eighth = live_ten_publications(run, home)
        opened = read_facts(run, home)
        shutil.copytree(home, later)
        publish(run, later, day=NEXT_DAY)
        next_day = read_facts(run, later)
    shutil.rmtree(later)
    facts = {"eighth": eighth, "opened": opened, "next_day": next_day}
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
