"""Run a Prefect API for one run: it starts with the run's process and ends with it, even when that is killed.

Prefect's own temporary server outlives a killed parent; this one watches its standard input, which the kernel closes.
Run as a module, this is the server.
"""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dataflow.errors import OrchestratorUnavailable
from dataflow.settings.environment import prefect_server_environment
from flows.new_database import lay_down
from flows.prefect_server import make_app

if TYPE_CHECKING:
    import uvicorn

# A new home needs its database first: 9 s on an idle machine, several times that on a busy one.
_START_SECONDS = 120.0
# Task states reach the database through a queue; it was empty 0.3 s after a flow of ten tasks.
_DRAIN_SECONDS = 1.5


class LocalServer:
    """The server of one run. It starts in the background; call `wait` before the first flow."""

    def __init__(self, home: Path) -> None:
        self._log = home / "prefect" / "server.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        lay_down(self._log.parent)
        # The server inherits a listening socket: no other process can take the port, and callers queue meanwhile.
        with self._log.open("wb") as log, socket.create_server(("127.0.0.1", 0)) as listening:
            self.api_url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.local_server", str(listening.fileno())],
                pass_fds=[listening.fileno()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=prefect_server_environment(home),
                # A terminal's Ctrl-C is for the run only: the server must still receive its last states.
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The server receives the last states and exits by itself; this process does not wait for it.
        assert self._process.stdin is not None
        self._process.stdin.close()
        threading.Thread(target=self._process.wait, name="server-exit", daemon=True).start()

    def wait(self) -> None:
        """Return when the API answers. Raises: OrchestratorUnavailable."""
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.api_url}/health", timeout=_START_SECONDS):
                    return
            except OSError:
                time.sleep(0.05)
        raise OrchestratorUnavailable(
            f"Starting Prefect's API for this run: no answer from {self.api_url}.",
            next_move=f"Its log is {self._log}; or name a running server in PREFECT_API_URL.",
        )


def serve(descriptor: int) -> None:
    """Serve on a listening socket until standard input ends."""
    # Importing creates millions of lasting objects; garbage collection took a third of the start.
    gc.disable()
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(make_app(), log_level="error", lifespan="on", timeout_graceful_shutdown=5))
    threading.Thread(target=_exit_with_parent, args=[server], daemon=True).start()
    gc.freeze()
    gc.enable()
    server.run(sockets=[socket.socket(fileno=descriptor)])


def _exit_with_parent(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    time.sleep(_DRAIN_SECONDS)
    # Graceful: a running migration is finished first.
    server.should_exit = True


if __name__ == "__main__":
    serve(int(sys.argv[1]))
