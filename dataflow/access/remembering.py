"""Remember the answers to DataFlow's own statements for as long as a kept connection reads the same version.

A statement is remembered by its text and values, and only while its connection has no tables or relations of its own:
what it answers then depends on the published version alone.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Self, cast

from duckdb import DuckDBPyConnection

_MOST_ANSWERS = 400
_MOST_ROWS = 2_000
"""Of one answer: larger ones are not for a page."""

_IS_QUERY = re.compile(r"\s*(SELECT|FROM|WITH)\b", re.IGNORECASE)
_OF_THE_CLOCK = re.compile(r"\b(now|random|current_(date|time|timestamp)|get_current_\w+|today)\b", re.IGNORECASE)
# Methods that read the rest of an answer, and those that change nothing a statement sees; any other one may.
_READING = ("fetch", "arrow", "to_arrow", "df", "pl", "rowcount")
_HARMLESS = frozenset({"interrupt", "cursor", "close", "begin", "commit", "rollback"})

Build = Callable[[DuckDBPyConnection], None]
Answered = tuple[Any, tuple[Any, ...]]
"""The description of the columns, and the rows."""


class Answers:
    """What is remembered of one version: answers, newest last, and what was prepared in the connection's memory."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answered] = OrderedDict()
        self._lock = threading.Lock()
        self._prepared: set[str] = set()
        self._preparing = threading.Lock()

    def find(self, key: str) -> Answered | None:
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
            return found

    def keep(self, key: str, answered: Answered) -> None:
        with self._lock:
            self._answers[key] = answered
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)

    def prepare(self, name: str, con: DuckDBPyConnection, build: Build) -> None:
        """Build something in the memory of the connection, once."""
        with self._preparing:
            if name not in self._prepared:
                build(con)
                self._prepared.add(name)


class RememberingConnection:
    """A cursor of a kept connection. `fetchall` remembers; any other method than `fetchone` asks the statement anew."""

    def __init__(self, con: DuckDBPyConnection, answers: Answers) -> None:
        self._con: Any = con
        self._answers = answers
        self._is_changed = False
        self._key = ""
        self._asked: tuple[Any, ...] = ()
        self._found: Answered | None = None
        self._rows: Iterator[Any] = iter(())

    def prepared(self, name: str, build: Build) -> DuckDBPyConnection:
        """Return a cursor that sees what `build` makes in the catalogue `memory`, which is built once for a version.

        `build` names the tables of the lake with their catalogue.
        """
        cursor: DuckDBPyConnection = self._con.cursor()
        self._answers.prepare(name, cursor, build)
        return cursor

    def execute(self, query: object, *values: Any) -> Self:
        self._asked, self._found, self._key = (query, *values), None, ""
        if not isinstance(query, str) or not _IS_QUERY.match(query):
            self._is_changed = True
        elif not self._is_changed and not _OF_THE_CLOCK.search(query):
            self._key = repr((query, *values))
            self._found = self._answers.find(self._key)
        if self._found is None:
            self._con.execute(query, *values)
        else:
            self._rows = iter(self._found[1])
        return self

    @property
    def description(self) -> Any:
        return self._found[0] if self._found is not None else self._con.description

    def fetchall(self) -> list[Any]:
        if self._found is not None:
            return list(self._rows)
        description, rows = self._con.description, self._con.fetchall()
        if self._key and len(rows) <= _MOST_ROWS:
            self._answers.keep(self._key, (description, tuple(rows)))
        self._key = ""
        return cast(list[Any], rows)

    def fetchone(self) -> Any:
        if self._found is not None:
            return next(self._rows, None)
        self._key = ""
        return self._con.fetchone()

    def __getattr__(self, name: str) -> Any:
        if name.startswith(_READING):
            self._key = ""
            if self._found is not None:
                self._found = None
                self._con.execute(*self._asked)
        elif name not in _HARMLESS:
            self._is_changed = True
        return getattr(self._con, name)
