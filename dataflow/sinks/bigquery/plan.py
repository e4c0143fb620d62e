"""What `dataflow warehouse plan` says of BigQuery: publication, tables and their cost, access."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb

from dataflow.sinks.bigquery.access import Difference
from dataflow.sinks.bigquery.checks import compare_all, find_differences
from dataflow.sinks.bigquery.copies import Contents, Copy
from dataflow.sinks.bigquery.jobs import DOLLARS_PER_TIB, Jobs
from dataflow.sinks.bigquery.load import count_in_lake
from dataflow.sinks.bigquery.shape import ROW_HASH
from dataflow.sinks.bigquery.state import State, list_tables, read_state
from dataflow.sinks.file_plan import check_comparable
from dataflow.sinks.protocol import Records
from dataflow.workspace.cost import dollars


def plan_parts(
    jobs: Jobs, con: duckdb.DuckDBPyConnection, contents: Contents, *, is_deep: bool, newest: int
) -> dict[str, Records]:
    """Return the parts of the plan: `publication`, `tables`, `access`. Raises: SinkError."""
    state = read_state(jobs.connection, contents.place)
    shown = state.shown
    publication = {
        "warehouse": f"BigQuery {contents.place}",
        "publication": shown.publication if shown else None,
        "newest": newest,
    }
    return {
        "publication": [publication],
        "tables": _tables(jobs, con, contents, state, is_deep=is_deep, newest=newest),
        "access": access_records(find_differences(jobs, contents)[0]),
    }


def access_records(differences: Iterable[Difference]) -> Records:
    """Return differences of access as records."""
    return [
        {"state": one.state, "kind": one.fact.kind, "place": one.fact.place, "name": one.fact.name}
        for one in differences
    ]


def _tables(
    jobs: Jobs, con: duckdb.DuckDBPyConnection, contents: Contents, state: State, *, is_deep: bool, newest: int
) -> Records:
    equal: dict[Copy, bool] = {}
    if is_deep:
        check_comparable(state.shown, newest=newest)
        equal = {one.copy: one.is_equal for one in compare_all(jobs, con, contents)}
    there = set(list_tables(jobs.connection, str(contents.place))) | {
        f"{role.role.name}.{name}" for role in contents.roles for name in list_tables(jobs.connection, str(role.place))
    }
    return [
        _table(jobs, con, copy, state, is_there=copy.label in there, is_equal=equal.get(copy))
        for copy in contents.copies
    ]


def _table(
    jobs: Jobs, con: duckdb.DuckDBPyConnection, copy: Copy, state: State, *, is_there: bool, is_equal: bool | None
) -> dict[str, Any]:
    read = _bytes_of_update(jobs, copy) if is_there else None
    return {
        "table": copy.label,
        "state": "present" if is_there else "missing",
        "rows": state.counts.get(copy.counted_as),
        "lake_rows": count_in_lake(con, copy),
        "is_equal": is_equal,
        "update_bytes": read,
        "update_dollars": None if read is None else dollars(read, DOLLARS_PER_TIB),
    }


def _bytes_of_update(jobs: Jobs, copy: Copy) -> int:
    """Return how many bytes one publication reads of the table at most: keys to find rows, hashes to compare them.

    Clusters and partitions let it read less, which a dry run does not know.
    """
    columns = ", ".join(f"`{name}`" for name in (*copy.shown.key, ROW_HASH))
    return jobs.estimate(f"SELECT {columns} FROM {copy.target}", f"Estimating an update of {copy.label}")
