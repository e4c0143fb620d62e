"""Candidate pairs given to a process pool in shares, by a real server through a real worker."""

from pathlib import Path

import duckdb
import pytest

from dataflow.errors import ChunkFailed
from dataflow.settings import load_settings
from flows.scoring import scoring_in_pool
from tests.lib.chunks import edges_of_a_population, spread
from tests.lib.servers.prefect import PrefectServer


def test_a_pool_gives_the_edges_of_one_process(deployed: PrefectServer, tmp_path: Path) -> None:
    with deployed.in_process():
        in_pool = scoring_in_pool("score/score", load_settings(home=tmp_path))
    with duckdb.connect() as con:
        find = edges_of_a_population(con)
        assert find(spread(tmp_path, in_pool, chunks=2)) == find(None) != []
    with pytest.raises(ChunkFailed, match="1 of 1 chunks"):
        in_pool(tmp_path / "nothing", [7])
    runs = deployed.post("flow_runs/filter", {"flows": {"name": {"any_": ["score"]}}})
    of_this = [run for run in runs if run["parameters"]["folder"].startswith(str(tmp_path))]
    done = [run["parameters"]["chunk"] for run in of_this if run["state"]["type"] == "COMPLETED"]
    assert sorted(done) == [0, 1]
