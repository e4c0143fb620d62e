"""Fetch on a work pool: one flow run for each share of a backfill's windows, named by folder and number.

Workers stage Parquet in the landing area and never open the lake; the backfill waits for them and commits alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

from dataflow.access.modes import private_files, share_files
from dataflow.errors import ConfigurationError, ShareLost
from dataflow.land import Staged, stage_windows
from dataflow.land.fetch import landing_name
from dataflow.land.heartbeats import HEARTBEATS, last_heartbeat, sending_heartbeats
from dataflow.land.shares import (
    Share,
    answer_name,
    answer_share,
    collect_share,
    is_answered,
    read_share,
    share_name,
    write_share,
)
from dataflow.run.exchange import Exchange, join, landing_exchange, offer, paths_for_workers
from dataflow.run.session import RunSession
from dataflow.settings import Settings, load_settings
from dataflow.sources.protocol import PlannedWindow
from flows.engine import Call, answer_of
from flows.on_prefect import OnPrefect
from flows.retry import result_or_part
from flows.sessions import session_of_run
from flows.steps import unless_incomplete

# Seconds between two polls of a run that fetches for minutes.
_POLL_SECONDS = 2.0
# A container on ECS takes one to two minutes to start. The lake's lock is not held longer than this for a silent run.
_SILENCE_SECONDS = 600.0


@flow(name="fetch", persist_result=False)
def fetch(folder: str, share: int, config: Path | None = None, home: Path | None = None) -> None:
    """Fetch one share of a backfill's windows into the landing area. Raises: ShareOver when the backfill is over."""
    with private_files():
        settings = load_settings(config, home=home)
        with join(folder, settings) as exchange:
            exchange.pull([share_name(share), answer_name(share)])
            if is_answered(exchange.folder, share):
                return
            found = read_share(exchange.folder, share)
            share_files(settings)
            landing = landing_exchange(settings)
            with sending_heartbeats(exchange.folder, share, push=exchange.push):
                # What a worker that crashed has staged is not read again.
                landing.pull(landing_name(planned, found.run) for planned in found.windows)
                staged = _fetch_with_retries(found, settings)
                landing.push(landing_name(window.planned, found.run) for window in staged.fetched)
            answer_share(exchange.folder, share, found, staged)
            exchange.push([answer_name(share)])


def _fetch_with_retries(share: Share, settings: Settings) -> Staged:
    # Not a parameter of the task: the settings hold secrets.
    def fetch_windows() -> Staged:
        return unless_incomplete(stage_windows(share.windows, settings, share.run))

    return result_or_part(answer_of(OnPrefect(settings), Call("fetch", fetch_windows)))


def share_out(
    session: RunSession, windows: Sequence[PlannedWindow], *, deployment: str, workers: int
) -> Iterator[Call[Staged]]:
    """Write a share of the windows for each worker into the run's folder; yield the calls that have them fetched.

    Neighbouring windows of an object, which cost alike, go to different workers.
    """
    # Not `tempfile`: its folders exclude the group of a shared lake, whose workers write here.
    folder = (session.folder / f"fetch-{uuid4().hex}").resolve()
    folder.mkdir()
    exchange = offer(folder, session.settings)
    shares = min(workers, len(windows))
    for number in range(shares):
        share = Share(session.run, tuple(windows[number::shares]))
        write_share(folder, number, share)
        exchange.push([share_name(number)])
        name = f"fetch share {number + 1} of {shares}"
        parameters = {"run_id": session.run.run_id, "folder": folder, "number": number, "deployment": deployment}
        yield Call("share", fetch_share, parameters, name=name, is_retried=False, windows=len(share.windows))


def fetch_share(run_id: str, folder: Path, number: int, deployment: str) -> Staged:
    """Have a deployment fetch one share; a new run continues from what a crashed one has staged.

    Only crashes are retried here: the worker itself retries errors of a source.
    Raises: ConfigurationError when the deployment does not exist.
    """
    settings = session_of_run(run_id).settings
    exchange, landing = offer(folder, settings), landing_exchange(settings)
    with get_client(sync_client=True) as client:
        for attempt in range(settings.prefect.retries + 1):
            started = _start(settings, exchange.address, number, deployment, attempt)
            ended = watch_share(client, started, folder, number, refresh=partial(_refresh, exchange, number))
            if is_answered(folder, number) or ended.state_type != StateType.CRASHED:
                break
    share = read_share(folder, number)
    landing.pull(landing_name(planned, share.run) for planned in share.windows)
    exchange.remove([share_name(number), answer_name(number), f"{HEARTBEATS}{number}.json"])
    return collect_share(folder, number, share, settings, lost=_lost(ended, deployment, len(share.windows)))


def _refresh(exchange: Exchange, number: int) -> None:
    exchange.pull([answer_name(number)])
    exchange.pull_times(HEARTBEATS)


def _start(settings: Settings, folder: str, number: int, deployment: str, attempt: int) -> UUID:
    try:
        started = run_deployment(
            deployment,
            parameters={"folder": folder, "share": number, **paths_for_workers(settings)},
            # Prefect starts one run for an attempt, also when the call is repeated after a lost answer.
            idempotency_key=f"{folder}|{number}|{attempt}",
            timeout=0,
            as_subflow=False,
        )
    except ObjectNotFound as error:
        raise ConfigurationError(
            f"Giving windows to {deployment} (prefect.fetch_deployment): Prefect has no deployment of that name.",
            next_move="Deploy it with prefect deploy, set PREFECT_API_URL to the server that has it, or clear the "
            "setting.",
        ) from error
    # Awaitable only inside an event loop, which a task's thread does not have.
    assert isinstance(started, FlowRun)
    return started.id


def watch_share(
    client: SyncPrefectClient,
    flow_run_id: UUID,
    folder: Path,
    number: int,
    *,
    silence_seconds: float = _SILENCE_SECONDS,
    refresh: Callable[[], None] = lambda: None,
) -> FlowRun:
    """Wait until the share is answered or its run has ended; return the run.

    A started run without a heartbeat for `silence_seconds` is set to crashed; a run that is not started, while no other
    share has a heartbeat either, to cancelled. `refresh` gets what the worker has sent since.
    """
    seen: tuple[StateType | None, int] | None = None
    while True:
        run = client.read_flow_run(flow_run_id)
        refresh()
        if is_answered(folder, number) or (run.state is not None and run.state.is_final()):
            return run
        is_waiting = run.state_type == StateType.SCHEDULED
        beat = (run.state_type, last_heartbeat(folder, None if is_waiting else number))
        if beat != seen:
            seen, since = beat, time.monotonic()
        elif time.monotonic() - since > silence_seconds:
            message = f"Given up after {silence_seconds:.0f} s without a heartbeat."
            client.set_flow_run_state(
                run.id, Cancelled(message=message) if is_waiting else Crashed(message=message), True
            )
            continue
        time.sleep(_POLL_SECONDS)


def _lost(ended: FlowRun, deployment: str, windows: int) -> ShareLost:
    return ShareLost(
        f"A share of {windows} windows was lost: run {ended.name} of {deployment} ended as {ended.state_name}.",
        next_move="Look at that run in Prefect; a worker must serve its pool and reach this run's folder and landing "
        "area. The next run reads what is missing.",
    )
