"""A TCP proxy that cuts a connection just after passing on chosen bytes, before the answer comes back."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager, suppress

from tests.lib.relays import Relay, hang_up, in_thread


class CuttingProxy(Relay):
    """Relays to a server of this machine until it is told to cut."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.cuts = 0
        self._after: bytes | None = None
        self._pass_on = True
        self._sockets: list[socket.socket] = []

    def cut(self, *, after: bytes, pass_on: bool) -> None:
        """Hang up on the client the next time it sends these bytes; the server hears them only with `pass_on`."""
        self._after, self._pass_on = after, pass_on

    def welcome(self, client: socket.socket) -> None:
        server = self.connect()
        self._sockets += [client, server]
        in_thread(self._forward, client, server)
        in_thread(self._answer, server, client)

    def close(self) -> None:
        super().close()
        for each in self._sockets:
            hang_up(each)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._after and self._after in data:
                    self._after = None
                    self.cuts += 1
                    if self._pass_on:
                        # The server stays connected: it finishes what it was told.
                        hang_up(client)
                        server.sendall(data)
                        return
                    break
                server.sendall(data)
        hang_up(client)
        hang_up(server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        hang_up(client)


def cutting_proxy(target: int) -> AbstractContextManager[CuttingProxy]:
    """Run a proxy to a port of this machine until the block ends."""
    return CuttingProxy(target).running()
