"""Values of customers and secrets are in no process argument, log, output or crash dump."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dataflow.settings import Settings, default_toml
from tests.lib.canaries import assert_without, values_of
from tests.lib.homes import LATER, start_dataflow

SECRETS = {
    "DATAFLOW_ACCESS__KEY": "canary-access-key-of-forty-characters-00",
    "DATAFLOW_AUDIT__HASH_KEY": "Y2FuYXJ5LWhhc2gta2V5LW9mLXRoaXJ0eS10d28tYnk=",
    "DATAFLOW_AUDIT__SIGNING_KEY": "Y2FuYXJ5LXNpZ24ta2V5LW9mLXRoaXJ0eS10d28tYnk=",
}
ROLES = '\n[access]\nmarts = ["analyst", "steward"]\n'
IN_THE_MIDDLE_SECONDS = 2.0
LOGS = ("*.log", "*.json", "*.jsonl", "*.txt", "core*", "*.dump")


@pytest.fixture
def environment() -> dict[str, str]:
    return os.environ | SECRETS


def test_runs_and_one_that_is_aborted_leak_nothing(published: Settings, environment: dict[str, str]) -> None:
    """The runs that made the home are whole; another is aborted while it has rows in memory."""
    canaries = values_of(published.home) | set(SECRETS.values())
    arguments, said = abort_a_run(published, environment)
    assert any("dataflow.cli" in one for one in arguments)
    assert_without(canaries, {"arguments": "\n".join(arguments).encode(), "output": said})
    logs = {path for pattern in LOGS for path in published.home.rglob(pattern) if is_no_data(path, published)}
    assert_without(canaries, {str(path): path.read_bytes() for path in logs})


def abort_a_run(settings: Settings, environment: dict[str, str]) -> tuple[set[str], bytes]:
    """Abort a run some time after it has begun; return the arguments of it and its children, and what it said."""
    config, runs = settings.home / "dataflow.toml", Path(settings.runs)
    config.write_text(default_toml() + ROLES)
    before, begun_at = set(runs.glob("*")), 0.0
    seen: set[str] = set()
    process = start_dataflow(
        settings.home, "run", "--now", LATER, environment=environment | {"DATAFLOW_CONFIG": str(config)}
    )
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        for one in family(watched):
            seen |= arguments_of(one)
        if not begun_at and set(runs.glob("*")) - before:
            begun_at = time.monotonic()
        if begun_at and time.monotonic() - begun_at > IN_THE_MIDDLE_SECONDS:
            process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.3)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGABRT, errors.decode()[-2000:]
    return seen, errors


def family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def arguments_of(process: psutil.Process) -> set[str]:
    try:
        return {" ".join(process.cmdline())}
    except psutil.Error:
        return set()


def is_no_data(path: Path, settings: Settings) -> bool:
    """Whether a file is not one of the sample, the landing zone or the lake, which hold customers."""
    data = (settings.home / "sample", Path(settings.landing), settings.home / "lake")
    return path.is_file() and not any(folder in path.parents for folder in data)
