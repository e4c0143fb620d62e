"""Scoring spread over processes, here or elsewhere: staged files in, staged files out, and one who takes them together.

A chunk is a share of the candidate pairs. Whoever scores it needs its files and no lake: the frozen model, its
frequencies, the match records that occur in a pair, and the pairs. What a chunk gives depends on nothing else, so the
edges are those of one process, however many chunks there are and wherever they were scored.
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
from lakehouse.table import literal

# several chunks are scored beside one another on one machine
_MEMORY = "2GB"

ScoreChunks = Callable[[Path, Sequence[int]], None]
"""Have `score_chunk` done for each of these chunks of a folder; return when all are."""


@dataclass(frozen=True, kw_only=True)
class Spreading:
    """How scoring is spread: into `folder`, from so many pairs on, over so many chunks, by `run`."""

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
    """Make what `score_pairs` makes for the review threshold, chunk by chunk."""
    folder = spreading.folder / epoch.epoch_id
    chunks = range(spreading.chunks)
    stage_chunks(con, pairs, records, epoch, folder=folder, chunks=len(chunks))
    spreading.run(folder, chunks)
    scored = ", ".join(literal(str(_edges(folder, chunk))) for chunk in chunks)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS FROM read_parquet([{scored}])")


def stage_chunks(
    con: duckdb.DuckDBPyConnection, pairs: str, records: str, epoch: Epoch, *, folder: Path, chunks: int
) -> None:
    """Write what scoring needs; the pairs of a record stay together."""
    folder.mkdir(parents=True)
    stage_epoch(con, epoch, folder=folder)
    for chunk in range(chunks):
        chosen = f"(FROM {pairs} WHERE one % {chunks} = {chunk})"
        con.execute(f"COPY {chosen} TO {_file(folder, f'pair-{chunk}')}")
        member = f"SELECT one FROM {chosen} UNION SELECT other FROM {chosen}"
        con.execute(f"COPY (FROM {records} WHERE {is_member(member)}) TO {_file(folder, f'record-{chunk}')}")


def stage_epoch(con: duckdb.DuckDBPyConnection, epoch: Epoch, *, folder: Path) -> None:
    """Write a frozen model, as `epoch.json` and `frequency.parquet`."""
    (folder / "epoch.json").write_text(epoch.as_text(), encoding="utf-8")
    con.execute(f"COPY (FROM {epoch.frequencies}) TO {_file(folder, 'frequency')}")


def score_chunk(folder: Path, chunk: int) -> Path:
    """Score one chunk; done before, it is not done again. Raises: OSError where the folder cannot be reached."""
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
    # Seen whole or not at all: a worker may die, and another be given the same chunk.
    part.rename(done)
    return done


def score_in_processes(folder: Path, chunks: Sequence[int], *, processes: int) -> None:
    """Score the chunks in so many processes of this machine."""
    # Spawned: a fork would carry DuckDB's threads along, which do not survive it.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(partial(score_chunk, folder), chunks))


def _file(folder: Path, name: str) -> str:
    return literal(str(folder / f"{name}.parquet"))


def _edges(folder: Path, chunk: int) -> Path:
    return folder / f"edge-{chunk}.parquet"
