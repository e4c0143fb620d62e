"""Serve the workbench on this machine until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn

from dataflow.errors import UsageError
from dataflow.settings import Settings
from dataflow.ui.app import make_app
from dataflow.ui.site import Site

HOST = "127.0.0.1"
# Open connections; a page takes one or two.
_MOST_CONNECTIONS = 200
_IDLE_SECONDS = 5
# A page that follows a run holds its connection open.
_END_SECONDS = 2


def serve(settings: Settings, *, port: int, say: Callable[[str], None], opened: Callable[[str], None]) -> None:
    """Listen on a port of this machine, 0 for any free one; call `opened` with the address, and serve.

    Raises: UsageError for a port that is taken; AccessRefused for a user without a role.
    """
    with listen(port) as listening:
        site = Site(settings=settings, port=listening.getsockname()[1], say=say)
        site.reader()  # a user without a role is refused before the browser opens
        opened(site.announce())
        with closing(site):
            server_of(site).run(sockets=[listening])


def listen(port: int) -> socket.socket:
    """Return a socket bound to a port of this machine. Raises: UsageError."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        # At once: the address is printed before the server answers, and a browser that is early waits.
        listening.listen(_MOST_CONNECTIONS)
    except OSError as error:
        listening.close()
        message = f"The port {port} cannot be used: {error.strerror}."
        raise UsageError(message, next_move="Choose another one by --port.") from error
    return listening


def server_of(site: Site) -> uvicorn.Server:
    """Return the server of a workbench; its `run` takes the socket."""
    return uvicorn.Server(
        uvicorn.Config(
            make_app(site),
            log_config=None,
            access_log=False,  # addresses hold tokens and ids
            server_header=False,
            date_header=False,
            lifespan="off",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_END_SECONDS,
        )
    )
