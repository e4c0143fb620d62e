"""Landing: plan, fetch windows in parallel, land what was staged, record what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from dataflow.errors import ObjectHeldBack, SourceIncomplete
from dataflow.land import Failure, FetchedWindow, LandingPlan, PlanFindings, Staged
from dataflow.land.fetch import landing_name
from dataflow.land.plan import TimeRange
from dataflow.run.exchange import landing_exchange
from dataflow.run.progress import WindowEvent, announce
from dataflow.run.session import RunSession
from dataflow.sources.protocol import PlannedWindow
from flows.engine import Call, answer_of, require_pools
from flows.retry import result_or_part
from flows.sessions import engine_of
from flows.steps import fetch, land, plan

EVERYTHING: Sequence[TimeRange] = ((None, None),)

# Each commit costs a second or so and each task some 35 ms, and thousands of tasks in a row lose events (measured
# November 2026): a long backfill is landed in about ten commits, each of about twice as many tasks as workers.
_WINDOWS_A_WAVE = 40
_WAVES = 10
_TASKS_A_WORKER = 2


def ingest_windows(
    session: RunSession,
    *,
    source: str | None = None,
    object_name: str | None = None,
    ranges: Sequence[TimeRange] = EVERYTHING,
    skip_landed: bool = False,
    workers: int,
    deployment: str = "",
) -> int:
    """Fetch what is new, `workers` windows at a time, and land it in waves; return the number of new rows.

    `deployment` is the deployment of `fetch` that fetches them on a work pool; without it, threads of this process do.
    What cannot be fetched is recorded as a gap and makes the run partial; the rest is landed. After a crash the next
    run continues: landed waves are not planned again, staged windows are not read again.
    Raises: the first error, when no object could be landed and the reason is not a spent budget.
    """
    planned = _planned(session, source, object_name, ranges, skip_landed=skip_landed)
    session.note_clocks(planned.windows)
    announce(WindowEvent("planned", len(planned.windows)))
    findings = PlanFindings(planned.failures, planned.closed_gaps)
    failures: list[Failure] = list(planned.failures)
    landed: list[FetchedWindow] = []
    rows = 0
    for wave in _waves(planned.windows):
        staged = fetch_windows(session, wave, workers=workers, deployment=deployment) if wave else Staged()
        of_wave = PlanFindings((*findings.failures, *staged.failures), findings.closed_gaps)
        if staged.fetched or of_wave.failures or of_wave.closed_gaps:
            parameters = {"run_id": session.run.run_id, "fetched": staged.fetched, "findings": of_wave}
            rows += engine_of(session).run(Call("land", land, parameters))
            if deployment:
                staged_names = (landing_name(window.planned, session.run) for window in staged.fetched)
                landing_exchange(session.settings).remove(staged_names)
        failures += staged.failures
        landed += staged.fetched
        # The findings of planning are recorded once, with the first wave.
        findings = PlanFindings()
    session.landing.note(planned.planned, failures)
    _refuse_total_failure(planned, landed, failures)
    return rows


def fetch_windows(
    session: RunSession, windows: Sequence[PlannedWindow], *, workers: int, deployment: str = ""
) -> Staged:
    """Stage windows, `workers` at a time, in threads or in runs of a deployment."""
    if deployment:
        require_pools(engine_of(session), deployment, setting="prefect.fetch_deployment")
        # Only here: it imports Prefect's client.
        from flows.fetching import share_out

        calls = share_out(session, windows, deployment=deployment, workers=workers)
    else:
        calls = _by_threads(session, windows, tasks=workers * _TASKS_A_WORKER)
    with session.stage("fetch"):
        given = engine_of(session).run_all(
            list(calls), workers=workers, on_end=lambda call: announce(WindowEvent("fetched", call.windows))
        )
    answers = [result_or_part(answer) for answer in given]
    return Staged(
        tuple(window for answer in answers for window in answer.fetched),
        tuple(failure for answer in answers for failure in answer.failures),
    )


def _by_threads(session: RunSession, windows: Sequence[PlannedWindow], *, tasks: int) -> Iterator[Call[Staged]]:
    """Yield calls that fetch windows in this process; the windows of an object are split among them in order."""
    for name, share in _shares(windows, tasks=tasks):
        parameters = {"run_id": session.run.run_id, "windows": share}
        yield Call("fetch", fetch, parameters, name=name, windows=len(share))


def _planned(
    session: RunSession,
    source: str | None,
    object_name: str | None,
    ranges: Sequence[TimeRange],
    *,
    skip_landed: bool,
) -> LandingPlan:
    parameters = {
        "run_id": session.run.run_id,
        "source": source,
        "object_name": object_name,
        "ranges": ranges,
        "skip_landed": skip_landed,
    }
    return result_or_part(answer_of(engine_of(session), Call("plan", plan, parameters)))


def _waves(windows: Sequence[PlannedWindow]) -> Iterator[Sequence[PlannedWindow]]:
    """Cut windows, oldest first, into waves that are committed together; at least one, for planning's findings."""
    ordered = sorted(windows, key=lambda planned: (planned.window, planned.source, planned.object))
    size = max(_WINDOWS_A_WAVE, -(-len(ordered) // _WAVES))
    yield ordered[:size]
    for start in range(size, len(ordered), size):
        yield ordered[start : start + size]


def _shares(windows: Sequence[PlannedWindow], *, tasks: int) -> Iterator[tuple[str, tuple[PlannedWindow, ...]]]:
    """Split windows among about `tasks` tasks, each with windows of one object; yield names and windows."""
    by_object: dict[str, list[PlannedWindow]] = defaultdict(list)
    for window in windows:
        by_object[f"{window.source}.{window.object}"].append(window)
    size = max(1, -(-len(windows) // tasks))
    for name, of_object in by_object.items():
        for start in range(0, len(of_object), size):
            share = tuple(of_object[start : start + size])
            first, last = share[0].label, share[-1].label
            yield f"fetch {name} {first}" + ("" if first == last else f" to {last}"), share


def _refuse_total_failure(planned: LandingPlan, landed: Sequence[FetchedWindow], failures: Sequence[Failure]) -> None:
    """Raise the first error, with notes on the others, when no object could be landed.

    A spent budget does not raise, nor objects held back: the run ends as partial, and the next one continues.
    """
    failed = {(failure.source, failure.object) for failure in failures}
    had = {(window.planned.source, window.planned.object) for window in landed}
    if not failures or planned.planned - failed or had:
        return
    if all(isinstance(failure.error, SourceIncomplete | ObjectHeldBack) for failure in failures):
        return
    first, *others = failures
    for other in others:
        first.error.add_note(f"{other.subject} failed too: {other.error}")
    raise first.error
