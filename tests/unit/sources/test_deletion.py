"""Which values of `deleted_when_set` delete a record: the same ones whether a row is read by Python or by DuckDB."""

import duckdb
import pytest

from dataflow.settings import ObjectSettings
from dataflow.sources.deletion import ambiguous_sql, deletion_of, deletion_sql
from dataflow.validate.cast import cast_sql

NEVER = ("", "  ", "\\N", "NULL", "null", "-", "n/a", "nan", "0000-00-00", "0000-00-00 00:00:00",
         "0001-01-01T00:00:00Z", "1899-12-30", "9999-12-31", "9999-12-31 23:59:59", "0", "false", "No",
         "1970-01-01", "1970-01-01T00:00:00Z", "1900-01-01 00:00:00.000")  # fmt: skip
TIMES = ("2026-03-01", "2026-03-01 10:00:00", "2026-03-01T10:00:00.5Z", "2026-03-01T10:00:00+02:00")


def declared(kind: str) -> ObjectSettings:
    return ObjectSettings(key="id", cursor="at", deleted_when_set="gone", fields={"id": "BIGINT", "gone": kind})


def by_duckdb(kind: str, text: str | None) -> bool:
    condition = deletion_sql("gone", declared=declared(kind))
    row = duckdb.execute(f"SELECT {condition} FROM (SELECT ?::VARCHAR AS gone)", [text]).fetchone()
    assert row is not None
    return bool(row[0])


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "DATE", "VARCHAR"])
@pytest.mark.parametrize(("texts", "deletes"), [((None, *NEVER), False), (TIMES, True)])
def test_what_stands_for_no_time_deletes_nothing(kind: str, texts: tuple[str | None, ...], deletes: bool) -> None:
    assert {text: deletion_of(declared(kind))(text) for text in texts} == dict.fromkeys(texts, deletes)
    assert {text: by_duckdb(kind, text) for text in texts} == dict.fromkeys(texts, deletes)


def test_a_text_that_says_something_deletes_where_the_mark_is_declared_as_text() -> None:
    assert deletion_of(declared("VARCHAR"))("left in March")
    assert by_duckdb("VARCHAR", "left in March")
    assert not deletion_of(declared("TIMESTAMP"))("left in March")
    assert not by_duckdb("TIMESTAMP", "left in March")


@pytest.mark.parametrize(
    ("kind", "text", "deletes"),
    [
        *[("BIGINT", text, True) for text in ("1", "17", "1767261600", "-1")],
        *[("BIGINT", text, False) for text in ("", None, "\\N", "0", "0.0", "soon")],
        *[("BOOLEAN", text, True) for text in ("true", "1", "t")],
        *[("BOOLEAN", text, False) for text in ("false", "0", "", None, "soon")],
    ],
)
def test_a_number_or_a_yes_deletes_and_zero_does_not(kind: str, text: str | None, deletes: bool) -> None:
    assert deletion_of(declared(kind))(text) is deletes
    assert by_duckdb(kind, text) is deletes


@pytest.mark.parametrize(("kind", "value"), [("BIGINT", "0"), ("BOOLEAN", "false"), ("TIMESTAMP", "9999-12-31")])
def test_what_stands_for_never_is_not_ambiguous(kind: str, value: str) -> None:
    row = duckdb.execute(f"SELECT {ambiguous_sql(declared(kind))} FROM (SELECT ?::{kind} AS gone)", [value]).fetchone()
    assert row == (False,)


@pytest.mark.parametrize("text", ["2026/03/01 10:00", "0001-01-01"])
def test_what_duckdb_reads_and_the_reader_did_not_is_ambiguous_and_set_aside(text: str) -> None:
    assert not deletion_of(declared("TIMESTAMP"))(text)
    row = duckdb.execute(
        f"SELECT {ambiguous_sql(declared('TIMESTAMP'))} FROM (SELECT {cast_sql('t', 'TIMESTAMP')} AS gone "
        "FROM (SELECT ? AS t))",
        [text],
    ).fetchone()
    assert row == (True,)
