"""Environment variables for libraries: Prefect reads them when it is first imported, Soda at its import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIBRARIES = {
    # Soda's import makes a process-wide tracer that sends to collect.soda.io; measured November 2026.
    "SODA_CORE_TELEMETRY_ENABLED": "false",
    # Soda also reads any .env above its own folder into the environment; only the settings may read ours.
    "PYTHON_DOTENV_DISABLED": "1",
}

_QUIET = {
    # No telemetry leaves the machine, and Prefect's log does not hide the run's own lines.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    # Not Prefect's own temporary server: it starts slower and outlives a killed run.
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
    """Switch off telemetry and .env reading of libraries; call before any of them is imported."""
    for name, value in _LIBRARIES.items():
        os.environ.setdefault(name, value)


def prefect_api_url() -> str | None:
    """Return the Prefect API that the user or a worker set, if any."""
    return os.environ.get("PREFECT_API_URL") or None


def deployment_variables() -> dict[str, str]:
    """Return the variables that `{{ $NAME }}` in prefect.yaml can name."""
    return dict(os.environ)


def prefect_database_url() -> str | None:
    """Return the database that the user set for Prefect, if any; else it is a file in Prefect's home."""
    return os.environ.get("PREFECT_API_DATABASE_CONNECTION_URL") or None


@contextmanager
def prefect_environment(home: Path, *, api_url: str | None) -> Iterator[None]:
    """Point Prefect at `api_url` (None: leave it unchanged), with its state in `home` and little logging.

    Enter before Prefect is first imported. Variables that the user set stay; leaving removes the added ones.
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
    """Return the environment of a Prefect server that serves one run of this home."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API_URL")}
    return {**inherited, **_QUIET, **_LEAN_SERVER, "PREFECT_HOME": str(home / "prefect")}
