"""Read the rows of a query as batches of BATCH_SCHEMA: key, version, deletion, and the row as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import SourceMalformed
from dataflow.sources.deletion import deletion_sql
from dataflow.sources.key_versions import versions_of_keys
from dataflow.sources.mysql.cells import Cells
from dataflow.sources.mysql.columns import PROTOCOL_TYPES, UTC_MARK, ZERO_DATE, Column, Form
from dataflow.sources.mysql.connection import Session
from dataflow.sources.mysql.payload import JsonWriter, escape, write_doubles
from dataflow.sources.mysql.questions import Table
from dataflow.sources.mysql.streaming import stream_rows
from dataflow.sources.protocol import BATCH_SCHEMA
from dataflow.sources.rows import key_fields
from lakehouse.connect import connect

_TIMESTAMP = pa.timestamp("us")


def read_rows(
    session: Session,
    table: Table,
    query: str,
    *,
    columns: Sequence[Column],
    defect: str | None = None,
    zero_dates: Counter[str],
) -> Iterator[pa.RecordBatch]:
    """Run a query for these columns and yield its rows in BATCH_SCHEMA; zero dates are counted by column.

    Raises: pymysql.MySQLError, OSError, SourceMalformed for a value that does not fit its column's type.
    """
    con = connect(threads=1)
    try:
        shaper = _Shaper(con, table, columns, defect)
        for cells in stream_rows(session.con, query, kinds=shaper.kinds):
            zero_dates.update(_tidy(cells, columns))
            yield shaper.shape(cells)
    except (duckdb.Error, pa.ArrowInvalid):
        # The cause is dropped: it quotes the value.
        raise SourceMalformed(
            f"Reading {table.name}: a value does not fit the type of its column.",
            next_move="Check the table with CHECK TABLE; if it is intact, this is a defect of the mysql adapter.",
        ) from None
    finally:
        con.close()


def _tidy(cells: Cells, columns: Sequence[Column]) -> Mapping[str, int]:
    """Make zero dates null, and fractions short; return the number of zero dates by column."""
    zeros = {}
    for number, column in enumerate(columns):
        if column.is_timestamp and (found := cells.empty_those_with(number, ZERO_DATE.encode())):
            zeros[column.name] = found
        if column.has_fraction:
            cells.drop_zeros(number)
    return zeros


class _Shaper:
    """Shape the blocks of one query; DuckDB converts only the columns that need it."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, table: Table, columns: Sequence[Column], defect: str | None
    ) -> None:
        self._con = con
        self._table = table
        self._columns = columns
        self._defect = defect
        self._places = {column.name: number for number, column in enumerate(columns)}
        self._forms = [column.form(table.zone) for column in columns]
        self._json = JsonWriter([(column.name, _around(column, table.zone)) for column in columns])

    @property
    def kinds(self) -> list[frozenset[int]]:
        """Return the protocol types that the server can use for each column."""
        return [PROTOCOL_TYPES.get(form, frozenset()) for form in self._forms]

    def shape(self, cells: Cells) -> pa.RecordBatch:
        rows = cells.rows
        arrays = [
            self._keys(cells),
            self._changed_at(cells),
            self._is_deleted(cells),
            pa.repeat(self._table.name, rows),
            pa.nulls(rows, pa.string()) if self._defect is None else pa.repeat(self._defect, rows),
            self._json.write(cells, self._replaced(cells)),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=BATCH_SCHEMA)

    def _keys(self, cells: Cells) -> pa.Array:
        names = key_fields(self._table.declared)
        if any(name not in self._places for name in names):
            return pa.nulls(cells.rows, pa.string())
        parts = [self._texts(cells, self._places[name]) for name in names]
        if len(parts) == 1:
            return parts[0]
        marked = [pc.replace_substring(pc.replace_substring(part, "%", "%25"), "|", "%7C") for part in parts]
        return pc.binary_join_element_wise(*marked, "|")

    def _changed_at(self, cells: Cells) -> pa.Array:
        kind = BATCH_SCHEMA.field("changed_at").type
        if not self._table.has_times:
            return pa.nulls(cells.rows, kind)
        cursor = self._table.cursor
        place = self._places.get(cursor.name)
        if place is None:
            timestamps = pa.nulls(cells.rows, _TIMESTAMP)
        elif self._table.follows_key:
            whole = pa.uint64() if cursor.type.startswith("U") else pa.int64()
            timestamps = versions_of_keys(pc.cast(self._texts(cells, place), whole)).view(_TIMESTAMP)
        else:
            # Without the zone: it is always UTC, and a cast that parses a zone takes longer.
            texts = cells.texts(place) if cursor.base == "timestamp" else self._texts(cells, place)
            timestamps = self._timestamps(texts)
        return timestamps.cast(kind)

    def _timestamps(self, texts: pa.Array) -> pa.Array:
        try:
            return pc.cast(texts, _TIMESTAMP)
        except pa.ArrowInvalid:
            # A day like 2026-02-31 is not valid; the other values are.
            return self._ask({"0": texts}, ['try_cast("0" AS TIMESTAMP)'])[0]

    def _is_deleted(self, cells: Cells) -> pa.Array:
        declared = self._table.declared
        marks = [pa.repeat(False, cells.rows)]
        if (stamp := self._places.get(declared.deleted_when_set)) is not None and not self._is_empty(cells, stamp):
            typed = f"({self._typed(stamp)})"
            asked = deletion_sql(typed, declared=declared)
            marks += self._ask(self._received(cells, [stamp]), [asked])
        if (flag := self._places.get(declared.deleted_flag)) is not None:
            asked = f"coalesce(try_cast({self._typed(flag)} AS BOOLEAN), false)"
            marks += self._ask(self._received(cells, [flag]), [asked])
        return reduce(pc.or_, marks)

    @staticmethod
    def _is_empty(cells: Cells, place: int) -> bool:
        nulls = cells.nulls[place]
        return nulls is not None and bool(nulls.all())

    def _replaced(self, cells: Cells) -> dict[int, pa.Array]:
        """Return the columns whose text is not JSON yet."""
        made = [place for place, form in enumerate(self._forms) if form is Form.MADE]
        asked = [f"coalesce(to_json({self._shown(place)})::VARCHAR, '')" for place in made]
        replaced = dict(zip(made, self._ask(self._received(cells, made), asked), strict=True)) if made else {}
        for place, form in enumerate(self._forms):
            if form is Form.DOUBLE:
                replaced[place] = self._doubles(cells, place)
            elif form is Form.TEXT and (escaped := escape(cells.texts(place))) is not None:
                replaced[place] = escaped
        return replaced

    def _doubles(self, cells: Cells, place: int) -> pa.Array:
        numbers = cells.doubles(place)
        texts, others = write_doubles(numbers, cells.nulls[place])
        if not others.any():
            return texts
        [made] = self._ask({"0": pa.array(numbers[others])}, ['to_json("0")::VARCHAR'])
        return pc.replace_with_mask(texts, pa.array(others), made)

    def _texts(self, cells: Cells, place: int) -> pa.Array:
        """Return the values of a column as DuckDB writes them."""
        if self._forms[place] not in (Form.MADE, Form.DOUBLE) and self._columns[place].base != "timestamp":
            return cells.texts(place)
        return self._ask(self._received(cells, [place]), [f"({self._typed(place)})::VARCHAR"])[0]

    def _typed(self, place: int) -> str:
        return self._columns[place].typed(str(place), zone=self._table.zone)

    def _shown(self, place: int) -> str:
        """Return the argument of to_json: bytes as DuckDB writes them."""
        typed = self._typed(place)
        return f"{typed}::VARCHAR" if self._columns[place].is_bytes else typed

    def _received(self, cells: Cells, places: Sequence[int]) -> dict[str, pa.Array]:
        return {str(place): self._value(cells, place) for place in places}

    def _value(self, cells: Cells, place: int) -> pa.Array:
        if self._forms[place] is Form.DOUBLE:
            return pa.array(cells.doubles(place), mask=cells.nulls[place])
        return cells.octets(place) if self._columns[place].is_bytes else cells.texts(place)

    def _ask(self, received: Mapping[str, pa.Array], expressions: Sequence[str]) -> list[pa.Array]:
        # Block by block: DuckDB keeps everything it has read from a registered stream (measured).
        batch = pa.RecordBatch.from_arrays(list(received.values()), names=list(received))
        self._con.register("received", pa.Table.from_batches([batch]))
        try:
            found = self._con.execute(f"SELECT {', '.join(expressions)} FROM received").to_arrow_table()
        finally:
            self._con.unregister("received")
        return [column.combine_chunks() for column in found.columns]


def _around(column: Column, zone: str) -> tuple[str, str]:
    """Return the text before and after a value in JSON."""
    if column.form(zone) in (Form.NUMBER, Form.DOUBLE, Form.MADE):
        return "", ""
    return '"', f'{UTC_MARK}"' if column.base == "timestamp" else '"'
