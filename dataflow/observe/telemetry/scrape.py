"""Serve the state of the lake to Prometheus, for a worker; the workbench can serve the same text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dataflow.errors import ConfigurationError, DataFlowError
from dataflow.observe.telemetry.run_end import measure_published
from dataflow.observe.telemetry.texts import CONTENT_TYPE, write_prometheus
from dataflow.settings import Settings
from lakehouse import LakeError

PATH = "/metrics"
UP = "dataflow_up"
"""1 where the lake could be read, else 0 alone: a scrape that failed would look like a worker that is down."""


def scrape(settings: Settings, *, now: datetime) -> str:
    """Return the exposition of the lake as readers see it."""
    try:
        found = write_prometheus(measure_published(settings, now=now))
    except (LakeError, DataFlowError):
        return f"# TYPE {UP} gauge\n{UP} 0\n"
    return f"{found}# TYPE {UP} gauge\n{UP} 1\n"


@contextmanager
def serving_metrics(host: str, port: int, answer: Callable[[], str]) -> Iterator[int]:
    """Serve `answer` at /metrics until the block ends; yield the port. Raises: ConfigurationError."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != PATH:
                self.send_error(404)
                return
            body = answer().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"Metrics cannot be served at {host}:{port}: {error.strerror}.", next_move="Choose another address."
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer_for(settings: Settings) -> Callable[[], str]:
    """Return what each scrape is answered with."""
    return lambda: scrape(settings, now=datetime.now(UTC))
