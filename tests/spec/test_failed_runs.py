"""A run that does not come to its end, or whose sinks do not: on record once, with a page, the lake as committed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.errors import SinkError
from dataflow.publish.invariants import Invariant
from dataflow.settings import Settings
from dataflow.sinks.warehouse import warehouse_snapshot
from dataflow.tables.ops import COST
from dataflow.tables.published import CUSTOMER_360
from dataflow.workspace.cost import COST_FACT, Cost
from tests.lib.fake_sinks import FakeSink, hang, with_sinks, write_to_the_lake
from tests.lib.homes import LATER, NOW
from tests.lib.tables import read_rows

# One source is enough of a day for what is not asked of its rows.
PART = ("run", "--source", "tickets")


def recorded(settings: Settings) -> list[tuple[str, str]]:
    con = open_published(settings)
    try:
        return con.execute("SELECT status, message FROM ops.run ORDER BY run_id").fetchall()
    finally:
        con.close()


def latest_page(settings: Settings) -> str:
    return (settings.home / "reports" / "latest.html").read_text(encoding="utf-8")


def test_a_sink_that_fails_leaves_one_published_run_that_says_so(
    fresh_home: Callable[[], Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = fresh_home()
    warehouse = settings.home / "warehouse.duckdb"
    warehouse.unlink()
    warehouse.mkdir()
    (warehouse / "in-the-way").touch()
    assert run(["--home", str(settings.home), *PART, "--now", NOW]) == 4
    told = capsys.readouterr().err
    assert "Sink behind: warehouse: Writing publication" in told
    assert "Incomplete" not in told
    (_, first), (status, message) = recorded(settings)
    assert status == "published"
    assert message.endswith("; then partial: sinks behind: warehouse")
    assert "then" not in first
    assert '<span class="status partial">Partial</span>' in latest_page(settings)


KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from flows import publication
publication.feed_sinks = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from dataflow.cli.main import run
run(sys.argv[1:])
"""


def used(service: str, billed: int) -> Cost:
    return Cost(
        service=service,
        category="Analytics",
        provider="Google Cloud",
        account="project",
        region="EU",
        resource="dataset",
        dollars_per_tib=6.25,
        bytes_billed=billed,
        bytes_loaded=0,
        statements=3,
        load_jobs=0,
        slot_milliseconds=0,
    )


def test_what_a_killed_run_and_failing_sinks_left_behind_the_next_unchanged_runs_bring_to_the_publication(
    published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse = Path(published.warehouse.path)
    had = warehouse_snapshot(warehouse) or 0
    arguments = ["--home", str(published.home), *PART, "--now", LATER]
    script = KILLED.format(root=str(Path(__file__).parents[2]))
    killed = subprocess.run([sys.executable, "-c", script, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert recorded(published)[-1][0] == "published"
    assert warehouse_snapshot(warehouse) == had

    ended = threading.Event()
    good = FakeSink("good", does=write_to_the_lake, facts={COST_FACT: used("BigQuery", 2**40).as_fact()})
    broken = FakeSink("broken", errors=[SinkError("No space.") for _ in range(4)])
    broken.errors[-1].cost = used("another", 2**30).as_fact()  # type: ignore[attr-defined]
    stuck = FakeSink("stuck", does=hang(ended))
    with_sinks(monkeypatch, good, broken, stuck)
    with monkeypatch.context() as hurried:
        hurried.setenv("DATAFLOW_PREFECT__RETRY_DELAY_SECONDS", "0.01")
        hurried.setenv("DATAFLOW_SINKS__TIMEOUT_SECONDS", "5")
        hurried.setenv("DATAFLOW_WAREHOUSE__PATH", "")
        assert run(arguments) == 4
    told = capsys.readouterr().err
    assert "Sink behind: broken: No space." in told
    assert "Sink behind: stuck: The sink stuck gave no answer within 5 s" in told
    status, message = recorded(published)[-1]
    assert status == "unchanged"
    assert message.endswith("; then partial: sinks behind: broken, stuck")
    assert good.shows is not None
    assert (broken.shows, stuck.shows) == (None, None)
    assert (good.calls, broken.calls, stuck.calls) == (1, 4, 1)
    with closing(open_published(published)) as con:
        costs = read_rows(con, f"FROM {COST.sql_name}")
        [newest] = read_rows(con, "SELECT max(run_id) AS run_id FROM ops.run")
    assert {one["x_RunId"] for one in costs} == {newest["run_id"]}
    billed = {one["ServiceName"]: (one["ConsumedQuantity"], one["PricingQuantity"], one["ListCost"]) for one in costs}
    assert billed == {"BigQuery": (2**40, 1.0, 6.25), "another": (2**30, 2**-10, 0.006104)}

    ended.set()
    stuck.does = lambda _: None
    assert run(arguments) == 0
    assert recorded(published)[-1][0] == "unchanged"
    assert good.shows == broken.shows == stuck.shows == warehouse_snapshot(warehouse) > had


def test_a_refused_run_has_a_page(
    published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # No sample breaks an invariant as long as the stages are right: this one breaks with any customer.
    every = f"SELECT customer_id FROM {CUSTOMER_360.in_lake}"
    broken = Invariant("no_customers", CUSTOMER_360, "a company has no customers", every)
    monkeypatch.setattr("dataflow.publish.invariants.INVARIANTS", (broken,))
    assert run(["--home", str(published.home), *PART, "--now", NOW]) == 3
    assert "a company has no customers, but" in capsys.readouterr().err
    (first, _), (status, message) = recorded(published)
    assert (first, status) == ("published", "refused")
    assert "no_customers" in message
    page = latest_page(published)
    assert '<span class="status refused">' in page
    assert "a company has no customers, but" in page
