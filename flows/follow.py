"""Follow the sources: one warm process that lands and publishes what is new, again and again, as ordinary audited runs.

Between two runs nothing is open and no lock is held. A look at sources, inbox and lake decides whether a run is due; it
writes nothing, so that quiet hours leave no snapshots.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from dataflow.access.inbox import inbox_at
from dataflow.access.lake import lake_location
from dataflow.errors import DataFlowError, ExitCode, SourceIncomplete
from dataflow.govern.maintenance import maintain_lake
from dataflow.land import plan_landing
from dataflow.observe.plan import published_view
from dataflow.run.record import RunOutcome
from dataflow.settings import Settings
from dataflow.sources.calls import calls_left, calls_made
from flows.start import run_here
from lakehouse import LakeError, LakeLocked, LakeView

_DAY_SECONDS = 86_400
# What fails again and again is tried less often, and still several times an hour.
_LONGEST_PAUSE_SECONDS = 600.0
# Other runs wait for the lake's lock: between two runs it is free for at least this share of the last run's time.
_FREE_SHARE = 0.25
# Each run adds small files and some snapshots, which make every later run a little slower.
_RUNS_BETWEEN_MAINTENANCE = 200


@dataclass(frozen=True)
class Turn:
    """What one turn found and did: `status` is that of the run, `idle` where none was due, `waiting` for the lock."""

    at: datetime
    status: str
    message: str
    seconds: float
    run_id: str = ""


@dataclass(frozen=True)
class _Seen:
    """What the sources, the inbox and the lake held at a look.

    `others`: since the look before the last run somebody else has changed more than records of runs, up to `snapshot`.
    """

    has_windows: bool
    failing: frozenset[tuple[str, str, str]]
    messages: frozenset[str]
    snapshot: int
    others: bool


class Follower:
    """Remembers between turns what the last run has dealt with."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._done: _Seen | None = None
        self._own_run = ""
        self._day: date | None = None
        self._failures = 0
        self._runs = 0
        self._calls = 0

    def turn(self) -> Turn:
        """Run once if a run is due. Raises: DataFlowError for bad usage or configuration, which no retry can help."""
        began, at, calls = time.monotonic(), datetime.now(UTC), calls_made()
        status, message, run_id = "idle", "", ""
        try:
            seen = self._look()
            if self._is_due(seen, at.date()):
                outcome = run_here(self._settings, "daily")
                status, message, run_id = outcome.status, outcome.message, outcome.run_id
                self._note(seen, outcome, at.date())
                self._maintain()
            elif self._done is not None:
                # A foreign commit that concerns no stage, or a failure that ended, is not looked at again.
                self._done = seen
        except LakeLocked as error:
            status, message = "waiting", str(error)
        except (DataFlowError, LakeError) as error:
            if error.exit_code == ExitCode.USAGE:
                raise
            self._failures += 1
            status, message = ("refused" if error.exit_code == ExitCode.REFUSED else "failed"), str(error)
        self._calls = calls_made() - calls
        return Turn(at, status, message, time.monotonic() - began, run_id)

    def pause_seconds(self, every_seconds: float, turn: Turn) -> float:
        """Return how long to pause after a turn.

        Longer than asked for where runs fail, where turns take longer than that, and where the calls of such turns
        would use up the budget of an API before its 24 hours are over.
        """
        wanted = every_seconds * 2**self._failures if self._failures < 10 else _LONGEST_PAUSE_SECONDS
        wanted = max(every_seconds, min(wanted, _LONGEST_PAUSE_SECONDS))
        left = calls_left()
        if self._calls and left is not None:
            wanted = max(wanted, self._calls * _DAY_SECONDS / left if left else _LONGEST_PAUSE_SECONDS)
        return max(wanted - turn.seconds, turn.seconds * _FREE_SHARE)

    def _look(self) -> _Seen:
        """Look at sources, inbox and lake, without writing. Raises: as opening the published lake."""
        settings = self._settings
        inbox = inbox_at(lake_location(settings))
        messages = frozenset(message.id for message in inbox.read().messages) if inbox is not None else frozenset()
        with published_view(settings) as lake:
            plan = plan_landing(lake, settings)
            snapshot, others = self._commits_of_others(lake) if lake is not None else (-1, False)
        failing = frozenset(
            (one.source, one.object, type(one.error).__name__)
            for one in plan.failures
            if not isinstance(one.error, SourceIncomplete)
        )
        return _Seen(bool(plan.windows or plan.closed_gaps), failing, messages, snapshot, others)

    def _commits_of_others(self, lake: LakeView) -> tuple[int, bool]:
        """Return the newest snapshot, and whether one since the last look is of somebody else and not only of `ops`."""
        newest = lake.snapshot().id
        if self._done is None or newest == self._done.snapshot:
            return newest, False
        return newest, any(
            not name.startswith("ops.")
            for one in lake.snapshots(after=self._done.snapshot)
            # Without a run id: tables that were created.
            if one.run_id not in ("", self._own_run)
            for names in one.changes.values()
            for name in names
        )

    def _is_due(self, seen: _Seen, day: date) -> bool:
        done = self._done
        return (
            done is None
            # A sink that is behind, or a gap.
            or self._failures > 0
            # Segments, features and key figures know the day.
            or day != self._day
            or seen.has_windows
            or not seen.failing <= done.failing
            or not seen.messages <= done.messages
            or seen.others
        )

    def _note(self, seen: _Seen, outcome: RunOutcome, day: date) -> None:
        self._done, self._own_run, self._day = seen, outcome.run_id, day
        self._failures = self._failures + 1 if outcome.status == "partial" else 0

    def _maintain(self) -> None:
        self._runs += 1
        if self._runs % _RUNS_BETWEEN_MAINTENANCE == 0:
            days = self._settings.lake.snapshot_retention_days
            maintain_lake(self._settings, older_than=datetime.now(UTC) - timedelta(days=days))


def follow_sources(
    settings: Settings,
    *,
    every_seconds: float,
    stop: threading.Event,
    for_seconds: float | None = None,
    on_turn: Callable[[Turn], None] = lambda _: None,
) -> int:
    """Take turns until `stop` is set or the time is over; a turn that has begun ends. Return the number of runs.

    Raises: DataFlowError for bad usage or configuration.
    """
    follower, ends, runs = Follower(settings), time.monotonic() + (for_seconds or float("inf")), 0
    while not stop.is_set():
        turn = follower.turn()
        runs += bool(turn.run_id)
        on_turn(turn)
        pause = follower.pause_seconds(every_seconds, turn)
        if time.monotonic() + pause >= ends:
            break
        stop.wait(pause)
    return runs
