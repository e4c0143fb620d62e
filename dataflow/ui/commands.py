"""Run a `dataflow` command in a process of its own: pages neither open the lake to write nor probe it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from typing import IO, Any

from dataflow.errors import UsageError
from dataflow.settings import Settings


def command_line(settings: Settings, *arguments: str) -> list[str]:
    """Return the command on this home, by the same configuration."""
    config = ["--config", str(settings.config_file)] if settings.config_file else []
    return [sys.executable, "-m", "dataflow.cli", *config, "--home", str(settings.home), *arguments]


def ask_command(settings: Settings, *arguments: str, seconds: float) -> Any:
    """Run a command that writes JSON, and return what it wrote, whatever its exit code.

    Raises: UsageError with what the command said, where it wrote none or took too long.
    """
    line = command_line(settings, *arguments, "-o", "json")
    name = arguments[0]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise UsageError(f"`dataflow {name}` took more than {seconds:.0f} s and was stopped.") from None
    try:
        return json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().removeprefix("Error: ")
        raise UsageError(said or f"`dataflow {name}` ended with {done.returncode} and said nothing.") from None


def do_command(settings: Settings, *arguments: str, seconds: float) -> str:
    """Run a command; return what it said. Raises: UsageError with what it said where it failed or took too long."""
    line = command_line(settings, *arguments)
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise UsageError(f"`dataflow {arguments[0]}` took more than {seconds:.0f} s and was stopped.") from None
    said = done.stderr.strip()
    if done.returncode:
        raise UsageError(said.removeprefix("Error: ") or f"`dataflow {arguments[0]}` ended with {done.returncode}.")
    return said


@dataclass
class Started:
    """A command that the workbench started. What it says of an error is in a file without a name."""

    name: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def failure(self) -> str:
        """Return what a command said that ended with an error; "" for one that runs or ended well."""
        if not self.process.poll():
            return ""
        self.said.seek(0)
        lines = self.said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].removeprefix("Error: ") if lines else f"It ended with {self.process.returncode}."


@dataclass
class Starter:
    """Starts runs, one after the other: the lake has one writer."""

    last: Started | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, settings: Settings, *arguments: str) -> Started:
        """Start a command that goes on when the workbench ends. Raises: UsageError while the last one runs."""
        with self._lock:
            if self.last is not None and self.last.is_running:
                raise UsageError(f"`dataflow {self.last.name}` is running; start another run when it has ended.")
            self._forget()
            said = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
            process = subprocess.Popen(
                command_line(settings, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
            self.last = Started(arguments[0], process, said)
            return self.last

    def close(self) -> None:
        """Forget the last command; one that runs goes on."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self.last is not None:
            self.last.said.close()
        self.last = None
