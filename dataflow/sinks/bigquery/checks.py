"""Check the dataset before and after a load: rows seen, access as declared, and at times all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from dataflow.errors import AccessDiffers, WarehouseDiffers
from dataflow.sinks.bigquery.access import Difference, compare, declared_facts
from dataflow.sinks.bigquery.copies import Contents, Copy, member_of_email
from dataflow.sinks.bigquery.ddl import read_publisher
from dataflow.sinks.bigquery.jobs import Jobs
from dataflow.sinks.bigquery.load import fingerprint_in_lake
from dataflow.sinks.bigquery.present import present_facts
from dataflow.sinks.bigquery.shape import ROW_HASH, text

_MOST_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A table in BigQuery beside the lake's."""

    copy: Copy
    lake_rows: int
    rows: int
    is_equal: bool
    """Whether the exclusive or of the hashes of all rows is the same."""


def check_seen(jobs: Jobs, contents: Contents, counts: Mapping[str, int], *, there: Sequence[str]) -> None:
    """Raise WarehouseDiffers unless each table shows the publisher as many rows as its publication has left in it.

    A row policy that hides rows from the publisher would let its DELETE miss them.
    """
    copies = [copy for copy in contents.copies if copy.counted_as in counts and copy.target in there]
    if not copies:
        return
    parts = [f"SELECT {text(copy.word)} AS name, COUNT(*) AS seen FROM {copy.target}" for copy in copies]
    seen = {str(name): int(count) for name, count in jobs.query(" UNION ALL ".join(parts), "Counting what is seen")}
    differing = [
        f"{copy.label}: {counts[copy.counted_as]} rows were published, {seen.get(copy.word)} are seen"
        for copy in copies
        if seen.get(copy.word) != counts[copy.counted_as]
    ]
    if differing:
        raise WarehouseDiffers(
            f"The warehouse is not as it was left: {'; '.join(differing)}. Nothing was loaded.",
            next_move="A row policy hides rows from the publisher (`dataflow warehouse plan` lists it), or the tables "
            "were changed by hand: `dataflow sinks adopt warehouse` empties them; then run again.",
        )


def find_differences(jobs: Jobs, contents: Contents) -> tuple[list[Difference], str]:
    """Return how access differs from the settings, and the publisher as a member. Raises: SinkError."""
    publisher = member_of_email(read_publisher(jobs))
    declared = declared_facts(contents, publisher=publisher)
    return compare(declared, present_facts(jobs.connection, contents, declared=declared)), publisher


def check_access(jobs: Jobs, contents: Contents, *, is_loaded: bool) -> None:
    """Raise AccessDiffers where access is not as declared: before a load for what is missing, after it for all.

    What is missing leaves rows open to those who may not see them, so that none are loaded.
    """
    if not contents.is_shared:
        return
    differences, _ = find_differences(jobs, contents)
    found = [str(one) for one in differences if is_loaded or one.state != "undeclared"]
    if found:
        named = "; ".join(found[:_MOST_NAMED]) + (f"; and {len(found) - _MOST_NAMED} more" * (len(found) > _MOST_NAMED))
        raise AccessDiffers(
            f"Access in BigQuery {contents.place} is not as declared: {named}."
            + (" The publication is loaded." if is_loaded else " Nothing was loaded."),
            next_move=AccessDiffers.usual_move,
        )


def compare_all(jobs: Jobs, con: duckdb.DuckDBPyConnection, contents: Contents) -> list[Compared]:
    """Compare all rows of each table with the lake's: their number, and the exclusive or of their hashes."""
    parts = [
        f"SELECT {text(copy.word)} AS name, COUNT(*) AS n, COALESCE(BIT_XOR({ROW_HASH}), 0) AS h FROM {copy.target}"
        for copy in contents.copies
    ]
    there = {
        str(name): (int(count), int(hashes))
        for name, count, hashes in jobs.query(" UNION ALL ".join(parts), "Comparing all rows with the lake's")
    }
    found = []
    for copy in contents.copies:
        count, hashes = fingerprint_in_lake(con, copy)
        here = there[copy.word]
        found.append(Compared(copy=copy, lake_rows=count, rows=here[0], is_equal=here == (count, hashes)))
    return found


def check_all(jobs: Jobs, con: duckdb.DuckDBPyConnection, contents: Contents) -> None:
    """Raise WarehouseDiffers unless all tables have the lake's rows."""
    differing = [
        f"{one.copy.label}: {one.lake_rows} rows in the lake, {one.rows} here"
        if one.lake_rows != one.rows
        else f"{one.copy.label}: other values than in the lake"
        for one in compare_all(jobs, con, contents)
        if not one.is_equal
    ]
    if differing:
        raise WarehouseDiffers(f"A comparison of all rows found the warehouse different: {'; '.join(differing)}.")
