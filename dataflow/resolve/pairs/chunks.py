"""Spread scoring over processes of this or other machines, by staged files.

A chunk is a share of the candidate pairs. Scoring it needs only its files and no lake: the frozen model, its
frequencies, the match records of its pairs, and the pairs. The edges depend on nothing else, so they equal those of one
process for any number of chunks.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| `pairs` | one, other | find_candidates | find_edges |
| `into` of score_spread | see score_pairs | score_spread | its caller |
| frequency, pair, edge | see model.py, `pairs`, score_pairs | score_chunk | with its connection |
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from dataflow.resolve.comparisons import SPECS
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.pairs.numbers import is_member
from dataflow.resolve.pairs.scoring import score_pairs
from lakehouse.connect import connect
from lakehouse.table import file_literal, literal

_MEMORY = "2GB"
"""The limit of one chunk: several are scored in parallel on one machine."""

ScoreChunks = Callable[[Path, Sequence[int]], None]
"""Run `score_chunk` for each of these chunks of a folder; return when all are done."""


@dataclass(frozen=True, kw_only=True)
class Spreading:
    """How scoring is spread: from `from_pairs` pairs on, over `chunks` chunks staged in `folder`, scored by `run`."""

    folder: Path
    from_pairs: int
    chunks: int
    run: ScoreChunks


def score_spread(
    con: duckdb.DuckDBPyConnection,
    pairs: str,
    records: str,
    epoch: Epoch,
    *,
    into: str,
    spreading: Spreading,
) -> None:
    """Make the table that `score_pairs` makes for the review threshold, chunk by chunk."""
    folder = spreading.folder / epoch.epoch_id
    chunks = range(spreading.chunks)
    stage_chunks(con, pairs, records, epoch, folder=folder, chunks=len(chunks))
    spreading.run(folder, chunks)
    scored = ", ".join(file_literal(_edges(folder, chunk)) for chunk in chunks)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS FROM read_parquet([{scored}])")


def stage_chunks(
    con: duckdb.DuckDBPyConnection, pairs: str, records: str, epoch: Epoch, *, folder: Path, chunks: int
) -> None:
    """Write the files that scoring needs; all pairs with the same first record are in one chunk."""
    folder.mkdir(parents=True)
    stage_epoch(con, epoch, folder=folder)
    for chunk in range(chunks):
        chosen = f"(FROM {pairs} WHERE one % {chunks} = {chunk})"
        con.execute(f"COPY {chosen} TO {_file(folder, f'pair-{chunk}')}")
        member = f"SELECT one FROM {chosen} UNION SELECT other FROM {chosen}"
        con.execute(f"COPY (FROM {records} WHERE {is_member(member)}) TO {_file(folder, f'record-{chunk}')}")


def stage_epoch(con: duckdb.DuckDBPyConnection, epoch: Epoch, *, folder: Path) -> None:
    """Write a frozen model as `epoch.json` and `frequency.parquet`."""
    (folder / "epoch.json").write_text(epoch.as_text(), encoding="utf-8")
    con.execute(f"COPY (FROM {epoch.frequencies}) TO {_file(folder, 'frequency')}")


def names_for(chunk: int) -> tuple[str, ...]:
    """Return the names of the files that scoring a chunk reads."""
    return ("epoch.json", "frequency.parquet", f"pair-{chunk}.parquet", f"record-{chunk}.parquet")


def edges_name(chunk: int) -> str:
    """Return the name of the file that scoring a chunk writes."""
    return f"edge-{chunk}.parquet"


def score_chunk(folder: Path, chunk: int) -> Path:
    """Score one chunk, unless its edges are there already. Raises: OSError where the folder cannot be reached."""
    done = _edges(folder, chunk)
    if done.exists():
        return done
    epoch = Epoch.from_text((folder / "epoch.json").read_text(encoding="utf-8"), frequencies="frequency")
    con = connect(memory_limit=_MEMORY, temp_directory=folder / f"spill-{chunk}")
    try:
        con.execute(f"CREATE TABLE frequency AS FROM {_file(folder, 'frequency')}")
        con.execute(f"CREATE TABLE pair AS FROM {_file(folder, f'pair-{chunk}')}")
        spec, threshold = SPECS[epoch.entity_type], epoch.review_threshold
        score_pairs(con, "pair", _file(folder, f"record-{chunk}"), epoch, spec=spec, into="edge", threshold=threshold)
        part = done.with_suffix(".part")
        con.execute(f"COPY edge TO {literal(str(part))} (FORMAT parquet)")
    finally:
        con.close()
    # Renamed when complete: a worker can crash, and another one take over the chunk.
    part.rename(done)
    return done


def score_in_processes(folder: Path, chunks: Sequence[int], *, processes: int) -> None:
    """Score the chunks in `processes` processes of this machine."""
    # Spawned, not forked: DuckDB's threads do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(partial(score_chunk, folder), chunks))


def _file(folder: Path, name: str) -> str:
    return literal(str(folder / f"{name}.parquet"))


def _edges(folder: Path, chunk: int) -> Path:
    return folder / edges_name(chunk)
