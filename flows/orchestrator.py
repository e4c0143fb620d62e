"""Provide the Prefect API for the runs of this process. Imports little, so that it can start first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow.access.modes import prepare_folders
from dataflow.settings import Settings
from dataflow.settings.environment import prefect_api_url
from flows.local_server import LocalServer

_serving: list[LocalServer] = []


@contextmanager
def orchestrator(settings: Settings) -> Iterator[None]:
    """Provide a Prefect API for the flows of the block: the user's own (PREFECT_API_URL), or a local server.

    The local one starts in the background; nested blocks share it.
    """
    if _serving or prefect_api_url() is not None:
        yield
        return
    prepare_folders(settings)
    with LocalServer(settings.home) as server:
        _serving.append(server)
        try:
            yield
        finally:
            _serving.remove(server)


def local_server() -> LocalServer | None:
    """Return the server of the enclosing `orchestrator`; None where PREFECT_API_URL is set."""
    return _serving[-1] if _serving else None
