"""Key figures over four weeks and the four before."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import duckdb
import pytest

from dataflow.observe.key_figures import read_key_figures
from lakehouse.connect import connect

LAST = date(2026, 3, 1)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(connect(threads=1)) as opened:
        opened.execute("CREATE SCHEMA published")
        opened.execute("CREATE TABLE published.kpi_daily (kpi_code VARCHAR, kpi_date DATE, value DOUBLE)")
        yield opened


def put(con: duckdb.DuckDBPyConnection, code: str, *values: tuple[int, float]) -> None:
    """Days before the last one, with their value."""
    for ago, value in values:
        con.execute("INSERT INTO published.kpi_daily VALUES (?, ?, ?)", [code, LAST - timedelta(days=ago), value])


def test_what_adds_up_is_summed(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "orders", (0, 3), (27, 4), (28, 2), (55, 3), (56, 100))
    [figure] = read_key_figures(con)
    assert (figure.value, figure.before, figure.how, figure.until) == (7, 5, "sum", LAST)
    assert figure.change == pytest.approx(0.4)
    assert figure.points == ((LAST - timedelta(days=27), 4), (LAST, 3))


def test_shares_are_averaged_over_the_days_that_have_them(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "cancelled_order_share", (0, 0.2), (5, 0.4), (30, 0.6))
    [figure] = read_key_figures(con)
    assert (figure.value, figure.before, figure.how) == (pytest.approx(0.3), 0.6, "mean of days")


def test_a_figure_of_several_days_is_that_of_the_last(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "active_customers_30d", (0, 9), (1, 4), (28, 3), (29, 8))
    [figure] = read_key_figures(con)
    assert (figure.value, figure.before, figure.how) == (9, 3, "last day")


def test_nothing_before_is_no_change(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "orders", (0, 3))
    put(con, "first_orders", (0, 3), (28, 0))
    assert [figure.change for figure in read_key_figures(con)] == [None, None]


def test_figures_are_in_the_order_of_declaration_and_old_ones_are_left_out(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "tickets_opened", (0, 1))
    put(con, "orders", (0, 1))
    put(con, "revenue", (40, 1))
    put(con, "retired_figure", (0, 1))
    assert [figure.code for figure in read_key_figures(con)] == ["orders", "tickets_opened"]


def test_without_a_publication_there_are_none(con: duckdb.DuckDBPyConnection) -> None:
    assert read_key_figures(con) == []
