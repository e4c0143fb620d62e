"""A forward proxy: it opens tunnels (CONNECT) for clients who know its password, and says which it opened."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class ForwardProxy:
    """Tunnels lead to `target`, a port of this machine, whatever host a client names: tests reach no other machine."""

    user = "etl"
    password = "proxy-password"

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.opened: list[str] = []
        self.refused = 0

    def address(self, *, password: str | None = None) -> str:
        port = self._listener.getsockname()[1]
        return f"http://{self.user}:{password or self.password}@127.0.0.1:{port}"

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _tunnel(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            asked = _read_head(client)
            wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            if f"Proxy-Authorization: Basic {wanted}" not in asked:
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            self.opened.append(asked.split()[1])
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_relay, args=(server, client), daemon=True)
                back.start()
                _relay(client, server)
                back.join()


def _read_head(client: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(4096)
        if not piece:
            raise OSError("the client hung up")
        head += piece
    return head.decode("latin-1")


def _relay(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def forward_proxy(target: int) -> Iterator[ForwardProxy]:
    """Run a proxy until the block ends."""
    proxy = ForwardProxy(target)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
