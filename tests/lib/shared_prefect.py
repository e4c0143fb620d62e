"""One Prefect API for the runs of all test processes: the process that hands out tests starts it when first asked.

One of each test process costs seven CPU seconds to start, and a minute while a whole suite runs.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataflow.access.modes import private_files
from tests.lib.cpu import CpuReport

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from flows.local_server import LocalServer

_INPUT = "shared_prefect"
_WAIT_SECONDS = 180.0


class SharedPrefect:
    """Answers each connection with the server's home and the address of its API, once that answers."""

    def __init__(self) -> None:
        self._asked = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._asked.getsockname()[1]
        self._server: LocalServer | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="shared-prefect-")
        threading.Thread(target=self._answer, name="shared-prefect", daemon=True).start()

    def _answer(self) -> None:
        while True:
            try:
                connection, _ = self._asked.accept()
            except OSError:  # closed
                return
            with connection, suppress(OSError):
                connection.sendall(f"{self._folder.name}\n{self._running().api_url}".encode())

    def _running(self) -> LocalServer:
        if self._server is None:
            from flows.local_server import LocalServer

            with private_files():
                self._server = LocalServer(Path(self._folder.name))
            self._server.wait()
        return self._server

    def stop(self) -> float:
        """End the server; return its CPU seconds."""
        self._asked.close()
        seconds = 0.0
        if self._server is not None:
            process = self._server._process
            assert process.stdin is not None
            process.stdin.close()
            _, _, used = os.wait4(process.pid, 0)
            seconds = used.ru_utime + used.ru_stime
        self._folder.cleanup()
        return seconds


_SHARED = pytest.StashKey[SharedPrefect]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a new test process where to ask."""
    if _SHARED not in node.config.stash:
        node.config.stash[_SHARED] = SharedPrefect()
    node.workerinput[_INPUT] = node.config.stash[_SHARED].port


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the server after the last test of all processes, and report its seconds with those of fixtures."""
    if _SHARED in session.config.stash:
        seconds = session.config.stash[_SHARED].stop()
        for report in (one for one in session.config.pluginmanager.get_plugins() if isinstance(one, CpuReport)):
            report.add_fixture("prefect_api of all processes", seconds)


def ask(config: pytest.Config) -> tuple[Path, str] | None:
    """Return home and address of the shared server; None where this process runs all tests."""
    port = getattr(config, "workerinput", {}).get(_INPUT)
    if port is None:
        return None
    with socket.create_connection(("127.0.0.1", port), timeout=_WAIT_SECONDS) as connection:
        home, _, url = connection.makefile().read().partition("\n")
    assert url, "the shared Prefect API did not start"
    return Path(home), url
