"""Stream CSV exports of any encoding and dialect; a row that does not fit is kept and marked."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import BinaryIO

import pyarrow as pa

from dataflow.errors import SchemaDrift
from dataflow.settings import ObjectSettings
from dataflow.sources.drift import answer_drift, find_drift
from dataflow.sources.files.compression import open_content
from dataflow.sources.files.dialect import (
    LONGEST_ROW,
    SAMPLE_LINES,
    Dialect,
    detect_dialect,
    header_line,
    names_delimiter,
)
from dataflow.sources.files.encoding import as_text, detect_encoding
from dataflow.sources.files.folders import folder_fields
from dataflow.sources.files.growing import is_growing, settled
from dataflow.sources.files.lines import Lines
from dataflow.sources.files.quotes import IsRow, is_unquoted
from dataflow.sources.files.splitting import Row, RowSplitter, take_header
from dataflow.sources.files.store import Store
from dataflow.sources.protocol import FetchReport, FieldInfo, Part
from dataflow.sources.rows import RowReader, Rows, key_fields

_SMALL_BYTES = 4 * 1024 * 1024

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
        yield from _Export(_opener(store, settled(part)), part, declared).read(report)


def describe(store: Store, part: Part, declared: ObjectSettings) -> list[FieldInfo]:
    """Return the columns of a file, without types: a CSV states none."""
    open_again = _opener(store, part)
    with as_text(open_again(), _encoding(open_again, declared)) as text:
        lines = Lines(text, part.path)
        dialect, _ = _start(lines, _sample(lines), declared)
        header = take_header(lines, dialect)
    return [FieldInfo(name) for name in [*header, *folder_fields(part.path, declared, present=header)]]


def _sample(lines: Lines) -> list[str]:
    """Return the first lines, from the header on."""
    sample = lines.peek(SAMPLE_LINES)
    if sample and names_delimiter(sample[0]):
        lines.pass_over()
        return sample[1:]
    return sample


def _start(lines: Lines, sample: list[str], declared: ObjectSettings) -> tuple[Dialect, int]:
    """Return the dialect of the file, and pass over the lines before its header; return how many."""
    given = declared.csv.preamble_rows
    before, dialect = given or 0, detect_dialect(sample[given or 0 :], declared.fields).declared(declared.csv)
    for first in [] if given is not None else _starts(sample, declared):
        tried = detect_dialect(sample[first:], declared.fields).declared(declared.csv)
        if header_line(sample[first : first + 1], tried, key_fields(declared)) == 0:
            before, dialect = first, tried
            break
    for _ in range(before):
        lines.pass_over()
    return dialect, before


def _starts(sample: list[str], declared: ObjectSettings) -> list[int]:
    """Return where the header can be: the first line, and those that hold the names of the key."""
    names = key_fields(declared)
    return [0, *(n for n, line in enumerate(sample) if n and all(name in line for name in names))]


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


@dataclass(frozen=True)
class _Export:
    """One file: `open_again` opens it from its start."""

    open_again: Callable[[], BinaryIO]
    part: Part
    declared: ObjectSettings

    def read(self, report: FetchReport) -> Iterator[pa.RecordBatch]:
        path, declared = self.part.path, self.declared
        encoding = _encoding(self.open_again, declared)
        with as_text(self.open_again(), encoding) as text:
            lines = Lines(text, path)
            sample = _sample(lines)
            if not any(line.strip() for line in sample):
                report.notes[path] = "empty file"
                return
            dialect, before = _start(lines, sample, declared)
            header = take_header(lines, dialect)
            in_folders = folder_fields(path, declared, present=header)
            defect = _compare([*header, *in_folders], path, declared, report)
            shape = _RowShape(header, path, declared, defect=defect, constants=in_folders)
            is_row = _row_test(header, declared)
            splitter = RowSplitter(
                lines,
                dialect,
                len(header),
                is_row,
                lambda: self._is_unquoted(encoding, dialect, is_row),
                is_growing=is_growing(self.part),
            )
            yield from self._shaped(splitter, shape, report)
            header_at = f", header in line {before + 1}" if before else ""
            report.formats[path] = f"{encoding}, {splitter.dialect}{header_at}"
            _note(splitter, path, report)

    def _shaped(self, splitter: RowSplitter, shape: _RowShape, report: FetchReport) -> Iterator[pa.RecordBatch]:
        path, rows, count = self.part.path, Rows(), 0
        for row in _without_footer(splitter, self.declared.csv.footer_rows):
            shape.add(rows, row)
            if rows.is_full:
                count += len(rows)
                report.count(path, len(rows))
                yield rows.take()
        report.count(path, len(rows))
        splitter.lines.check_conserved(count + len(rows))
        if len(rows):
            yield rows.take()

    def _is_unquoted(self, encoding: str, dialect: Dialect, is_row: IsRow) -> bool:
        with as_text(self.open_again(), encoding) as text:
            return is_unquoted(iter(lambda: text.readline(LONGEST_ROW), ""), dialect, is_row)


def _without_footer(splitter: RowSplitter, footer_rows: int) -> Iterator[Row]:
    """Yield the rows but the last ones, whose lines are passed over."""
    if not footer_rows:
        yield from splitter.rows()
        return
    held: deque[Row] = deque()
    for row in splitter.rows():
        held.append(row)
        if len(held) > footer_rows:
            yield held.popleft()
    splitter.lines.passed += len(held)


def _note(splitter: RowSplitter, path: str, report: FetchReport) -> None:
    """Note what the reader decided about the file as a whole."""
    notes = []
    if splitter.dialect.quote is None:
        notes.append("its exporter does not quote, so quotes are read as characters")
    if splitter.waits:
        notes.append("it was just written and its last line has no line end: the next run reads that line")
    if notes:
        report.notes[path] = "; ".join(notes)


def _row_test(header: Sequence[str], declared: ObjectSettings) -> IsRow:
    """Return the test whether values are those of a whole row: as many as the header's names, with a version."""
    width, reader = len(header), RowReader(declared)
    place = header.index(declared.cursor) if declared.cursor in header else None

    def is_row(values: Sequence[str]) -> bool:
        return len(values) == width and (place is None or reader.version(values[place]) is not None)

    return is_row


