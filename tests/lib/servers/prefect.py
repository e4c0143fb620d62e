"""A real Prefect server and a real process worker, each a process group of its own, stopped by its id.

They sleep while a test runs that does not use them: an idle server and worker take a tenth of a core.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import tenacity
import yaml

from flows.deploying import project_file
from tests.lib.prefect_database import lay_down
from tests.lib.servers.ports import free_port

PREFECT = Path(sys.executable).with_name("prefect")
# Ready in 9–17 s on an idle machine of two cores; the rest is for a busy one.
START_SECONDS = 120.0
# The longest wait for an answer: a busy machine of two cores has taken more than 30 s for one.
ANSWER_SECONDS = 120.0
# The server is asked to end first: it closes its database.
STOP_SECONDS = 15.0


def _is_locked(error: BaseException) -> bool:
    """Whether the server did nothing and asks to be asked again: another request was writing to its SQLite database."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.SERVICE_UNAVAILABLE


@dataclass(frozen=True)
class PrefectServer:
    """A running server with an empty database of its own."""

    url: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that talks to this server."""
        return _environment(self.home) | {"PREFECT_API_URL": self.url}

    def cli(self, *words: str, cwd: Path) -> str:
        """Run a `prefect` command line and return what it printed; fail with all of it when it fails."""
        done = subprocess.run(
            [PREFECT, "--no-prompt", *words],
            cwd=cwd,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"prefect {' '.join(words)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def get(self, path: str) -> Any:
        """Read one resource of the API."""
        return self._answer("GET", path)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Filter, count or create through the API."""
        return self._answer("POST", path, body or {})

    def patch(self, path: str, body: dict[str, Any]) -> None:
        """Change one resource through the API."""
        self._request("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Delete one resource through the API."""
        self._request("DELETE", path, None)

    def _answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._request(method, path, body).json()

    @tenacity.retry(
        retry=tenacity.retry_if_exception(_is_locked),
        wait=tenacity.wait_random_exponential(max=10),
        stop=tenacity.stop_after_delay(ANSWER_SECONDS),
        reraise=True,
    )
    def _request(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        answer = httpx.request(method, f"{self.url}/{path}", json=body, timeout=ANSWER_SECONDS, trust_env=False)
        return answer.raise_for_status()

    def in_process(self) -> AbstractContextManager[Any]:
        """Point the Prefect client of this very process at the server, for the time of a `with`."""
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

        # Without its log: that is sent by a thread which outlives the server.
        return temporary_settings(
            {PREFECT_API_URL: self.url, PREFECT_HOME: self.home, PREFECT_LOGGING_TO_API_ENABLED: False}
        )


@dataclass(frozen=True)
class ProcessWorker:
    """A worker that runs each flow run as a process; deploy to `pool`."""

    server: PrefectServer
    pool: str

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have the worker begin nothing while the block runs."""
        self.server.patch(f"work_pools/{self.pool}", {"is_paused": True})
        try:
            yield
        finally:
            self.server.patch(f"work_pools/{self.pool}", {"is_paused": False})

    def deploy(self, folder: Path) -> PrefectServer:
        """Deploy the prefect.yaml of a project in `folder` to the pool, its schedules off; return the server.

        A schedule that is due in the middle of a test would start a run there.
        """
        declared = yaml.safe_load(project_file())
        for deployment in declared["deployments"]:
            deployment["work_pool"]["name"] = self.pool
            for schedule in deployment.get("schedules", ()):
                schedule["active"] = False
        changed = folder / "prefect.yaml"
        changed.write_text(yaml.safe_dump(declared), encoding="utf-8")
        self.server.cli("deploy", "--all", "--prefect-file", str(changed), cwd=folder)
        return self.server


def _environment(home: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return inherited | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        # Importing every installed collection to register its blocks takes seconds, and no test needs the blocks.
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        # No test waits for what these do again and again.
        **{f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in _IDLE_SERVICES},
        "NO_COLOR": "1",
    }


_awake: dict[int, bool] = {}
"""The groups that run, by the id of their first process: whether they are awake."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wake the server and its workers before a test that uses them; have them sleep before any other."""
    is_used = "prefect_server" in getattr(item, "fixturenames", ())
    for group, is_awake in _awake.items():
        if is_awake != is_used:
            os.killpg(group, signal.SIGCONT if is_used else signal.SIGSTOP)
            _awake[group] = is_used


_IDLE_SERVICES = (
    "CANCELLATION_CLEANUP",
    "CLEANUP_RECONCILER",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "REPOSSESSOR",
    "SCHEDULER",
)


@contextmanager
def _running(
    command: list[str], *, log: Path, environment: dict[str, str], ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a group of its own, wait until `ready`, stop the group on leaving."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, ready, log)
        _awake[process.pid] = True
        yield process
    finally:
        if not _awake.pop(process.pid, True):
            os.killpg(process.pid, signal.SIGCONT)
        _stop(process)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            ended = "is not ready" if process.returncode is None else f"ended with {process.returncode}"
            pytest.fail(f"{process.args} {ended}; it wrote:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.wait(STOP_SECONDS)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait(STOP_SECONDS)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """The server of this process's tests, which are those of one folder (tests/lib/order.py)."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    # An empty database as it is after every migration: running them is not what these tests are about.
    lay_down(home)
    server = PrefectServer(url=f"http://127.0.0.1:{port}/api", home=home)
    # --port alone would leave the address that the server tells others at its default.
    environment = _environment(home) | {"PREFECT_SERVER_API_HOST": "127.0.0.1", "PREFECT_SERVER_API_PORT": str(port)}

    def healthy() -> bool:
        try:
            return bool(server.get("health"))
        except httpx.HTTPError:
            return False

    command = [str(PREFECT), "server", "start", "--no-ui"]
    with _running(command, log=home / "server.log", environment=environment, ready=healthy):
        yield server


@contextmanager
def running_worker(
    server: PrefectServer, *, pool: str, kind: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a worker on a pool, which it creates where it is missing, until the block ends."""

    def online() -> bool:
        try:
            workers = server.post(f"work_pools/{pool}/workers/filter")
        except httpx.HTTPStatusError:
            return False  # the pool is not there yet
        return any(each["status"] == "ONLINE" for each in workers)

    command = [str(PREFECT), "worker", "start", "--pool", pool, "--type", kind, "--install-policy", "never"]
    given = server.environment | dict(environment or {})
    with _running(command, log=server.home / f"worker-{pool}.log", environment=given, ready=online):
        yield


@pytest.fixture(scope="session")
def process_worker(prefect_server: PrefectServer) -> Iterator[ProcessWorker]:
    """A worker on a process pool that it creates."""
    worker = ProcessWorker(prefect_server, pool="tests")
    with running_worker(prefect_server, pool=worker.pool, kind="process"):
        yield worker


@pytest.fixture(scope="session")
def deployed(process_worker: ProcessWorker, tmp_path_factory: pytest.TempPathFactory) -> PrefectServer:
    """Everything in prefect.yaml, deployed to the test's pool."""
    return process_worker.deploy(tmp_path_factory.mktemp("deploy"))
