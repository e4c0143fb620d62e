"""A backfill's windows fetched by a process pool, by a real server through a real worker; one process commits."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from threading import Thread
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
from dataflow.settings import load_settings
from dataflow.sources import PlannedWindow, Window
from dataflow.tables.declared import declared_tables
from flows import pipelines
from flows.fetching import watch_share
from flows.ingest import fetch_windows
from flows.sessions import registered
from tests.lib.homes import NOW, make_sample, open_gaps, start_dataflow
from tests.lib.servers.prefect import PrefectServer, ProcessWorker

DEPLOYMENT = "fetch/fetch"
TWO_DAYS = ["backfill", "--from", "2026-01-01", "--to", "2026-01-02", "--workers", "2", "--now", NOW]
# For a busy machine; nothing is asserted of it.
PATIENCE_SECONDS = 180.0


@pytest.fixture(scope="module")
def server(process_worker: ProcessWorker, tmp_path_factory: pytest.TempPathFactory) -> PrefectServer:
    """The deployment `fetch` of prefect.yaml, deployed to the test's pool."""
    return process_worker.deploy(tmp_path_factory.mktemp("deploy"), "fetch")


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


def raw_of(home: Path, *, but: str = "_run_id") -> dict[str, list[Any]]:
    """All of raw, but for the name of the run and another column."""
    settings = load_settings(home=home)
    columns = f"* EXCLUDE ({', '.join({'_run_id', but})})"
    with open_published(settings) as con:
        return {
            name: con.execute(f"SELECT {columns} FROM {table.sql_name} ORDER BY ALL").fetchall()
            for name, table in declared_tables(settings).items()
            if table.schema == "raw"
        }


def backfill_here(home: Path, server: PrefectServer, *, deployment: str = DEPLOYMENT, workers: int = 2) -> str | None:
    """The flow of `TWO_DAYS` in this process; the name of the state it ends in."""
    given = load_settings(home=home)
    settings = given.model_copy(update={"prefect": given.prefect.model_copy(update={"fetch_deployment": deployment})})
    words = {"start": date(2026, 1, 1), "end": date(2026, 1, 2), "workers": workers}
    now = datetime.fromisoformat(NOW)
    with open_run(settings, "backfill", now=now) as session, registered(session), server.in_process():
        return pipelines.backfill(run_id=session.run.run_id, return_state=True, **words).name


@pytest.fixture(scope="module")
def alone(server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days that one process fetched."""
    home = tmp_path_factory.mktemp("alone")
    make_sample(home, days=2)
    assert backfill_here(home, server, deployment="") == "Published"
    return home


@pytest.fixture
def pooled(alone: Path, tmp_path: Path) -> Path:
    """The same two days, to be fetched."""
    shutil.copytree(alone / "sample", tmp_path / "sample")
    return tmp_path


def in_pool(server: PrefectServer) -> dict[str, str]:
    return server.environment | {"DATAFLOW_PREFECT__FETCH_DEPLOYMENT": DEPLOYMENT}


def test_raw_is_that_of_one_process_and_twice_is_once(server: PrefectServer, alone: Path, pooled: Path) -> None:
    process = start_dataflow(pooled, *TWO_DAYS, environment=in_pool(server))
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert raw_of(pooled) == raw_of(alone)
    runs = fetch_runs(server, pooled)
    assert [run["state"]["type"] for run in runs] == ["COMPLETED"] * 2
    assert all(set(run["parameters"]) == {"folder", "share", "home"} for run in runs)
    # Nothing is left to fetch: nothing is given away, and nothing changes.
    assert backfill_here(pooled, server) == "Unchanged"
    assert (raw_of(pooled), len(fetch_runs(server, pooled))) == (raw_of(alone), 2)


def test_a_share_that_nobody_fetched_is_a_gap_that_the_next_run_repairs(
    server: PrefectServer, process_worker: ProcessWorker, alone: Path, pooled: Path
) -> None:
    with process_worker.paused():
        process = start_dataflow(pooled, *TWO_DAYS, environment=in_pool(server))
        lost, *others = wait_for_runs(server, pooled, 2)
        server.post(f"flow_runs/{lost['id']}/set_state", {"state": {"type": "CANCELLED"}, "force": True})
    process.communicate()
    assert process.returncode == 4
    states = {run["id"]: run["state"]["type"] for run in fetch_runs(server, pooled)}
    assert states == {lost["id"]: "CANCELLED"} | {run["id"]: "COMPLETED" for run in others}
    gaps = open_gaps(pooled)
    assert gaps
    assert all("was lost" in gap["detail"] for gap in gaps)
    # Of a row that two days brought, raw keeps the receipt that was landed first.
    assert raw_of(pooled, but="_locator") != raw_of(alone, but="_locator")
    assert backfill_here(pooled, server, workers=1) == "Published"
    repairing = [run for run in fetch_runs(server, pooled) if run["id"] not in states]
    assert [run["state"]["type"] for run in repairing] == ["COMPLETED"]
    assert raw_of(pooled, but="_locator") == raw_of(alone, but="_locator")
    assert open_gaps(pooled) == []


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


def test_a_killed_worker_s_share_is_given_out_again(server: PrefectServer, tmp_path: Path) -> None:
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
    with open_run(settings, "backfill") as session, registered(session), server.in_process():
        stuck = PlannedWindow("erp", "thing", Window.of_all_time(), (), "stuck")
        windows = [*plan_windows(None, settings, source="desk"), stuck]
        staged = fetch_in_pool(session, windows, workers=1, deployment=DEPLOYMENT)
        states = [run["state"]["type"] for run in fetch_runs(server, session.folder)]
    killer.join()
    assert states == ["CRASHED", "COMPLETED"]
    assert [window.planned for window in staged.fetched] == windows[:1]
    assert [(failure.planned, type(failure.error)) for failure in staged.failures] == [(stuck, SourceUnavailable)]


def test_a_deployment_that_is_not_there_is_said_to_be(server: PrefectServer, tmp_path: Path) -> None:
    make_sample(tmp_path)
    settings = load_settings(home=tmp_path)
    with open_run(settings, "backfill") as session, registered(session), server.in_process():
        windows = plan_windows(None, settings)
        with pytest.raises(ConfigurationError, match=r"prefect\.fetch_deployment"):
            fetch_in_pool(session, windows, workers=2, deployment="fetch/elsewhere")


@pytest.mark.parametrize(("state", "becomes"), [(Running, StateType.CRASHED), (Scheduled, StateType.CANCELLED)])
def test_a_run_without_a_sign_of_life_is_given_up(
    server: PrefectServer, process_worker: ProcessWorker, tmp_path: Path, state: Callable[[], State], becomes: StateType
) -> None:
    parameters = {"folder": str(tmp_path), "share": 0}
    with process_worker.paused(), server.in_process(), get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
        run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters, state=state())
        ended = watch_share(client, run.id, tmp_path, 0, silence_seconds=0.5)
    assert ended.state_type == becomes
