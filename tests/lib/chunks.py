"""Pairs of a small population, a model of theirs, and their edges however they are scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from dataflow.resolve.comparisons import PERSON
from dataflow.resolve.pairs.chunks import ScoreChunks, Spreading
from dataflow.resolve.pairs.edges import find_edges
from dataflow.resolve.training.epoch import train_epoch
from tests.lib.identities import match_records, population

Edges = list[tuple[Any, ...]]


def edges_of_a_population(con: duckdb.DuckDBPyConnection) -> Callable[[Spreading | None], Edges]:
    """Train on a small population; the function finds its edges."""
    match_records(con, [record for _, record in population(6, people=120).values()], into="record")
    epoch = train_epoch(con, "record", spec=PERSON, frequencies="frequency")

    def find(spreading: Spreading | None) -> Edges:
        find_edges(con, "record", epoch=epoch, spec=PERSON, into="edge", spreading=spreading)
        return con.execute("FROM edge ORDER BY ALL").fetchall()

    return find


def spread(folder: Path, run: ScoreChunks, *, from_pairs: int = 1, chunks: int = 4) -> Spreading:
    return Spreading(folder=folder, from_pairs=from_pairs, chunks=chunks, run=run)
