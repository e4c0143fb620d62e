"""Values of customers and secrets are in no process argument, log, output, Prefect database or crash dump."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import duckdb
import psutil
import pytest

from dataflow.settings import Settings, default_toml
from flows.orchestrator import local_server
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
def environment(prefect_api: None) -> dict[str, str]:
    server = local_server()
    assert server is not None
    return os.environ | SECRETS | {"PREFECT_API_URL": server.api_url}


def test_runs_and_one_that_is_aborted_leak_nothing(
    published: Settings, environment: dict[str, str], prefect_home: Path
) -> None:
    """The runs that made the home are whole; another is aborted while it has rows in memory."""
    canaries = values_of(published.home) | set(SECRETS.values())
    arguments, said = abort_a_run(published, environment)
    assert any("dataflow.cli" in one for one in arguments)
    assert_without(canaries, {"arguments": "\n".join(arguments).encode(), "output": said})
    logs = {path for pattern in LOGS for path in published.home.rglob(pattern) if is_no_data(path, published)}
    assert_without(canaries, {str(path): path.read_bytes() for path in logs})
    # Every run of this process is in it, with its artifacts and parameters.
    database = [path for path in prefect_home.rglob("prefect.db*") if path.is_file()]
    assert database
    assert_without(canaries, {str(path): path.read_bytes() for path in database})


def values_of(home: Path) -> set[str]:
    """The addresses of the sample's customers."""
    with duckdb.connect() as con:
        rows = con.execute(
            f"SELECT DISTINCT email FROM '{home}/sample/mysql/customers/*.parquet' WHERE email LIKE '%_@_%.%'"
        ).fetchall()
    found = {str(email) for (email,) in rows if len(str(email)) > 12}
    assert len(found) > 50
    return found


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


def assert_without(canaries: set[str], texts: dict[str, bytes]) -> None:
    found = {(name, canary[:3]) for name, text in texts.items() for canary in canaries if canary.encode() in text}
    assert found == set()
