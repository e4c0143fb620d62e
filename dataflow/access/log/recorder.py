"""Record what is read through one open door: an entry for each statement of a person, one for DataFlow's own SQL.

Before the first row a read is on record as begun (intents.py); its entry follows when the answer is complete, or the
door closes. An answer that was not read to its end has the rows that were handed out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from duckdb import DuckDBPyConnection
from duckdb import Error as DuckDBError

from dataflow.access.answers import Row, fold
from dataflow.access.doors import DoorKind
from dataflow.access.log.entry import Entry, ReadEnding
from dataflow.access.log.intents import Intent
from dataflow.access.log.place import log_root, own_writer
from dataflow.access.log.statement import ALL_COLUMNS, Facts, facts_of, form_hash
from dataflow.access.log.subjects import Subjects
from dataflow.access.log.writer import LogWriter
from dataflow.access.who import Purpose, Who
from dataflow.errors import AccessLogUnwritable, UsageError
from dataflow.settings import Settings
from dataflow.tables.registry import STATIC
from lakehouse.table import qualified

_COLUMNS: dict[str, Sequence[str]] = {table.full_name: table.column_names for table in STATIC}
_LAYERS = "raw|valid|conformed|resolved|enriched|published|ops"
_TABLE_IN_SQL = re.compile(rf'(?<![\w"])"?({_LAYERS})"?\."?(\w+)"?')


@dataclass(eq=False)
class Reading:
    """One read that has begun. `rows` counts those handed out."""

    entry: Entry
    intent: Intent | None
    rows: int = 0
    tables: dict[str, None] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    persons: dict[str, None] = field(default_factory=dict)


class Recorder:
    """What one open door reads. `unlogged` says why a read without data of persons is not in the log."""

    def __init__(
        self, settings: Settings, who: Who, kind: DoorKind, *, purpose: Purpose, as_of: object, masked: bool
    ) -> None:
        self._settings, self._who, self._kind, self._purpose = settings, who, kind, purpose
        self._as_of, self._masked = "" if as_of is None else str(as_of), masked
        self._writer: LogWriter | None = None
        self._open: list[Reading] = []
        self._own: Reading | None = None
        self.unlogged = ""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """End the reads of the block with it."""
        try:
            yield
        except BaseException as error:
            outcome, detail = _ending(error)
            for reading in list(self._open):
                self.end(reading, outcome, detail=detail)
            raise
        for reading in list(self._open):
            self.end(reading)

    def refused(self) -> None:
        """Record a statement of a person that was refused before it read anything."""
        reading = self._begin(self._entry())
        self.end(reading, ReadEnding.REFUSED)

    def statement(self, con: DuckDBPyConnection, tree: Any) -> Reading:
        """Record that a statement of a person begins. Raises: AccessLogUnwritable, AccessLogDamaged."""
        named = facts_of(tree)
        facts = _existing(con, named)
        writer = self._log()
        # A masked id is not that of a person in the table of references.
        persons = [] if self._masked else named.persons
        entry = replace(
            self._entry(),
            tables=tuple(facts.tables),
            columns=tuple(facts.columns),
            subjects=tuple(self._references(persons)),
            statement=form_hash(tree, writer.hash_key) if writer else "",
        )
        return self._begin(entry)

    @contextmanager
    def failing(self, reading: Reading) -> Iterator[None]:
        """End a read by the error of the block; one whose rows are no longer taken ends with the door."""
        try:
            yield
        except GeneratorExit:
            raise
        except BaseException as error:
            outcome, detail = _ending(error)
            self.end(reading, outcome, detail=detail)
            raise

    def taking(self, reading: Reading) -> Callable[[Iterator[Row]], Iterator[Row]]:
        """Return what counts the rows taken from an answer, and ends the read with the last one."""

        def taken(rows: Iterator[Row]) -> Iterator[Row]:
            with self.failing(reading):
                for row in rows:
                    reading.rows += 1
                    yield row
            self.end(reading)

        return taken

    def own_statement(self, sql: object) -> None:
        """Note a statement that DataFlow wrote: the door has one entry for all of them."""
        named = _TABLE_IN_SQL.findall(str(sql))
        tables = {f"{schema}.{name}": None for schema, name in named if _is_table(schema, name)}
        if not tables:
            return
        if self._own is None:
            self._own = self._begin(replace(self._entry(), tables=tuple(tables), columns=(ALL_COLUMNS,)))
            self._own.columns[ALL_COLUMNS] = None
        self._own.tables |= tables

    def own_rows(self, count: int) -> None:
        """Count rows that a statement of DataFlow returned."""
        if self._own is not None:
            self._own.rows += count

    def about(self, persons: Sequence[str]) -> None:
        """Note the customers that the answer is about."""
        if self._own is not None:
            self._own.persons |= dict.fromkeys(persons)

    def end(self, reading: Reading, outcome: ReadEnding = ReadEnding.ANSWERED, *, detail: str = "") -> None:
        """Append the entry of a read, once. Raises: AccessLogUnwritable, AccessLogDamaged."""
        if reading not in self._open:
            return
        self._open.remove(reading)
        if reading.intent is None or self._writer is None:
            return
        tables = dict.fromkeys(reading.entry.tables) | reading.tables
        entry = replace(
            reading.entry,
            outcome=outcome,
            rows=reading.rows,
            tables=tuple(tables),
            subjects=(*reading.entry.subjects, *self._references(list(reading.persons))),
            detail=detail,
        )
        with self._tolerating():
            self._writer.end(reading.intent, entry)

    def _begin(self, entry: Entry) -> Reading:
        reading = Reading(entry, None)
        with self._tolerating():
            writer = self._log()
            reading.intent = writer.begin(entry) if writer else None
        self._open.append(reading)
        return reading

    def _log(self) -> LogWriter | None:
        if self._writer is None:
            with self._tolerating():
                self._writer = own_writer(self._settings)
        return self._writer

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        """Let a read without data of persons go on where the log cannot be written."""
        try:
            yield
        except AccessLogUnwritable as error:
            if self._kind.has_persons:
                raise
            self.unlogged = error.message

    def _references(self, persons: Sequence[str]) -> list[str]:
        return Subjects(log_root(self._settings)).references(persons) if persons else []

    def _entry(self) -> Entry:
        return Entry(
            at=datetime.now(UTC),
            who=self._who.name,
            authenticated=self._who.authenticated,
            role=str(self._who.role),
            purpose=str(self._purpose),
            door=self._kind.name,
            masked=self._masked,
            as_of=self._as_of,
        )


class RecordedConnection:
    """A connection whose statements and rows are noted; everything else is the connection's own."""

    def __init__(self, con: DuckDBPyConnection, recorder: Recorder) -> None:
        self._con: Any = con
        self._recorder = recorder

    @property
    def unrecorded(self) -> DuckDBPyConnection:
        """Return the connection itself, for a statement that is recorded otherwise."""
        return cast(DuckDBPyConnection, self._con)

    def execute(self, query: object, *arguments: Any, **named: Any) -> RecordedConnection:
        self._recorder.own_statement(query)
        self._con.execute(query, *arguments, **named)
        return self

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._con.fetchall()
        self._recorder.own_rows(len(rows))
        return rows

    def fetchmany(self, size: int = 1) -> list[Any]:
        rows: list[Any] = self._con.fetchmany(size)
        self._recorder.own_rows(len(rows))
        return rows

    def fetchone(self) -> Any:
        row = self._con.fetchone()
        self._recorder.own_rows(row is not None)
        return row

    def cursor(self) -> RecordedConnection:
        return RecordedConnection(self._con.cursor(), self._recorder)

    def __enter__(self) -> RecordedConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._con, name)
        return self._noting(found) if name in _READING else found

    def _noting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def read(query: object, *arguments: Any, **named: Any) -> Any:
            self._recorder.own_statement(query)
            return method(query, *arguments, **named)

        return read


