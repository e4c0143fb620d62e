"""Which cluster keeps an id: rules as small tables of clusters before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb
import pytest

from dataflow.resolve.customers.identity import assign_ids


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def assigned(
    con: duckdb.DuckDBPyConnection,
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    born: Mapping[str, int] | None = None,
    retired: Mapping[str, str | None] | None = None,
    late: str = "",
) -> tuple[dict[str, str], set[tuple[str, str, str | None, int]]]:
    """Run assign_ids on record-to-customer and record-to-cluster maps; the records of `late` came by a merge."""
    con.execute("CREATE OR REPLACE TEMP TABLE before (record_id VARCHAR, customer_id VARCHAR)")
    con.execute("CREATE OR REPLACE TEMP TABLE cluster (record_id VARCHAR, cluster VARCHAR)")
    con.execute("CREATE OR REPLACE TEMP TABLE born (customer_id VARCHAR, born_at INTEGER)")
    con.execute("CREATE OR REPLACE TEMP TABLE gone (customer_id VARCHAR, to_customer_id VARCHAR)")
    for table, rows in (("before", before), ("cluster", after), ("born", born or {}), ("gone", retired or {})):
        for key, value in rows.items():
            con.execute(f"INSERT INTO {table} VALUES (?, ?)", [key, value])
    linked = f"(SELECT *, contains('{late}', record_id) AS linked_at FROM before)"
    current = "SELECT customer_id FROM before"
    assign_ids(con, "cluster", linked, born="FROM born", current=current, retired="FROM gone", into="assigned")
    return (
        dict(con.execute("FROM assigned").fetchall()),
        set(con.execute("SELECT kind, customer_id, other_customer_id, record_count FROM assigned_change").fetchall()),
    )


def test_new_clusters_get_ids_of_their_own_that_depend_on_nothing_but_their_records(
    con: duckdb.DuckDBPyConnection,
) -> None:
    ids, changes = assigned(con, {}, {"a": "a", "b": "a", "c": "c"})
    assert ids["a"] == ids["b"] != ids["c"]
    assert ids == assigned(con, {}, {"c": "y", "b": "x", "a": "x"})[0]
    assert {(kind, count) for kind, _, _, count in changes} == {("created", 2), ("created", 1)}


def test_an_unchanged_or_growing_cluster_keeps_its_id_without_an_event(con: duckdb.DuckDBPyConnection) -> None:
    ids, changes = assigned(con, {"a": "C1"}, {"a": "a", "b": "a"})
    assert ids == {"a": "C1", "b": "C1"}
    assert changes == set()


def test_a_merge_keeps_the_oldest_however_small(con: duckdb.DuckDBPyConnection) -> None:
    before = {"a": "C1", "b": "C1", "c": "C9"}
    ids, changes = assigned(con, before, dict.fromkeys("abc", "a"), born={"C1": 2, "C9": 1})
    assert set(ids.values()) == {"C9"}
    assert changes == {("merged", "C1", "C9", 2)}


def test_a_merge_of_equally_old_keeps_the_smallest_id(con: duckdb.DuckDBPyConnection) -> None:
    ids, _ = assigned(con, {"a": "C2", "b": "C1"}, {"a": "a", "b": "a"}, born={"C1": 1, "C2": 1})
    assert set(ids.values()) == {"C1"}


def test_a_split_keeps_the_id_with_the_largest_part(con: duckdb.DuckDBPyConnection) -> None:
    ids, changes = assigned(con, dict.fromkeys("abc", "C1"), {"a": "a", "b": "b", "c": "b"})
    assert ids["b"] == ids["c"] == "C1"
    assert changes == {("split", ids["a"], "C1", 1)}


def test_a_split_part_never_takes_an_id_that_redirects_elsewhere(con: duckdb.DuckDBPyConnection) -> None:
    first, _ = assigned(con, {}, {"a": "a"})
    for successor in (None, "C9"):
        retired = {first["a"]: successor}
        ids, _ = assigned(con, dict.fromkeys("abc", "C1"), {"a": "a", "b": "b", "c": "b"}, retired=retired)
        assert ids["a"] not in {first["a"], "C1"}


@pytest.mark.parametrize("others", ["cde", "c"])
def test_an_undone_merge_gives_the_id_back_to_the_larger_and_the_smaller_part(
    con: duckdb.DuckDBPyConnection, others: str
) -> None:
    first, _ = assigned(con, {}, {"a": "a", "b": "a"})
    apart = {"a": "a", "b": "a", **dict.fromkeys(others, "c")}
    ids, changes = assigned(con, dict.fromkeys(apart, "C1"), apart, retired={first["a"]: "C1"}, late="ab")
    assert ids == {**first, **dict.fromkeys(others, "C1")}
    assert changes == {("split", first["a"], "C1", 2)}


def test_a_part_that_is_mostly_of_others_takes_no_id_back(con: duckdb.DuckDBPyConnection) -> None:
    first, _ = assigned(con, {}, {"a": "a"})
    apart = {"a": "a", "c": "a", "d": "a", "e": "e"}
    ids, _ = assigned(con, dict.fromkeys(apart, "C1"), apart, retired={first["a"]: "C1"}, late="a")
    assert ids["a"] == ids["c"] == ids["d"] == "C1"
    assert ids["e"] not in {"C1", first["a"]}


def test_a_record_that_returns_gets_its_id_back_unless_it_redirects(con: duckdb.DuckDBPyConnection) -> None:
    first, _ = assigned(con, {}, {"a": "a"})
    assert assigned(con, {}, {"a": "a"}, retired={first["a"]: None})[0] == first
    assert assigned(con, {}, {"a": "a"}, retired={first["a"]: "C1"})[0] != first


def test_an_id_whose_records_are_gone_is_retired_without_a_successor(con: duckdb.DuckDBPyConnection) -> None:
    ids, changes = assigned(con, {"a": "C1", "b": "C2"}, {"b": "b"})
    assert ids == {"b": "C2"}
    assert changes == {("retired", "C1", None, 1)}


def test_records_that_swap_clusters_leave_every_id_with_most_of_its_records(con: duckdb.DuckDBPyConnection) -> None:
    before = {"a": "C1", "b": "C1", "c": "C1", "d": "C2", "e": "C2"}
    after = {"a": "a", "b": "a", "c": "c", "d": "c", "e": "c"}
    ids, changes = assigned(con, before, after)
    assert ids == {"a": "C1", "b": "C1", "c": "C2", "d": "C2", "e": "C2"}
    assert changes == set()
