"""Runs that a worker took and never started, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.states import InfrastructurePending, Pending, Running

from flows.watchdog import RESTARTED, restart_pending
from tests.lib.servers.prefect import PrefectServer, ProcessWorker


@pytest.fixture
def client(deployed: PrefectServer, process_worker: ProcessWorker) -> Iterator[SyncPrefectClient]:
    """A client of a server whose worker starts nothing."""
    with process_worker.paused(), deployed.in_process(), get_client(sync_client=True) as found:
        yield found


def taken(client: SyncPrefectClient, folder: Path, state: State) -> tuple[FlowRun, str]:
    """A run of `score` in the state that a worker has given it, and its idempotency key."""
    key = str(uuid4())
    run = _start(folder, key)
    client.set_flow_run_state(run.id, state, force=True)
    return run, key


def _start(folder: Path, key: str) -> FlowRun:
    given = {"folder": str(folder), "chunk": 0}
    started = run_deployment("score/score", parameters=given, idempotency_key=key, timeout=0, as_subflow=False)
    assert isinstance(started, FlowRun)
    return started


def restarted(client: SyncPrefectClient, run: FlowRun, *, longest_minutes: float = 0) -> list[int | None]:
    found = restart_pending(client, longest_minutes=longest_minutes)
    return [restarts for one, restarts in found if one.id == run.id]


def state_of(client: SyncPrefectClient, run: FlowRun) -> tuple[str, str]:
    state = client.read_flow_run(run.id).state
    assert state is not None
    return state.type.value, str(state.name)


def test_a_run_that_was_not_started_is_started_again_under_its_key(client: SyncPrefectClient, tmp_path: Path) -> None:
    run, key = taken(client, tmp_path, Pending())
    assert restarted(client, run, longest_minutes=5) == [], "a worker has just taken it"
    assert restarted(client, run) == [1]
    assert state_of(client, run) == ("SCHEDULED", RESTARTED)
    assert restarted(client, run) == []
    assert _start(tmp_path, key).id == run.id, "no second run"


def test_what_never_starts_is_given_up(client: SyncPrefectClient, tmp_path: Path) -> None:
    run, _ = taken(client, tmp_path, Pending())
    for restarts in (1, 2, 3):
        assert restarted(client, run) == [restarts]
        client.set_flow_run_state(run.id, Pending(), force=True)
    assert restarted(client, run) == [None]
    assert state_of(client, run) == ("CRASHED", "Crashed")


@pytest.mark.parametrize("state", [InfrastructurePending(), Running()], ids=["task-is-there", "running"])
def test_a_run_that_has_a_task_is_left_to_those_who_see_it(
    client: SyncPrefectClient, tmp_path: Path, state: State
) -> None:
    run, _ = taken(client, tmp_path, state)
    assert restarted(client, run) == []
    assert state_of(client, run)[1] == state.name
