"""Show progress with an estimate of the time left, on a terminal only."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from dataflow.cli.output import messages
from dataflow.observe.visible import visible
from dataflow.run.progress import StageEvent, WindowEvent, watched_by

# Seconds by stage of a first run over 100,000 records, measured November 2026: the expectation without an earlier run.
USUAL_SECONDS: Mapping[str, float] = {
    "plan": 1,
    "fetch": 6,
    "land": 4,
    "validate": 6,
    "conform": 9,
    "resolve": 25,
    "enrich": 3,
    "publish": 6,
    "commit": 4,
    "sink": 3,
    "report": 3,
}
_TICK_SECONDS = 0.2
# A stage that takes longer than expected stays at this share of its bar.
_NEARLY = 0.97


class _ShownColumn(TextColumn):
    """A text column that escapes control characters and interprets no markup."""

    def render(self, task: Task) -> Text:
        return Text(visible(self.text_format.format(task=task)), style=self.style, justify=self.justify)


@contextmanager
def ending_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM or the first Ctrl-C sets; the second Ctrl-C interrupts."""
    stop = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            messages.print("Ending after this run; Ctrl-C again interrupts it.")
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watching_run(expected: Mapping[str, float] | None = None) -> Iterator[None]:
    """Show the stages of the runs inside the block; `expected` are seconds by stage of an earlier run."""
    if not messages.is_terminal:
        yield
        return
    with Progress(
        _ShownColumn("{task.description:<10}", style="bold"),
        BarColumn(),
        TimeElapsedColumn(),
        _ShownColumn("{task.fields[left]}"),
        console=messages,
        transient=True,
    ) as bar:
        estimate = _Estimate({**USUAL_SECONDS, **(expected or {})})
        task = bar.add_task("starting", total=1.0, left="")
        with watched_by(estimate.on_event), _ticking(lambda: estimate.show(bar, task)):
            yield


@contextmanager
def watching_windows() -> Iterator[None]:
    """Show the fetched windows of a backfill and the time left, then its other stages."""
    if not messages.is_terminal:
        yield
        return
    with Progress(
        _ShownColumn("{task.description:<10}", style="bold"),
        BarColumn(),
        _ShownColumn("{task.completed:,.0f} of {task.total:,.0f} windows"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
    ) as bar:
        task = bar.add_task("planning", total=0)

        def on_event(event: StageEvent | WindowEvent) -> None:
            if isinstance(event, StageEvent):
                bar.update(task, description=event.stage)
            elif event.what == "planned":
                bar.update(task, total=event.count)
            else:
                bar.advance(task, event.count)

        with watched_by(on_event):
            yield


@contextmanager
def watching_count(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show the progress of a counted task; the yielded function takes (what, done, total)."""
    if not messages.is_terminal:
        yield lambda _what, _done, _total: None
        return
    with Progress(
        _ShownColumn("{task.description:<10}", style="bold"),
        BarColumn(),
        _ShownColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeElapsedColumn(),
        _ShownColumn("{task.fields[left]}"),
        console=messages,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=None, left="")

        def advance(_what: str, done: int, total: int) -> None:
            left = bar.tasks[0].time_remaining
            bar.update(task, completed=done, total=total, left=_left(left) if left else "")

        yield advance


class _Estimate:
    """The position of a run, by the seconds its stages are expected to take."""

    def __init__(self, expected: Mapping[str, float]) -> None:
        self._expected = dict(expected)
        self._ended: set[str] = set()
        self._current: str | None = None
        self._since = time.monotonic()
        # A run takes the lake before its first stage, and waits for another that holds it.
        self._between = "the lake"

    def on_event(self, event: StageEvent | WindowEvent) -> None:
        if isinstance(event, WindowEvent):
            return
        if event.what == "began":
            self._current, self._since = event.stage, time.monotonic()
        else:
            self._ended.add(event.stage)
            self._between = f"after {event.stage}"
            self._current = None

    def show(self, bar: Progress, task: TaskID) -> None:
        total = sum(self._expected.values())
        done = sum(seconds for stage, seconds in self._expected.items() if stage in self._ended)
        if self._current is not None:
            usual = self._expected.get(self._current, 0.0)
            done += min(time.monotonic() - self._since, usual * _NEARLY)
        bar.update(task, completed=done / total, description=self._current or self._between, left=_left(total - done))


def _left(seconds: float) -> str:
    return f"about {int(seconds // 60)}:{int(seconds % 60):02d} left"


@contextmanager
def _ticking(show: Callable[[], None]) -> Iterator[None]:
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(_TICK_SECONDS):
            show()

    thread = threading.Thread(target=tick, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
