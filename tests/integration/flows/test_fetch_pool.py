"""A backfill's windows fetched by a process pool, by a real server through a real worker; one process commits."""

import itertools
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.states import Running, Scheduled

from dataflow.access.pipeline import open_published
from dataflow.errors import ConfigurationError, SourceUnavailable
from dataflow.land import Staged, plan_windows
from dataflow.run.session import RunSession, open_run
from dataflow.settings import Settings, load_settings
from dataflow.sources import PlannedWindow, Window
from dataflow.tables.declared import declared_tables
from flows import pipelines
from flows.fetching import watch_share
from flows.ingest import fetch_windows
from flows.on_prefect import OnPrefect
from flows.sessions import registered
from tests.lib.homes import NOW, open_gaps
from tests.lib.servers.prefect import PrefectServer, ProcessWorker

DEPLOYMENT = "fetch/fetch"
# For a busy machine; nothing is asserted of it.
PATIENCE_SECONDS = 180.0

SHOP = """
[sources.shop]
root = "${home}/shop"
[sources.shop.objects.visit]
format = "csv"
path = "visit/{date}.csv"
key = "id"
cursor = "at"
fields = { id = "BIGINT", at = "TIMESTAMPTZ" }
[sources.shop.objects.order]
format = "csv"
path = "order/{date}.csv"
key = "id"
cursor = "at"
fields = { id = "BIGINT", at = "TIMESTAMPTZ" }

[enrich]
geoip = ""
firmographics = ""
"""


def fetch_runs(server: PrefectServer, folder: Path) -> list[dict[str, Any]]:
    """The flow runs that fetched for a run whose folder is below `folder`, oldest first."""
    found = server.post("flow_runs/filter", {"flows": {"name": {"any_": ["fetch"]}}, "sort": "START_TIME_ASC"})
    return [run for run in found if str(run["parameters"].get("folder", "")).startswith(str(folder))]


def wait_for_runs(server: PrefectServer, folder: Path, count: int) -> list[dict[str, Any]]:
    """Wait until there are so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := fetch_runs(server, folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def shop(folder: Path) -> Settings:
    """Two objects of two days: four windows, in this folder."""
    for number, (name, day) in enumerate(itertools.product(("visit", "order"), (1, 2))):
        file = folder / "home" / "shop" / name / f"2026-01-0{day}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"id,at\n{number},2026-01-0{day}T10:00:00Z\n")
    config = folder / "dataflow.toml"
    config.write_text(SHOP)
    return load_settings(config, home=folder / "home")


def raw_of(settings: Settings) -> dict[str, list[Any]]:
    """All of raw, but for the name of the run."""
    with open_published(settings) as con:
        return {
            name: con.execute(f"SELECT * EXCLUDE (_run_id) FROM {table.sql_name} ORDER BY ALL").fetchall()
            for name, table in declared_tables(settings).items()
            if table.schema == "raw"
        }


def backfill(given: Settings, server: PrefectServer, *, deployment: str, workers: int = 2) -> str | None:
    """Backfill both days in this process; the name of the state it ends in."""
    settings = given.model_copy(update={"prefect": given.prefect.model_copy(update={"fetch_deployment": deployment})})
    words = {"start": date(2026, 1, 1), "end": date(2026, 1, 2), "workers": workers}
    now = datetime.fromisoformat(NOW)
    with (
        open_run(settings, "backfill", now=now) as session,
        registered(session, OnPrefect(session.settings)),
        server.in_process(),
    ):
        return pipelines.backfill(run_id=session.run.run_id, return_state=True, **words).name


def lose_one(server: PrefectServer, worker: ProcessWorker, folder: Path) -> tuple[Thread, list[str]]:
    """Cancel the first of two fetching runs before the worker begins either; the thread, and the id of that run."""
    lost: list[str] = []
    is_paused = Event()

    def lose() -> None:
        with worker.paused():
            is_paused.set()
            run, _ = wait_for_runs(server, folder, 2)
            server.post(f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLED"}, "force": True})
            lost.append(run["id"])

    thread = Thread(target=lose)
    thread.start()
    is_paused.wait()
    return thread, lost


def test_a_share_that_nobody_fetched_is_a_gap_that_the_next_run_repairs_and_raw_is_that_of_one_process(
    deployed: PrefectServer, process_worker: ProcessWorker, tmp_path: Path
) -> None:
    alone, pooled = shop(tmp_path / "alone"), shop(tmp_path / "pooled")
    assert backfill(alone, deployed, deployment="") == "Published"
    losing, lost = lose_one(deployed, process_worker, pooled.home)
    assert backfill(pooled, deployed, deployment=DEPLOYMENT) == "Partial"
    losing.join()
    runs = fetch_runs(deployed, pooled.home)
    states = {run["id"]: run["state"]["type"] for run in runs}
    assert len(lost) == 1
    assert states == {one: "CANCELLED" if one in lost else "COMPLETED" for one in states}
    assert len(states) == 2
    assert all(set(run["parameters"]) == {"folder", "share", "config", "home"} for run in runs)
    gaps = open_gaps(pooled)
    assert len(gaps) == 2
    assert all("was lost" in gap["detail"] for gap in gaps)
    assert raw_of(pooled) != raw_of(alone)

    assert backfill(pooled, deployed, deployment=DEPLOYMENT, workers=1) == "Published"
    repairing = [run for run in fetch_runs(deployed, pooled.home) if run["id"] not in states]
    assert [run["state"]["type"] for run in repairing] == ["COMPLETED"]
    assert raw_of(pooled) == raw_of(alone)
    assert open_gaps(pooled) == []
    # Nothing is left to fetch: nothing is given away, and nothing changes.
    assert backfill(pooled, deployed, deployment=DEPLOYMENT) == "Unchanged"
    assert (raw_of(pooled), len(fetch_runs(deployed, pooled.home))) == (raw_of(alone), 3)


def fetch_in_pool(session: RunSession, windows: list[PlannedWindow], *, workers: int, deployment: str) -> Staged:
    """Fetch windows as a backfill has it done, in a flow."""

    @flow(name="backfill", persist_result=False)
    def fetch_all() -> Staged:
        return fetch_windows(session, windows, workers=workers, deployment=deployment)

    return fetch_all()


SILENT = """
[sources.erp]
adapter = "mysql"
[sources.erp.mysql]
host = "127.0.0.1"
port = {port}
user = "reader"
password = "none"
database = "shop"
connect_timeout_seconds = 600
[sources.erp.objects.thing]
key = "id"
cursor = "at"
fields = {{ id = "BIGINT", at = "TIMESTAMPTZ" }}

