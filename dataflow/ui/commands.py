"""Run a `dataflow` command in a process of its own: what opens the lake to write, or probes it, is no work of a page."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from dataflow.errors import UsageError
from dataflow.settings import Settings


def command_line(settings: Settings, *arguments: str) -> list[str]:
    """Return the command on this home."""
    return [sys.executable, "-m", "dataflow.cli", "--home", str(settings.home), *arguments]


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
