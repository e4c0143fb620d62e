"""Stream CSV exports of any encoding and dialect; a row that does not fit is kept and marked."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from json.encoder import encode_basestring
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from dataflow.errors import SchemaDrift, SourceMalformed
from dataflow.settings import ObjectSettings
from dataflow.sources.drift import answer_drift, find_drift
from dataflow.sources.files.compression import open_content
from dataflow.sources.files.dialect import LONGEST_ROW, SAMPLE_LINES, Dialect, detect_dialect, has_names
from dataflow.sources.files.encoding import MISFIT, as_text, detect_encoding
from dataflow.sources.files.store import Store
from dataflow.sources.protocol import FetchReport, FieldInfo, Part
from dataflow.sources.rows import RowReader, Rows, key_fields

_SMALL_BYTES = 4 * 1024 * 1024
_MAX_ROW_LINES = 1000
"""Lines per row, as a limit besides LONGEST_ROW, which a short unclosed row does not reach."""

_AS_JSON = encode_basestring


def read_exports(
    store: Store, parts: Sequence[Part], declared: ObjectSettings, report: FetchReport
) -> Iterator[pa.RecordBatch]:
    """Read CSV files one by one. An empty file has no rows; a file without the key column is refused.

    Shape: payload is {column: text}, an empty field null; for a row that does not fit, {"_raw": its text}.
    Raises: SourceMalformed, SchemaDrift.
    """
    for part in parts:
        report.count(part.path, 0)
        yield from _read_export(_opener(store, part), part.path, declared, report)


def describe(store: Store, part: Part, declared: ObjectSettings) -> list[FieldInfo]:
    """Return the columns of a file, without types: a CSV states none."""
    open_again = _opener(store, part)
    with as_text(open_again(), _encoding(open_again, declared)) as text:
        lines = _Lines(text, part.path)
        header = _take_header(lines, detect_dialect(lines.peek(SAMPLE_LINES), declared.fields))
    return [FieldInfo(name) for name in header]


def _opener(store: Store, part: Part) -> Callable[[], BinaryIO]:
    """Return a function that opens the part from its start; a small part is fetched once.

    Detecting the encoding reads the whole file, so a large one is read twice; declaring the encoding avoids that.
    """
    if part.size_bytes <= _SMALL_BYTES:
        with open_content(store, part) as stream:
            content = stream.read(_SMALL_BYTES + 1)
        if len(content) <= _SMALL_BYTES:
            return lambda: io.BytesIO(content)
    return lambda: open_content(store, part)


def _read_export(
    open_again: Callable[[], BinaryIO], path: str, declared: ObjectSettings, report: FetchReport
) -> Iterator[pa.RecordBatch]:
    encoding = _encoding(open_again, declared)
    with as_text(open_again(), encoding) as text:
        lines = _Lines(text, path)
        sample = lines.peek(SAMPLE_LINES)
        if not any(line.strip() for line in sample):
            report.notes[path] = "empty file"
            return
        dialect = detect_dialect(sample, declared.fields)
        report.formats[path] = f"{encoding}, {dialect}"
        header = _take_header(lines, dialect)
        defect = _compare(header, path, declared, report)
        shape = _RowShape(header, path, declared, defect=defect)
        rows = Rows()
        for row in _split_rows(lines, dialect, len(header)):
            shape.add(rows, row)
            if rows.is_full:
                report.count(path, len(rows))
                yield rows.take()
        report.count(path, len(rows))
        if len(rows):
            yield rows.take()


def _encoding(open_again: Callable[[], BinaryIO], declared: ObjectSettings) -> str:
    if declared.encoding:
        return declared.encoding
    with open_again() as stream:
        return detect_encoding(stream)


class _Lines:
    """Feed physical lines to the parser, keep those of the current row, take lines back."""

    def __init__(self, stream: io.TextIOWrapper, path: str) -> None:
        self._stream = stream
        self._path = path
        self._returned: list[str] = []
        self.taken = 0
        self.row: list[str] = []

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
        if len(self.row) >= _MAX_ROW_LINES or not (line := self._read(self.taken + 1)):
            raise StopIteration
        self.taken += 1
        self.row.append(line)
        return line

    def _read(self, number: int) -> str:
        line = self._returned.pop() if self._returned else self._stream.readline(LONGEST_ROW)
        if len(line) == LONGEST_ROW:
            raise SourceMalformed(
                f"Reading {self._path}: line {number} is longer than {LONGEST_ROW} characters.",
                next_move="This is not a CSV export with one row per line; check the object's path.",
            )
        return line

    def begin_row(self) -> None:
        self.row = []

    def give_back(self) -> None:
        """Keep the first line of the current row and read the others again."""
        self._returned.extend(reversed(self.row[1:]))
        self.taken -= len(self.row) - 1
        del self.row[1:]


class _Row(NamedTuple):
    """A row; `line` is its first line. Where its values do not fit the header, `raw` is its text and `defect` why."""

    line: int
    values: list[str]
    defect: str | None = None
    raw: str | None = None
    sure: int = 0
    """In a row that does not fit: how many values from the left are certainly in their own column."""


def _take_header(lines: _Lines, dialect: Dialect) -> list[str]:
    reader = dialect.reader(lines)
    while True:
        lines.begin_row()
        try:
            names = next(reader)
        except (csv.Error, StopIteration):
            return []
        if has_names(names):
            return _distinct([name.strip() for name in names])


def _distinct(names: list[str]) -> list[str]:
    """Name columns without a name, and number duplicates, so that no value hides another."""
    result: list[str] = []
    for place, name in enumerate(names, start=1):
        base = name or f"column_{place}"
        chosen, number = base, 1
        while chosen in result:
            number += 1
            chosen = f"{base}__{number}"
        result.append(chosen)
    return result


def _compare(header: list[str], path: str, declared: ObjectSettings, report: FetchReport) -> str | None:
    known = sum(name in declared.fields for name in header)
    if 2 * known < min(len(header), len(declared.fields)) and not set(key_fields(declared)) <= set(header):
        # Without column names: the first line can contain customer data.
        raise SchemaDrift(
            f"Reading {path}: its first line is not the header: {known} of the {len(declared.fields)} declared "
            f"columns are in it, and not the key {declared.key}.",
            next_move="Have it exported with a header, or correct the object's path or fields.",
        )
    drift = find_drift(declared, header)
    report.drift = report.drift.merged(drift)
    return answer_drift(drift, declared, where=path)


def _split_rows(lines: _Lines, dialect: Dialect, width: int) -> Iterator[_Row]:
    reader = dialect.reader(lines)
    while True:
        lines.begin_row()
        begin = lines.taken + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Only the first line certainly belongs to the row; the others can be valid rows.
            lines.give_back()
            is_open = "unexpected end" in str(error)
            defect = "a quote is opened and not closed" if is_open else "text after a closing quote"
            yield _Row(begin, _loosely(lines.row[0], dialect), defect, lines.row[0], sure=1)
            continue
        if not values:
            continue
        if len(values) == width:
            yield _Row(begin, values, _misfit(lines.row))
        elif len(values) < width and not lines.row[-1].endswith(("\n", "\r")):
            defect = f"cut off: {len(values)} of {width} fields and no line end"
            # The last value itself can be cut off.
            yield _Row(begin, values, defect, "".join(lines.row), sure=len(values) - 1)
        else:
            # The surplus or missing delimiter can be anywhere after the first value.
            defect = f"{len(values)} fields where the header has {width}"
            yield _Row(begin, values, defect, "".join(lines.row), sure=1)


def _misfit(lines: list[str]) -> str | None:
    for line in lines:
        if MISFIT in line:
            return "bytes that are invalid in the file's encoding"
    return None


def _loosely(line: str, dialect: Dialect) -> list[str]:
    return [value.strip(dialect.quote) for value in line.rstrip("\r\n").split(dialect.delimiter)]


class _RowShape:
    """Turn parsed rows of one file into rows of a batch."""

    def __init__(self, header: list[str], path: str, declared: ObjectSettings, *, defect: str | None) -> None:
        self._header = header
        self._path = path
        self._reader = RowReader(declared)
        self._defect = defect
        # Made once: json builds an encoder per call, which took a sixth of the reading.
        self._payload = f"{{{','.join(f'{_quoted(name)}:%s' for name in header)}}}"
        self._read = [(name, place) for place, name in enumerate(header) if name in self._reader.names]

    def add(self, rows: Rows, row: _Row) -> None:
        locator = f"{self._path}#line={row.line}"
        if row.raw is not None:
            known = dict(zip(self._header[: row.sure], row.values, strict=False))
            rows.add(f'{{"_raw":{_AS_JSON(row.raw)}}}', locator, key=self._reader.key(known), defect=row.defect)
            return
        known = {name: row.values[place] for name, place in self._read}
        rows.add(
            self._payload % tuple([_AS_JSON(value) if value else "null" for value in row.values]),
            locator,
            key=self._reader.key(known),
            changed_at=self._reader.changed_at(known),
            is_deleted=self._reader.is_deleted(known),
            defect="; ".join(filter(None, (row.defect, self._defect))) or None,
        )


def _quoted(name: str) -> str:
    """Return a column's name as JSON text, escaped for the % operator."""
    return _AS_JSON(name).replace("%", "%%")
