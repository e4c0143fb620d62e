"""Read the rows of a query as batches of BATCH_SCHEMA: text off the wire, typed and shaped by DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from dataflow.errors import SourceMalformed
from dataflow.sources.mysql.columns import ZERO_DATE, Column, typed_relation
from dataflow.sources.mysql.connection import Session
from dataflow.sources.mysql.questions import Table
from dataflow.sources.mysql.wire import has_prefix, stream_rows
from dataflow.sources.protocol import BATCH_SCHEMA
from dataflow.sources.typed import shape_sql
from lakehouse.connect import connect
from lakehouse.table import literal, quote


def read_rows(
    session: Session,
    table: Table,
    query: str,
    *,
    columns: Sequence[Column],
    defect: str | None = None,
    zero_dates: Counter[str],
) -> Iterator[pa.RecordBatch]:
    """Run a query for these columns and yield its rows in BATCH_SCHEMA; dates that are none are counted by column.

    Raises: pymysql.MySQLError, OSError, SourceMalformed for a value that is not what its column says.
    """
    shapes = [_shape_sql(table, columns, defect, has_zero_dates=has_some) for has_some in (False, True)]
    moments = [(str(n), column.name) for n, column in enumerate(columns) if column.is_moment]
    con = connect(threads=1)
    try:
        for block in stream_rows(session.con, query, binary=[column.is_bytes for column in columns]):
            # Block by block: DuckDB was measured to hold on to everything it has read from a registered stream.
            con.register("received", pa.Table.from_batches([block]))
            zeros = _count_zero_dates(con, moments) if _may_have_zero_dates(block, moments) else {}
            zero_dates.update(zeros)
            shaped = con.execute(shapes[bool(zeros)]).to_arrow_table().cast(BATCH_SCHEMA)
            con.unregister("received")
            yield from shaped.to_batches()
    except duckdb.Error:
        # The cause is dropped: it quotes the value.
        raise SourceMalformed(
            f"Reading {table.name}: a value is not what the type of its column says.",
            next_move="Check the table with CHECK TABLE; if it is sound, this is a defect of the mysql adapter.",
        ) from None
    finally:
        con.close()


def _shape_sql(table: Table, columns: Sequence[Column], defect: str | None, *, has_zero_dates: bool) -> str:
    cursor = table.cursor
    moment = ""
    if table.follows_key:
        moment = f"make_timestamp(t.{quote(cursor.name)}::BIGINT)::TIMESTAMPTZ"
    elif cursor.base != "timestamp" and cursor in columns:
        # The text is UTC: a cast that looks for a zone takes twice the time. The schema of a batch adds it.
        moment = f"try_cast(t.{quote(cursor.name)} AS TIMESTAMP)"
    return shape_sql(
        f"({typed_relation(columns, 'received', zone=table.zone, has_zero_dates=has_zero_dates)})",
        table.declared,
        types={column.name: column.type for column in columns},
        locator=literal(table.name),
        defect=defect,
        changed_at=moment,
    )


def _may_have_zero_dates(block: pa.RecordBatch, moments: Sequence[tuple[str, str]]) -> bool:
    """Look at the first bytes alone: to ask DuckDB every time took a tenth of the shaping."""
    return any(has_prefix(block.column(place), b"0000") for place, _ in moments)


def _count_zero_dates(con: duckdb.DuckDBPyConnection, moments: Sequence[tuple[str, str]]) -> dict[str, int]:
    counts = ", ".join(f"count_if(starts_with({quote(place)}, '{ZERO_DATE}'))" for place, _ in moments)
    [found] = con.execute(f"SELECT {counts} FROM received").fetchall()
    return {name: int(count) for (_, name), count in zip(moments, found, strict=True) if count}
