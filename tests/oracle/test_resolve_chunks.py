"""Pairs scored in chunks, over processes, give the edges that one process gives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import duckdb
import pytest

from dataflow.resolve.pairs.chunks import score_chunk, score_in_processes
from dataflow.resolve.step import resolve
from dataflow.tables.resolved import EDGE
from tests.lib.chunks import edges_of_a_population, spread
from tests.lib.identities import population
from tests.lib.resolving import settings, stage_records
from tests.lib.tables import small_lake, workspace


def test_four_processes_give_the_same_edges(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        find = edges_of_a_population(con)
        alone = find(None)
        assert len(alone) > 100
        assert find(spread(tmp_path / "over", partial(score_in_processes, processes=4))) == alone
        scored = list((tmp_path / "over").rglob("edge-*.parquet"))
        assert len(scored) == 4
        assert find(spread(tmp_path / "few", _nobody, from_pairs=10**6)) == alone


def test_a_chunk_begun_by_one_that_died_is_scored_whole_and_one_that_is_done_is_kept(tmp_path: Path) -> None:
    def run(folder: Path, chunks: Sequence[int]) -> None:
        (folder / "edge-0.part").write_bytes(b"half a file")
        first = {chunk: score_chunk(folder, chunk).stat().st_mtime_ns for chunk in chunks}
        assert {chunk: score_chunk(folder, chunk).stat().st_mtime_ns for chunk in chunks} == first

    with duckdb.connect() as con:
        find = edges_of_a_population(con)
        assert find(spread(tmp_path, run)) == find(None)


def test_the_settings_say_when_a_run_spreads_its_pairs(tmp_path: Path) -> None:
    asked: list[int] = []

    def run(folder: Path, chunks: Sequence[int]) -> None:
        asked.extend(chunks)
        for chunk in chunks:
            score_chunk(folder, chunk)

    spreading = settings().resolve.model_copy(update={"processes": 3, "spread_from_pairs": 50})
    found = []
    with small_lake(tmp_path) as lake:
        for given in (settings(), settings().model_copy(update={"resolve": spreading, "runs": str(tmp_path / "runs")})):
            with workspace(lake, tmp_path) as ws:
                stage_records(ws, [record for _, record in population(6, people=60).values()])
                resolve(ws, given, run_chunks=run)
                found.append(ws.con.execute(f"SELECT * EXCLUDE (_run_id) FROM {EDGE.sql_name} ORDER BY ALL").fetchall())
    assert asked == [0, 1, 2]
    assert found[0] == found[1] != []


def _nobody(folder: Path, chunks: Sequence[int]) -> None:
    pytest.fail(f"{len(chunks)} chunks of {folder} were handed out for a few pairs")
