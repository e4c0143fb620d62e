"""What proxies of the tests share: a port of this machine, a thread for each client, bytes passed on, hanging up."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self


class Relay(ABC):
    """Listens on a port of its own, and leads each client to `target`, a port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the block ends."""
        in_thread(self._serve)
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        self._listener.close()

    @abstractmethod
    def welcome(self, client: socket.socket) -> None:
        """Take a client on; what takes longer goes into threads."""

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._target))

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.welcome(client)


def in_thread(work: Callable[..., None], *arguments: socket.socket) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def pass_on(origin: socket.socket, target: socket.socket) -> None:
    """Hand on what comes, and that nothing more comes."""
    with suppress(OSError):
        while data := origin.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def hang_up(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
