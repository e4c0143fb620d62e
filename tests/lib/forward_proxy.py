"""A forward proxy: it opens tunnels (CONNECT) for clients who know its password, and says which it opened."""

from __future__ import annotations

import base64
import socket
from contextlib import AbstractContextManager, suppress

from tests.lib.relays import Relay, in_thread, pass_on


class ForwardProxy(Relay):
    """Tunnels lead to `target`, a port of this machine, whatever host a client names: tests reach no other machine."""

    user = "etl"
    password = "proxy-password"

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.opened: list[str] = []
        self.refused = 0

    def address(self, *, password: str | None = None) -> str:
        return f"http://{self.user}:{password or self.password}@127.0.0.1:{self.port}"

    def welcome(self, client: socket.socket) -> None:
        in_thread(self._tunnel, client)

    def _tunnel(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            asked = _read_head(client)
            wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            if f"Proxy-Authorization: Basic {wanted}" not in asked:
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            self.opened.append(asked.split()[1])
            with self.connect() as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = in_thread(pass_on, server, client)
                pass_on(client, server)
                back.join()


def _read_head(client: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(4096)
        if not piece:
            raise OSError("the client hung up")
        head += piece
    return head.decode("latin-1")


def forward_proxy(target: int) -> AbstractContextManager[ForwardProxy]:
    """Run a proxy until the block ends."""
    return ForwardProxy(target).running()
