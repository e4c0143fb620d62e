"""The environment that other programs are told through: what Prefect reads when it is first imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIBRARIES = {
    # Soda's import alone makes a tracer of the whole process that sends to collect.soda.io; measured November 2026.
    "SODA_CORE_TELEMETRY_ENABLED": "false",
    # It also reads any .env above its own folder into the environment; ours is read by settings, and only there.
    "PYTHON_DOTENV_DISABLED": "1",
}

_QUIET = {
    # Nothing leaves the machine, and a run's own words are not drowned.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    # Never Prefect's own temporary server: it starts slower and outlives a killed run.
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
}

_LEAN_SERVER = {
    # Registering the blocks of every installed collection took 2–4 s of each start (measured November 2026), and a
    # local run uses no block.
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    # One write per event fights the API for SQLite's lock: ten tasks took 2.6 s instead of 0.5 s.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}


def keep_libraries_quiet() -> None:
    """Switch off what libraries send or read on their own; must come before any of them is imported."""
    for name, value in _LIBRARIES.items():
        os.environ.setdefault(name, value)


def prefect_api_url() -> str | None:
    """The Prefect API that the user or a worker named, if any."""
    return os.environ.get("PREFECT_API_URL") or None


def prefect_database_url() -> str | None:
    """The database that the user named for Prefect, if any; else it is a file in Prefect's home."""
    return os.environ.get("PREFECT_API_DATABASE_CONNECTION_URL") or None


@contextmanager
def prefect_environment(home: Path, *, api_url: str | None) -> Iterator[None]:
    """Point Prefect at `api_url` (None: at the one it is pointed at) with its state in `home`, quietly.

    Must be entered before Prefect is first imported. What the user said stays; leaving takes back what was added.
    """
    wanted = {"PREFECT_HOME": str(home / "prefect"), **_QUIET}
    if api_url is not None:
        wanted["PREFECT_API_URL"] = api_url
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def prefect_server_environment(home: Path) -> dict[str, str]:
    """The environment of a Prefect server that serves one run of this home."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API_URL")}
    return {**inherited, **_QUIET, **_LEAN_SERVER, "PREFECT_HOME": str(home / "prefect")}
