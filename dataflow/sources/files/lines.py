"""Physical lines of a text file: those of the current row are kept, and can be given back and read again."""

from __future__ import annotations

import io
from collections.abc import Iterator

from dataflow.errors import ConservationError, SourceMalformed
from dataflow.sources.files.dialect import LONGEST_ROW

MAX_ROW_LINES = 1000
"""Lines per row, as a limit besides LONGEST_ROW, which a short unclosed row does not reach."""

LINE_ENDS = ("\n", "\r")


class Lines:
    """Feed physical lines to the parser, keep those of the current row, take lines back, and count them."""

    def __init__(self, stream: io.TextIOWrapper, path: str) -> None:
        self._stream = stream
        self._path = path
        self._returned: list[str] = []
        self.taken = 0
        self.row: list[str] = []
        self.joined = 0
        """Lines after the first of rows that have several."""
        self.passed = 0
        """Lines that are no row: blank ones, the header, those that wait."""

    def peek(self, count: int) -> list[str]:
        """Return the next lines without consuming them."""
        ahead: list[str] = []
        while len(ahead) < count and (line := self._read(self.taken + len(ahead) + 1)):
            ahead.append(line)
        self._returned.extend(reversed(ahead))
        return ahead

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.row) >= MAX_ROW_LINES:
            raise StopIteration
        # As _read does, without a call for each line.
        line = self._returned.pop() if self._returned else self._stream.readline(LONGEST_ROW)
        if not line:
            raise StopIteration
        self.taken += 1
        if len(line) == LONGEST_ROW:
            raise self._too_long(self.taken)
        self.row.append(line)
        return line

    def _read(self, number: int) -> str:
        line = self._returned.pop() if self._returned else self._stream.readline(LONGEST_ROW)
        if len(line) == LONGEST_ROW:
            raise self._too_long(number)
        return line

    def _too_long(self, number: int) -> SourceMalformed:
        return SourceMalformed(
            f"Reading {self._path}: line {number} is longer than {LONGEST_ROW} characters.",
            next_move="This is not a CSV export with one row per line; check the object's path.",
        )

    def pass_over(self) -> None:
        """Consume a line that is no row."""
        self.begin_row()
        next(self)
        self.passed += 1

    def begin_row(self) -> None:
        self.row = []

    def give_back(self, *, keep: int) -> None:
        """Keep the first lines of the current row and read the others again."""
        self._returned.extend(reversed(self.row[keep:]))
        self.taken -= len(self.row) - keep
        del self.row[keep:]

    def check_conserved(self, rows: int) -> None:
        """Check that each line is that of a row, joined to one, or passed over. Raises: ConservationError."""
        left = self.peek(1)
        if left or self.taken != rows + self.joined + self.passed:
            raise ConservationError(
                f"Reading {self._path}: {self.taken} lines{' and more' if left else ''} are not {rows} rows, "
                f"{self.joined} further lines of rows and {self.passed} lines without a row.",
                next_move="Nothing was landed; this is a defect of the reader of CSV.",
            )
