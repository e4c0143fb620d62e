"""Candidate pairs given to a process pool in shares, by a real server through a real worker."""

from pathlib import Path

import duckdb
import pytest

from dataflow.errors import ChunkFailed
from flows.scoring import scoring_in_pool
from tests.lib.chunks import edges_of_a_population, spread
from tests.lib.servers.prefect import PrefectServer, ProcessWorker


@pytest.fixture(scope="module")
def server(process_worker: ProcessWorker, tmp_path_factory: pytest.TempPathFactory) -> PrefectServer:
    """The deployment `score` of prefect.yaml, deployed to the test's pool."""
    return process_worker.deploy(tmp_path_factory.mktemp("deploy"), "score")


def test_a_pool_gives_the_edges_of_one_process(server: PrefectServer, tmp_path: Path) -> None:
    with server.in_process():
        in_pool = scoring_in_pool("score/score")
    with duckdb.connect() as con:
        find = edges_of_a_population(con)
        assert find(spread(tmp_path, in_pool, chunks=2)) == find(None) != []
    with pytest.raises(ChunkFailed, match="1 of 1 chunks"):
        in_pool(tmp_path / "nothing", [7])
    runs = server.post("flow_runs/filter", {"flows": {"name": {"any_": ["score"]}}})
    done = [run["parameters"]["chunk"] for run in runs if run["state"]["type"] == "COMPLETED"]
    assert sorted(done) == [0, 1]
