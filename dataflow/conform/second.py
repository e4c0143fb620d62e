"""Run a second Python process that normalises half of the values that need Python.

Run as a module, this is that process. It reads standard input, which the kernel closes when its owner ends for any
reason, so the process ends by itself.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Any, Self

Function = Callable[..., Sequence[object] | None]
Found = list[Sequence[object] | None]

# Below this number of values, starting a second Python takes longer than it saves.
_WORTH_STARTING = 5_000


class SecondPython:
    """A second process, started at the first batch that is large enough."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def apply(self, function: Function, rows: Sequence[tuple[Any, ...]]) -> Found:
        """Return the results in the order of the rows. `function` must be importable by name from a module.

        Raises: what the function raises.
        """
        if self._process is None and len(rows) < _WORTH_STARTING:
            return apply_here(function, rows)
        half = len(rows) // 2
        try:
            process = self._started()
            _send(process.stdin, (function, rows[half:]))
            mine = apply_here(function, rows[:half])
            other: Found = _receive(process.stdout)
            return mine + other
        except (OSError, EOFError, pickle.UnpicklingError):  # it did not start, or crashed
            return apply_here(function, rows)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-P", "-m", "dataflow.conform.second"]
            # Its error output could contain a value; the error is raised again in this process.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process


def apply_here(function: Function, rows: Sequence[tuple[Any, ...]]) -> Found:
    """Return the function's result for each row."""
    return [function(*row) for row in rows]


def _send(pipe: IO[bytes] | None, message: object) -> None:
    assert pipe is not None
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> Any:
    assert pipe is not None
    return pickle.load(pipe)


def serve() -> None:
    """Apply functions to rows until standard input ends: the main loop of the second process."""
    while True:
        try:
            function, rows = _receive(sys.stdin.buffer)
        except EOFError:
            return
        _send(sys.stdout.buffer, apply_here(function, rows))


if __name__ == "__main__":
    serve()
