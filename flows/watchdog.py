"""Start again the runs that a worker took and never started.

A worker sets a run to PENDING, then has its process or ECS task started. One that is lost in between leaves the run
PENDING without end: nothing runs that could crash. Once ECS has taken a task up, the observer in the worker names the
state InfrastructurePending, and sees the end of the task itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed, Scheduled

_TAGS = ["dataflow", "dataflow-part"]
_HAS_TASK = "InfrastructurePending"
RESTARTED = "Restarted"
"""The name of the state of a run that waits for another worker."""
# A container on ECS takes one to two minutes to start; where the observer's queue is missing, the state says nothing.
_LONGEST_MINUTES = 5.0
# What never starts has a cause that the next try does not remove.
_MOST_RESTARTS = 3


@flow(name="watch", persist_result=False)
def watch(longest_minutes: float = _LONGEST_MINUTES) -> None:
    """Start again what has been pending for longer; report what was given up."""
    logger = get_run_logger()
    with get_client(sync_client=True) as client:
        for run, restarts in restart_pending(client, longest_minutes=longest_minutes):
            now = "given up" if restarts is None else f"started again ({restarts} of {_MOST_RESTARTS})"
            logger.warning("%s was pending for more than %s minutes: %s", run.name, longest_minutes, now)


def restart_pending(client: SyncPrefectClient, *, longest_minutes: float) -> list[tuple[FlowRun, int | None]]:
    """Start again the runs that are pending; return each with the number of its restarts, None where it is given up.

    The run stays the same one, under its idempotency key: who waits for it goes on waiting, and does not start another.
    So does a task that starts after all: Prefect lets a run begin once.
    """
    since = datetime.now(UTC) - timedelta(minutes=longest_minutes)
    is_pending = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING]))
    pending = FlowRunFilter(state=is_pending, tags=FlowRunFilterTags(any_=_TAGS))
    found: list[tuple[FlowRun, int | None]] = []
    for run in client.read_flow_runs(flow_run_filter=pending):
        if run.state is None or run.state.name == _HAS_TASK or run.state.timestamp > since:
            continue
        restarts = sum(state.name == RESTARTED for state in client.read_flow_run_states(run.id))
        message = f"Pending for more than {longest_minutes:g} minutes: the worker that took it was lost."
        if restarts < _MOST_RESTARTS:
            client.set_flow_run_state(run.id, Scheduled(name=RESTARTED, message=message), force=True)
            found.append((run, restarts + 1))
        else:
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            found.append((run, None))
    return found
