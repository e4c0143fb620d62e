"""The Prefect API that runs of this process talk to. Imports next to nothing, so that it can be started first."""

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
    """Have a Prefect API for the flows of the block: the user's own (PREFECT_API_URL), or one beside this process.

    The local one gets ready in the background; a block inside another shares it.
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
    """The server of the enclosing `orchestrator`; None where the user named one."""
    return _serving[-1] if _serving else None
