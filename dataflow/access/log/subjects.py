"""References to the persons whose data was read: 128 random bits each, resolved by a table beside the log.

The log is kept as it is; erasure empties the table, and a reference that nothing resolves names no person any more.
One table serves all writers of a log, so that a person has one reference.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from dataflow.errors import AccessLogUnwritable

_FILE = "subjects.sqlite3"
_REFERENCE_BYTES = 16
_WAIT_SECONDS = 10.0


class Subjects:
    """The table of one log. `person` is a customer id."""

    def __init__(self, root: Path) -> None:
        self._file = root / _FILE

    def references(self, persons: Sequence[str]) -> list[str]:
        """Return the reference of each person, made at first use. Raises: AccessLogUnwritable."""
        wanted = list(dict.fromkeys(persons))
        if not wanted:
            return []
        with self._open() as con, con:
            con.execute("CREATE TABLE IF NOT EXISTS subject (person TEXT PRIMARY KEY, reference TEXT NOT NULL)")
            con.executemany(
                "INSERT OR IGNORE INTO subject VALUES (?, ?)",
                [(person, secrets.token_hex(_REFERENCE_BYTES)) for person in wanted],
            )
            return [_reference(con, person) for person in wanted]

    def find(self, persons: Sequence[str]) -> list[str]:
        """Return the references of those persons that have one."""
        if not self._file.exists():
            return []
        with self._open() as con:
            found = [
                con.execute("SELECT reference FROM subject WHERE person = ?", (person,)).fetchone()
                for person in persons
            ]
        return [str(row[0]) for row in found if row]

    def forget(self, persons: Sequence[str]) -> int:
        """Remove the references of erased persons, their bytes too; return how many. Raises: AccessLogUnwritable."""
        if not self._file.exists():
            return 0
        with self._open() as con:
            with con:
                removed = sum(
                    con.execute("DELETE FROM subject WHERE person = ?", (person,)).rowcount for person in set(persons)
                )
            con.execute("VACUUM")
        return removed

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, timeout=_WAIT_SECONDS)) as con:
                con.execute("PRAGMA secure_delete = ON")
                yield con
        except sqlite3.Error as error:
            raise AccessLogUnwritable(
                f"The table of references {self._file} of the access log cannot be used: {type(error).__name__}."
            ) from error


def _reference(con: sqlite3.Connection, person: str) -> str:
    (reference,) = con.execute("SELECT reference FROM subject WHERE person = ?", (person,)).fetchone()
    return str(reference)
