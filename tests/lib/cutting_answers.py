"""A TCP proxy that hangs up in the middle of answers: after so many bytes of each, for a number of connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class AnswerCutter:
    """Relays to a server of this machine, TLS included, since it understands nothing of what passes."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._left = 0
        self._after_bytes = 0
        self._lock = threading.Lock()

    def cut(self, *, after_bytes: int, times: int) -> None:
        """Hang up on each of the next `times` connections whose answer is longer than this."""
        with self._lock:
            self._after_bytes, self._left = after_bytes, times

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=_relay, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        answered = 0
        with suppress(OSError):
            while data := server.recv(16384):
                answered += len(data)
                if self._is_cut(answered):
                    break
                client.sendall(data)
        _hang_up(client)
        _hang_up(server)

    def _is_cut(self, answered: int) -> bool:
        with self._lock:
            if not self._left or answered <= self._after_bytes:
                return False
            self._left -= 1
            self.cuts += 1
            return True


def _relay(origin: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := origin.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _hang_up(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def answer_cutter(target: int) -> Iterator[AnswerCutter]:
    """Run the proxy to a port of this machine until the block ends."""
    cutter = AnswerCutter(target)
    threading.Thread(target=cutter.serve, daemon=True).start()
    try:
        yield cutter
    finally:
        cutter.close()
