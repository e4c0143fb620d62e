"""What the guard lets pass, judged on the parsed statement alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from string import ascii_letters
from unicodedata import normalize

import duckdb
import pytest

from dataflow.access.functions import SCALAR_FUNCTIONS, TABLE_FUNCTIONS
from dataflow.access.statements import check_statement
from dataflow.errors import ExitCode, UsageError
from lakehouse.connect import connect
from tests.lib.attacks import ATTACKS, HARMLESS

PLACES = {"data": "/lake/data/", "catalogue": "/lake/x.ducklake", "outside": "/tmp", "secret": "/tmp/secret.csv"}

# Scalar functions of DuckDB that were looked at and kept out: they read settings, variables, sequences or files,
# write a log, only wait, need a transaction of DuckDB's own storage, or are the engine's own helpers.
KEPT_OUT = {
    "combine",
    "create_sort_key",
    "current_setting",
    "currval",
    "finalize",
    "get_block_size",
    "getvariable",
    "icu_sort_key",
    "json_deserialize_sql",
    "json_serialize_plan",
    "json_serialize_sql",
    "nextval",
    "parse_duckdb_log_message",
    "pg_sleep",
    "sleep_ms",
    "stats",
    "txid_current",
    "vector_type",
    "write_log",
}
KEPT_OUT_BEGINNINGS = ("__internal_", "icu_collate_")


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(extensions=("ducklake", "httpfs", "postgres_scanner"), threads=1) as con:
        yield con


@pytest.mark.parametrize("sql", ATTACKS)
def test_an_attack_is_refused_by_its_text_alone(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_statement(con, sql.format(**PLACES))
    assert refused.value.exit_code is ExitCode.USAGE
    assert refused.value.next_move


@pytest.mark.parametrize("sql", HARMLESS)
def test_a_harmless_statement_passes(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    statement, is_plan, _ = check_statement(con, sql)
    assert statement.casefold().split() == sql.casefold().split()
    assert is_plan == sql.startswith("explain")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("from read_csv('x')", "the table function read_csv"),
        ("select current_setting('x'), getvariable('y')", "the function current_setting, the function getvariable"),
        ("from '/etc/passwd'", "the file /etc/passwd"),
        ("from customers", "customers, which has no schema and is not a CTE in scope"),
        ("from pg_catalog.pg_class", "the table pg_catalog.pg_class"),
        ("drop table x", "this is DROP"),
        ("select 1; select 2", "this is 2 statements"),
        ("select 1; copy (select 1) to 'x'", "this is a SELECT and another statement"),
        ("select * from (pivot published.segments on segment_code using count(*))", "this is one with PIVOT"),
        ("selct 1", "syntax error"),
        ("explain analyze select 1", "EXPLAIN ANALYZE executes"),
    ],
)
def test_the_refusal_names_what_was_found_and_what_is_allowed(
    con: duckdb.DuckDBPyConnection, sql: str, found: str
) -> None:
    with pytest.raises(UsageError) as refused:
        check_statement(con, sql)
    assert found in str(refused.value)
    if "syntax" not in found:
        assert "conformed" in refused.value.next_move
        assert "unnest" in refused.value.next_move


def test_no_character_outside_ascii_passes_for_a_letter(con: duckdb.DuckDBPyConnection) -> None:
    alike: dict[str, set[str]] = {}
    for character in map(chr, range(128, sys.maxunicode + 1)):
        for form in (character.lower(), character.upper(), character.casefold(), normalize("NFKC", character)):
            if form[0] in ascii_letters:
                alike.setdefault(form[0].lower(), set()).add(character)
    assert {"\u212a", "\uff4b"} <= alike["k"]
    names = [
        "duckdb_settings".replace(letter, character, 1)
        for letter in set("duckdbsetting")
        for character in alike.get(letter, ())
    ]
    ctes = ", ".join(f'"{name}" as (select 1)' for name in names)
    with pytest.raises(UsageError, match="duckdb_settings, which has no schema and is not a CTE in scope"):
        check_statement(con, f"with {ctes} from duckdb_settings")


def test_everything_found_is_named_once(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError) as refused:
        check_statement(con, "select * from glob('a'), glob('b'), 'c.csv' where getvariable('d')")
    [list_] = [str(refused.value).split(": ", 1)[1].split(". ")[0]]
    assert sorted(list_.split(", ")) == ["the file c.csv", "the function getvariable", "the table function glob"]


def test_what_cannot_be_read_is_refused_and_not_a_defect(con: duckdb.DuckDBPyConnection) -> None:
    nested = "select " + "abs(" * 1100 + "1" + ")" * 1100
    for sql in ("select '\0'", "select '\udcff'", nested):
        with pytest.raises(UsageError):
            check_statement(con, sql)


def test_each_function_of_this_duckdb_was_judged(con: duckdb.DuckDBPyConnection) -> None:
    names = {
        str(name).lower()
        for (name,) in con.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions()"
            " WHERE function_type IN ('scalar', 'aggregate', 'macro')"
        ).fetchall()
    }
    judged = SCALAR_FUNCTIONS | KEPT_OUT
    unknown = sorted(name for name in names - judged if not name.startswith(KEPT_OUT_BEGINNINGS))
    assert unknown == [], "This DuckDB has functions that access/functions.py does not know; judge each."
    assert judged - names <= {"overlay", "unlist", "unnest"}, "This DuckDB lacks functions that the lists name."
    assert not SCALAR_FUNCTIONS & KEPT_OUT


def test_each_allowed_table_function_is_there(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'table'").fetchall()
    assert {str(name) for (name,) in rows} >= TABLE_FUNCTIONS
