"""The fixtures themselves: a deployment by entrypoint runs through the worker, in another process."""

import json
import os
from pathlib import Path

import pytest

from tests.lib.servers.prefect import PrefectServer, ProcessWorker

FLOW = """
import json
import os
from pathlib import Path

from prefect import flow, task


@task
def double(number: int) -> int:
    return 2 * number


@flow
def tiny(number: int, out: str) -> int:
    answer = double(number)
    Path(out).write_text(json.dumps({"answer": answer, "pid": os.getpid()}))
    return answer
"""
DEPLOYMENTS = """
deployments:
- name: tiny
  entrypoint: tiny.py:tiny
  work_pool:
    name: {pool}
"""


@pytest.fixture(scope="module")
def project(process_worker: ProcessWorker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "tiny.py").write_text(FLOW)
    (folder / "prefect.yaml").write_text(DEPLOYMENTS.format(pool=process_worker.pool))
    process_worker.server.cli("deploy", "--all", cwd=folder)
    return folder


def test_a_deployment_runs_through_the_worker(project: Path, prefect_server: PrefectServer) -> None:
    out = project / "answer.json"
    prefect_server.cli("deployment", "run", "tiny/tiny", "-p", "number=21", "-p", f"out={out}", "--watch", cwd=project)
    answer = json.loads(out.read_text())
    assert answer["answer"] == 42
    assert answer["pid"] != os.getpid()
    [run] = prefect_server.post("flow_runs/filter", {"flows": {"name": {"any_": ["tiny"]}}})
    assert run["state"]["type"] == "COMPLETED"
    assert run["work_pool_name"] == "tests"


def test_a_command_that_fails_is_a_failed_test(prefect_server: PrefectServer, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ended with"):
        prefect_server.cli("deployment", "run", "no-such/deployment", cwd=tmp_path)


def test_this_process_can_talk_to_the_server(prefect_server: PrefectServer) -> None:
    from prefect.client.orchestration import get_client

    with prefect_server.in_process(), get_client(sync_client=True) as client:
        assert str(client.api_url).startswith(prefect_server.url)
        assert client.api_healthcheck() is None
