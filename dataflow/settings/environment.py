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


def keep_libraries_quiet() -> None:
    """Switch off telemetry and .env reading of libraries; call before any of them is imported."""
    for name, value in _LIBRARIES.items():
        os.environ.setdefault(name, value)


def environment_variable(name: str) -> str:
    """Return a variable that other tools use for the same system, such as MYSQL_PWD; empty where it is not set."""
    return os.environ.get(name, "")


def prefect_api_url() -> str | None:
    """Return the Prefect API that the user or a worker set, if any."""
    return os.environ.get("PREFECT_API_URL") or None


def deployment_variables() -> dict[str, str]:
    """Return the variables that `{{ $NAME }}` in prefect.yaml can name."""
    return dict(os.environ)


@contextmanager
def prefect_environment(home: Path) -> Iterator[None]:
    """Keep Prefect's state in `home`, with little logging.

    Enter before Prefect is first imported. Variables that the user set stay; leaving removes the added ones.
    """
    wanted = {"PREFECT_HOME": str(home / "prefect"), **_QUIET}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