[sources.desk]
root = "${{home}}/desk"
[sources.desk.objects.ticket]
format = "csv"
path = "{{date}}/*.csv"
key = "ticket_id"
cursor = "updated_at"
fields = {{ ticket_id = "VARCHAR", updated_at = "TIMESTAMPTZ" }}

[prefect]
retries = 1
retry_delay_seconds = 0.01
"""


def test_a_killed_worker_s_share_is_given_out_again(deployed: PrefectServer, tmp_path: Path) -> None:
    tickets = tmp_path / "home" / "desk" / "2026-01-01"
    tickets.mkdir(parents=True)
    (tickets / "a.csv").write_text("ticket_id,updated_at\n1,2026-01-01T10:00:00Z\n")
    silent = socket.create_server(("127.0.0.1", 0))
    config = tmp_path / "dataflow.toml"
    config.write_text(SILENT.format(port=silent.getsockname()[1]))
    settings = load_settings(config, home=tmp_path / "home")

    def kill_whoever_waits_for_the_silent_server() -> None:
        connection, _ = silent.accept()
        [heartbeat] = tmp_path.rglob("heartbeat-0.json")
        # From now on nobody listens: the next worker is told so.
        silent.close()
        os.kill(json.loads(heartbeat.read_text())["pid"], signal.SIGKILL)
        connection.close()

    killer = Thread(target=kill_whoever_waits_for_the_silent_server)
    killer.start()
    with (
        open_run(settings, "backfill") as session,
        registered(session, OnPrefect(session.settings)),
        deployed.in_process(),
    ):
        stuck = PlannedWindow("erp", "thing", Window.of_all_time(), (), "stuck")
        windows = [*plan_windows(None, settings, source="desk"), stuck]
        staged = fetch_in_pool(session, windows, workers=1, deployment=DEPLOYMENT)
        states = [run["state"]["type"] for run in fetch_runs(deployed, session.folder)]
    killer.join()
    assert states == ["CRASHED", "COMPLETED"]
    assert [window.planned for window in staged.fetched] == windows[:1]
    assert [(failure.planned, type(failure.error)) for failure in staged.failures] == [(stuck, SourceUnavailable)]


def test_a_deployment_that_is_not_there_is_said_to_be(deployed: PrefectServer, tmp_path: Path) -> None:
    settings = shop(tmp_path)
    with (
        open_run(settings, "backfill") as session,
        registered(session, OnPrefect(session.settings)),
        deployed.in_process(),
    ):
        windows = plan_windows(None, settings)
        with pytest.raises(ConfigurationError, match=r"prefect\.fetch_deployment"):
            fetch_in_pool(session, windows, workers=2, deployment="fetch/elsewhere")


@pytest.mark.parametrize(("state", "becomes"), [(Running, StateType.CRASHED), (Scheduled, StateType.CANCELLED)])
def test_a_run_without_a_sign_of_life_is_given_up(
    deployed: PrefectServer,
    process_worker: ProcessWorker,
    tmp_path: Path,
    state: Callable[[], State],
    becomes: StateType,
) -> None:
    parameters = {"folder": str(tmp_path), "share": 0}
    with process_worker.paused(), deployed.in_process(), get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
        run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters, state=state())
        ended = watch_share(client, run.id, tmp_path, 0, silence_seconds=0.5)
    assert ended.state_type == becomes
