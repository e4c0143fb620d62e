"""A TCP proxy that cuts a connection just after passing on chosen bytes, before the answer comes back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class CuttingProxy:
    """Relays to a server of this machine until it is told to cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._after: bytes | None = None
        self._pass_on = True
        self._sockets: list[socket.socket] = []

    def cut(self, *, after: bytes, pass_on: bool) -> None:
        """Hang up on the client the next time it sends these bytes; the server hears them only with `pass_on`."""
        self._after, self._pass_on = after, pass_on

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for each in self._sockets:
            _hang_up(each)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._after and self._after in data:
                    self._after = None
                    self.cuts += 1
                    if self._pass_on:
                        # The server stays connected: it finishes what it was told.
                        _hang_up(client)
                        server.sendall(data)
                        return
                    break
                server.sendall(data)
        _hang_up(client)
        _hang_up(server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _hang_up(client)


def _hang_up(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def cutting_proxy(target: int) -> Iterator[CuttingProxy]:
    """Run a proxy to a port of this machine until the block ends."""
    proxy = CuttingProxy(target)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