def _encoding(open_again: Callable[[], BinaryIO], declared: ObjectSettings) -> str:
    if declared.encoding:
        return declared.encoding
    with open_again() as stream:
        return detect_encoding(stream)


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


class _RowShape:
    """Turn parsed rows of one file into rows of a batch; `constants` are values that all rows of the file have."""

    def __init__(
        self,
        header: list[str],
        path: str,
        declared: ObjectSettings,
        *,
        defect: str | None,
        constants: Mapping[str, str | None],
    ) -> None:
        self._header = header
        self._path = path
        self._reader = RowReader(declared)
        self._defect = defect
        self._constants = {name: value or "" for name, value in constants.items() if name in self._reader.names}
        # Made once: json builds an encoder per call, which took a sixth of the reading.
        members = [f"{_quoted(name)}:%s" for name in header]
        members += [f"{_quoted(name)}:{_quoted(value) if value else 'null'}" for name, value in constants.items()]
        self._payload = f"{{{','.join(members)}}}"
        self._read = [(name, place) for place, name in enumerate(header) if name in self._reader.names]

    def add(self, rows: Rows, row: Row) -> None:
        locator = f"{self._path}#line={row.line}"
        if row.raw is not None:
            known = dict(zip(self._header[: row.sure], row.values, strict=False))
            key = self._reader.key(known | self._constants)
            rows.add(f'{{"_raw":{_AS_JSON(row.raw)}}}', locator, key=key, defect=row.defect)
            return
        known = {name: row.values[place] for name, place in self._read}
        if self._constants:
            known |= self._constants
        rows.add(
            self._payload % tuple([_AS_JSON(value) if value else "null" for value in row.values]),
            locator,
            key=self._reader.key(known),
            changed_at=self._reader.changed_at(known),
            is_deleted=self._reader.has_marks and self._reader.is_deleted(known),
            defect="; ".join(filter(None, (row.defect, self._defect))) if row.defect or self._defect else None,
        )


def _quoted(text: str) -> str:
    """Return a text as JSON, escaped for the % operator."""
    return _AS_JSON(text).replace("%", "%%")
