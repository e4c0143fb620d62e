"""A TCP proxy that hangs up in the middle of answers: after so many bytes of each, for a number of connections."""

from __future__ import annotations

import socket
import threading
from contextlib import AbstractContextManager, suppress

from tests.lib.relays import Relay, hang_up, in_thread, pass_on


class AnswerCutter(Relay):
    """Relays to a server of this machine, TLS included, since it understands nothing of what passes."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.cuts = 0
        self._left = 0
        self._after_bytes = 0
        self._lock = threading.Lock()

    def cut(self, *, after_bytes: int, times: int) -> None:
        """Hang up on each of the next `times` connections whose answer is longer than this."""
        with self._lock:
            self._after_bytes, self._left = after_bytes, times

    def welcome(self, client: socket.socket) -> None:
        server = self.connect()
        in_thread(pass_on, client, server)
        in_thread(self._answer, server, client)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        answered = 0
        with suppress(OSError):
            while data := server.recv(16384):
                answered += len(data)
                if self._is_cut(answered):
                    break
                client.sendall(data)
        hang_up(client)
        hang_up(server)

    def _is_cut(self, answered: int) -> bool:
        with self._lock:
            if not self._left or answered <= self._after_bytes:
                return False
            self._left -= 1
            self.cuts += 1
            return True


def answer_cutter(target: int) -> AbstractContextManager[AnswerCutter]:
    """Run the proxy to a port of this machine until the block ends."""
    return AnswerCutter(target).running()
