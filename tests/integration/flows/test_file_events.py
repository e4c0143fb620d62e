"""A file put into a real bucket: its server tells of it, and Prefect sets up one run of `ingest` for a whole burst."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from flows.file_events import OBJECT_CREATED, announce
from tests.lib.servers.prefect import PrefectServer, ProcessWorker
from tests.lib.servers.s3 import s3_server

WAIT_SECONDS = 60.0


@pytest.fixture
def waiting(deployed: PrefectServer, process_worker: ProcessWorker) -> Iterator[str]:
    """The id of `ingest` of prefect.yaml, none of whose runs begins."""
    [ingest] = [each for each in deployed.post("deployments/filter") if each["name"] == "ingest"]
    with process_worker.paused():
        yield ingest["id"]
        for run in flow_runs(deployed, ingest["id"]):
            deployed.delete(f"flow_runs/{run['id']}")


def test_a_burst_of_files_makes_one_run(prefect_server: PrefectServer, waiting: str, tmp_path: Path) -> None:
    [automation] = prefect_server.get(f"automations/related-to/prefect.deployment.{waiting}")
    assert automation["enabled"]
    with notifications() as (address, messages), s3_server(folder=tmp_path / "s3", events=address) as server:
        server.create_bucket("exports")
        client = server.client()
        for number in range(5):
            client.put_object(Bucket="exports", Key=f"desk/2026-03-01/{number}.csv", Body=b"x")
        client.delete_object(Bucket="exports", Key="desk/2026-03-01/0.csv")
        told = 0
        # In this thread: what Prefect's client is told of its server holds for one thread.
        with prefect_server.in_process():
            while told < 5:
                told += announce(messages.get(timeout=WAIT_SECONDS))
    runs = until(lambda: flow_runs(prefect_server, waiting))
    [run] = runs
    assert run["state"]["type"] == "SCHEDULED"
    assert run["auto_scheduled"] is False
    arrived = until(lambda: told_of(prefect_server, count=5))
    assert arrived == {f"s3://exports/desk/2026-03-01/{number}.csv" for number in range(5)}
    assert flow_runs(prefect_server, waiting) == runs


def told_of(server: PrefectServer, *, count: int) -> set[str]:
    """The objects that Prefect has events of, once there are so many; it stores events some time after it acts."""
    found = server.post("events/filter", {"filter": {"event": {"name": [OBJECT_CREATED]}}})["events"]
    return {event["resource"]["prefect.resource.id"] for event in found} if len(found) == count else set()


def flow_runs(server: PrefectServer, deployment: str) -> list[Any]:
    found = server.post("flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})
    assert isinstance(found, list)
    return found


def until(look: Any) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.2)
    return found


@contextmanager
def notifications() -> Iterator[tuple[str, Queue[Any]]]:
    """An address that an S3 server posts to, and what it posted."""
    messages: Queue[Any] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{receiver.server_port}/", messages
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()