_READING = frozenset({"sql", "query", "from_query", "table", "view", "executemany"})
"""Other methods of a connection that take SQL or the name of a table first."""


def _is_table(schema: str, name: str) -> bool:
    return schema in ("raw", "valid") or f"{schema}.{name}" in _COLUMNS


def _existing(con: DuckDBPyConnection, facts: Facts) -> Facts:
    """Leave out names that are not of the lake: what a person wrote in their place can be a value of another person."""
    known = {ALL_COLUMNS: ALL_COLUMNS}
    tables = []
    for written in facts.tables:
        table = fold(written)
        columns = _COLUMNS.get(table) or _columns_in(con, table)
        if columns:
            tables.append(table)
            known |= {fold(name): name for name in columns}
    columns = [known[fold(name)] for name in facts.columns if fold(name) in known]
    return Facts(list(dict.fromkeys(tables)), list(dict.fromkeys(columns)))


def _columns_in(con: DuckDBPyConnection, table: str) -> list[str]:
    schema, _, name = table.partition(".")
    try:
        return [str(row[0]) for row in con.execute(f"DESCRIBE {qualified(schema, name)}").fetchall()]
    except DuckDBError:
        return []


def _ending(error: BaseException) -> tuple[ReadEnding, str]:
    """Return how a read ended by an error; of the error only its class, as its message can hold a value."""
    if isinstance(error, KeyboardInterrupt | GeneratorExit | BrokenPipeError):
        return ReadEnding.INTERRUPTED, type(error).__name__
    if isinstance(error, UsageError) and not isinstance(error.__cause__, DuckDBError):
        return ReadEnding.REFUSED, ""
    return ReadEnding.FAILED, type(error.__cause__ or error).__name__
