"""Read an undeclared table, CSV or Parquet, with any headings, encoding and dialect."""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import duckdb

from dataflow.errors import SourceMalformed, SourceMissing, UsageError
from dataflow.sources.files.compression import unpacked
from dataflow.sources.files.dialect import (
    SAMPLE_LINES,
    Dialect,
    detect_dialect,
    has_names,
    names_delimiter,
    preamble_lines,
)
from dataflow.sources.files.encoding import as_text, detect_encoding
from dataflow.sources.files.quotes import is_unquoted
from dataflow.sources.files.swallowed import find_swallowed
from lakehouse.table import file_literal, literal

DELIMITED = (".csv", ".tsv", ".txt")
SUFFIXES = (*DELIMITED, ".parquet")
# rows that decide whether a file has no headings
FIRST_ROWS = 20
# Values that cannot be a heading: an e-mail address, a date, a telephone or another long number. DuckDB's own
# detection looks at types only, and takes the first of a list of addresses for a heading.
_VALUE = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}|\d{1,4}([-/.])\d{1,2}\1\d{1,4}|\+?[(]?\d([-(). /]*\d){4,}")


def load_table(con: duckdb.DuckDBPyConnection, path: Path, *, doing: str, into: str) -> list[str]:
    """Make the temporary table `into`: every value as text, columns c1, c2, … and "row number"; return the headings.

    Lines before the headings, such as a title, are left out. Columns get generated names, because headings can be
    duplicates or names of our own columns. A file that begins with values gets the headings "column 1", "column 2", …
    Raises: SourceMissing, SourceMalformed, UsageError.
    """
    if not path.is_file():
        raise SourceMissing(f"{doing}: {path} does not exist.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{doing}: {path.name} should end in one of {', '.join(SUFFIXES)}.")
    try:
        if suffix == ".parquet":
            return _load(con, f"read_parquet({file_literal(path)}, hive_partitioning = false)", into=into)
        if path.stat().st_size == 0:
            raise SourceMalformed(f"{doing}: {path.name} is empty.")
        return _load_delimited(con, path, doing=doing, into=into)
    except duckdb.Error as error:
        line = re.search(r"Line: (\d+)", str(error))
        raise SourceMalformed(
            f"{doing}: {path.name} cannot be read as {suffix[1:].upper()}: "
            f"{f'line {line[1]} does not fit its header' if line else type(error).__name__}.",
            next_move="Have it exported again, or correct that line.",
        ) from error


def _load_delimited(con: duckdb.DuckDBPyConnection, path: Path, *, doing: str, into: str) -> list[str]:
    with path.open("rb") as stored, unpacked(stored, path.name) as stream:
        is_packed = stream is not stored
        encoding = detect_encoding(stream)
    with _as_text(path, encoding) as text:
        sample = list(islice(text, SAMPLE_LINES))
        dialect = detect_dialect(sample[preamble_lines(sample) :])
    if encoding.startswith("utf-8") and not is_packed:
        try:
            return _load_checked(con, path, dialect, doing=doing, into=into)
        except duckdb.InvalidInputException as error:
            if "utf-8" not in str(error).lower() and "unicode" not in str(error).lower():
                raise
    with _as_utf8(path, encoding) as copy:
        return _load_checked(con, copy, dialect, doing=doing, into=into)


def _as_text(path: Path, encoding: str) -> io.TextIOWrapper:
    return as_text(unpacked(path.open("rb"), path.name), encoding)


@contextmanager
def _as_utf8(path: Path, encoding: str) -> Iterator[Path]:
    """Write a copy in UTF-8: DuckDB reads only some encodings, and stops at the first invalid byte."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "table.csv"
        with _as_text(path, encoding) as source, copy.open("w", encoding="utf-8", newline="") as target:
            shutil.copyfileobj(source, target)
        yield copy


def _load_checked(con: duckdb.DuckDBPyConnection, path: Path, dialect: Dialect, *, doing: str, into: str) -> list[str]:
    """Load a file in UTF-8; no row of it may be lost or inside a value of another."""
    headings = _load(con, _reader(path, dialect), into=into)
    swallowed = find_swallowed(con, into, dialect, width=len(headings))
    if swallowed is not None:
        with _as_text(path, "utf-8-sig") as text:
            bare = is_unquoted(text, dialect, swallowed.is_row)
        if not bare:
            raise SourceMalformed(
                f"{doing}: in {path.name} {swallowed.count} values hold lines that are rows by themselves, as between "
                f"two stray quotes; the first is in row {swallowed.first}.",
                next_move="Have it exported again, with each quote inside a value written twice.",
            )
        dialect = replace(dialect, quote=None)
        headings = _load(con, _reader(path, dialect), into=into)
    _check_conserved(con, path, dialect, doing=doing, into=into)
    return headings


def _check_conserved(con: duckdb.DuckDBPyConnection, path: Path, dialect: Dialect, *, doing: str, into: str) -> None:
    """Check that no line is lost: DuckDB silently drops a row whose quote is never closed."""
    first, has_headings = _first_row(path, dialect)
    before = _lines_before_header(path, dialect) + (1 + sum(name.count("\n") for name in first) if has_headings else 0)
    with path.open("rb") as stream:
        written = sum(1 for line in stream if line.strip()) - before
    names = [name for name in con.table(into).columns if name != "row number"]
    inside = " + ".join(f"coalesce(len({name}) - len(replace({name}, chr(10), '')), 0)" for name in names)
    [(read,)] = con.execute(f"SELECT count(*) + coalesce(sum({inside}), 0) FROM {into}").fetchall()
    if read < written:
        raise SourceMalformed(
            f"{doing}: of {written} lines with values in {path.name} {read} were read: in its last rows a quote is "
            "opened and never closed.",
            next_move="Have it exported again, with each quote inside a value written twice.",
        )


def _first_row(path: Path, dialect: Dialect) -> tuple[list[str], bool]:
    """Return the first row, and whether it is one of headings."""
    first, *others = _first_rows(path, dialect)
    return first, not any(_is_value(cell, number, others) for number, cell in enumerate(first))


def _reader(path: Path, dialect: Dialect) -> str:
    first, has_headings = _first_row(path, dialect)
    headings = _headings(first if has_headings else [""] * len(first))
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in headings)
    options = {
        "columns": f"{{{columns}}}",
        "auto_detect": "false",
        "header": str(has_headings).lower(),
        "skip": str(_lines_before_header(path, dialect)),
        **dialect.duckdb_options(),
        "null_padding": "true",
        "strict_mode": "true",
        # With padding, rows that contain line ends are read by one thread only.
        "parallel": "false",
    }
    return f"read_csv({file_literal(path)}, {', '.join(f'{name} = {value}' for name, value in options.items())})"


def _lines_before_header(path: Path, dialect: Dialect) -> int:
    with _as_text(path, "utf-8-sig") as text:
        before = preamble_lines(list(islice(text, SAMPLE_LINES)))
    with _as_text(path, "utf-8-sig") as text:
        lines = islice(enumerate(text), before, None)
        return next((number for number, line in lines if not _is_passed_over(line, dialect)), 0)


def _is_passed_over(line: str, dialect: Dialect) -> bool:
    if names_delimiter(line):
        return True
    try:
        return not has_names(next(dialect.reader([line]), []))
    except csv.Error:
        # The header goes on in the next line.
        return False


def _first_rows(path: Path, dialect: Dialect) -> list[list[str]]:
    """Read the first rows, up to one that cannot be read: reading the whole file reports that one."""
    rows: list[list[str]] = []
    with _as_text(path, "utf-8-sig") as text, suppress(csv.Error):
        lines = islice(text, _lines_before_header(path, dialect), None)
        rows.extend(islice(filter(has_names, dialect.reader(lines)), FIRST_ROWS))
    return rows or [[]]


def _is_value(cell: str, column: int, others: list[list[str]]) -> bool:
    """Return whether a cell of the first row is of the kind of most cells below: a month can head a column of sums."""
    below = [row[column].strip() for row in others if column < len(row) and row[column].strip()]
    alike = sum(bool(_VALUE.fullmatch(text)) for text in below)
    return bool(_VALUE.fullmatch(cell.strip())) and 2 * alike >= len(below)


def _headings(given: list[str]) -> list[str]:
    headings: list[str] = []
    for number, name in enumerate(given, start=1):
        heading = name.strip() or f"column {number}"
        while heading.lower() in (known.lower() for known in headings):
            heading += " again"
        headings.append(heading)
    return headings


def _load(con: duckdb.DuckDBPyConnection, reader: str, *, into: str) -> list[str]:
    columns = con.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()
    values = ", ".join(f"{_text_sql(f'c{number}', kind)} AS c{number}" for number, (_, kind, *_) in enumerate(columns))
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT {values}, row_number() OVER () AS "row number" FROM (SELECT * FROM {reader}) t({names})
    """)
    return [str(name) for name, *_ in columns]


def _text_sql(column: str, kind: str) -> str:
    if kind in ("DOUBLE", "FLOAT"):
        # Numbers written by a data frame with missing values: 12345.0 for 12345, NaN for null.
        whole = f"{column} = floor({column}) AND abs({column}) < 1e15"
        text = f"CASE WHEN {whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"
        return f"CASE WHEN NOT isnan({column}) THEN {text} END"
    return f"{column}::VARCHAR"
