"""Which values of `deleted_when_set` delete a record: the same ones whether a row is read by Python or by DuckDB."""

import duckdb
import pytest

from dataflow.settings import ObjectSettings
from dataflow.sources.deletion import ambiguous_sql, deletion_of, deletion_sql
from dataflow.validate.cast import cast_sql

NEVER = ("", "  ", "\\N", "NULL", "null", "-", "n/a", "nan", "0000-00-00", "0000-00-00 00:00:00",
         "0001-01-01T00:00:00Z", "1899-12-30")  # fmt: skip
TIMES = ("2026-03-01", "2026-03-01 10:00:00", "2026-03-01T10:00:00.5Z", "2026-03-01T10:00:00+02:00")


def declared(kind: str) -> ObjectSettings:
    return ObjectSettings(key="id", cursor="at", deleted_when_set="gone", fields={"id": "BIGINT", "gone": kind})


def by_duckdb(kind: str, text: str | None) -> bool:
    condition = deletion_sql("gone", actual="VARCHAR", declared=declared(kind))
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


@pytest.mark.parametrize(("value", "deletes"), [(1, True), ("17", True), ("", False), (None, False), ("\\N", False)])
def test_a_number_is_one(value: object, deletes: bool) -> None:
    assert deletion_of(declared("BIGINT"))(value) is deletes


@pytest.mark.parametrize("text", ["2026/03/01 10:00", "0001-01-01"])
def test_what_duckdb_reads_and_the_reader_did_not_is_ambiguous_and_set_aside(text: str) -> None:
    assert not deletion_of(declared("TIMESTAMP"))(text)
    row = duckdb.execute(
        f"SELECT {ambiguous_sql(declared('TIMESTAMP'))} FROM (SELECT {cast_sql('t', 'TIMESTAMP')} AS gone "
        "FROM (SELECT ? AS t))",
        [text],
    ).fetchone()
    assert row == (True,)
