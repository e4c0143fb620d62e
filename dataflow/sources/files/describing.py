"""Describe a folder of files for `dataflow discover`: kinds of files, columns, types by all values, keys."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path

import duckdb

from dataflow.sources.files.any_table import SUFFIXES, load_table
from dataflow.sources.files.evidence import Written, how_written
from dataflow.sources.found import SAMPLE_ROWS, FoundColumn, FoundTable, object_name
from dataflow.sources.typed import names_zone_sql
from dataflow.sources.written import iso_date_sql, plain_number_sql
from lakehouse.connect import connect
from lakehouse.table import literal, quote

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"\d{2,}")
_DOING = "Describing the files"
_MOST_FOOTER_ROWS = 3
_TABLE = "described"


def found_tables(folder: Path) -> list[FoundTable]:
    """Return one table for each pattern of file names below the folder, as its newest file is. Raises: SourceError."""
    patterns: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix.lower() in SUFFIXES:
            patterns[_pattern(file.relative_to(folder).as_posix())].append(file)
    # A number in a name is a part of it unless other files differ from it in that number alone.
    single = {pattern: files[0] for pattern, files in patterns.items() if len(files) == 1 and "*" in pattern}
    for pattern, file in single.items():
        del patterns[pattern]
        patterns[_DATE.sub("{date}", file.relative_to(folder).as_posix())].append(file)
    return [describe_file(files[-1], pattern) for pattern, files in sorted(patterns.items())]


def _pattern(path: str) -> str:
    return _NUMBER.sub("*", _DATE.sub("{date}", path)).replace("{*}", "*")


def describe_file(file: Path, pattern: str) -> FoundTable:
    """Describe one file by all of its values."""
    with closing(connect(threads=2)) as con:
        headings = load_table(con, file, doing=_DOING, into="loaded")
        names = ", ".join(f"c{number} AS {quote(name)}" for number, name in enumerate(headings))
        footer = _footer_rows(con, len(headings)) if file.suffix.lower() != ".parquet" else 0
        con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {_TABLE} AS SELECT {names} FROM loaded
            WHERE "row number" <= (SELECT max("row number") FROM loaded) - {footer}
        """)
        [(rows,)] = con.execute(f"SELECT count(*) FROM {_TABLE}").fetchall()
        written = how_written(con, _TABLE, headings)
        columns = [_column(con, name, written) for name in headings]
        key, evidence = _key(con, columns, rows)
    stem = re.sub(r"\{date\}|\*|[\d_.-]+$", " ", pattern.rsplit("/", 1)[-1].rsplit(".", 1)[0]).strip(" -_.")
    return FoundTable(
        object_name(stem or pattern.split("/")[0]),
        stem or pattern,
        columns,
        key,
        evidence,
        rows=rows,
        format="parquet" if file.suffix.lower() == ".parquet" else "csv",
        path=pattern,
        written=written,
        footer_rows=footer,
    )


def _footer_rows(con: duckdb.DuckDBPyConnection, width: int) -> int:
    """Return how many last rows have less than half of the values that all rows before them have."""
    filled = " + ".join(f"(nullif(trim(c{number}), '') IS NOT NULL)::INTEGER" for number in range(width))
    found = con.execute(f"""
        SELECT {filled} FROM loaded ORDER BY "row number" DESC LIMIT {_MOST_FOOTER_ROWS + 1}
    """).fetchall()
    [(least,)] = con.execute(f"""
        SELECT min({filled}) FROM loaded WHERE "row number" <= (SELECT max("row number") FROM loaded)
            - {_MOST_FOOTER_ROWS}
    """).fetchall()
    footer = 0
    for (count,) in found[:_MOST_FOOTER_ROWS]:
        if least is None or 2 * count >= least or width < _MOST_FOOTER_ROWS:
            break
        footer += 1
    return footer


def _column(con: duckdb.DuckDBPyConnection, name: str, written: Written) -> FoundColumn:
    words = ", ".join(map(literal, written.null_words)) or "NULL"
    given = f"SELECT trim({quote(name)}) AS v FROM {_TABLE} WHERE trim({quote(name)}) <> ''"
    given = f"SELECT v FROM ({given}) WHERE coalesce(v NOT IN ({words}), true)"
    sample = [str(v) for (v,) in con.execute(f"{given} LIMIT {SAMPLE_ROWS}").fetchall()]
    return FoundColumn(name, _type(con, given, written, kind=written.kinds.get(name, "")), sample)


def _type(con: duckdb.DuckDBPyConnection, given: str, written: Written, *, kind: str) -> str:
    """Return the type of a column's values; what leaves a question open stays text, so that nothing is misread."""
    if kind == "number":
        plain = plain_number_sql("v", written.decimal) if written.decimal else "v"
        [(whole, longest, decimals, fits)] = con.execute(f"""
            SELECT bool_and(regexp_full_match(p, '[+-]?(0|[1-9][0-9]*)')), max(length(p)),
                max(length(regexp_extract(p, '[.]([0-9]+)$', 1))),
                bool_and(regexp_full_match(p, '[+-]?(0|[1-9][0-9]*)?([.][0-9]+)?'))
            FROM (SELECT {plain} AS p FROM ({given}))
        """).fetchall()
        if whole and longest <= len("999999999999999999"):
            return "BIGINT"
        return f"DECIMAL(18,{max(decimals, 2)})" if fits and decimals and decimals <= 6 else "VARCHAR"
    if kind == "date":
        iso = iso_date_sql("v", written.date_order) if written.date_order else "v"
        [(dates, times, zoned)] = con.execute(f"""
            SELECT bool_and(regexp_full_match(d, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')),
                bool_and(TRY_CAST(d AS TIMESTAMPTZ) IS NOT NULL),
                bool_or({names_zone_sql("d", with_words=True)})
            FROM (SELECT {iso} AS d FROM ({given}))
        """).fetchall()
        return "DATE" if dates and times else ("TIMESTAMPTZ" if zoned else "TIMESTAMP") if times else "VARCHAR"
    [(booleans,)] = con.execute(f"SELECT bool_and(lower(v) IN ('true', 'false')) FROM ({given})").fetchall()
    return "BOOLEAN" if booleans else "VARCHAR"


def _key(con: duckdb.DuckDBPyConnection, columns: Sequence[FoundColumn], rows: int) -> tuple[tuple[str, ...], str]:
    """Return the columns that identify a row, by all values; those that are named like a key are tried first."""
    likely = sorted((c for c in columns if len(c.values) == min(rows, SAMPLE_ROWS)), key=_rank)
    names = [column.name for column in likely if not column.type.startswith(("TIMESTAMP", "DECIMAL", "BOOLEAN"))]
    for size, most in ((1, 8), (2, 6), (3, 5)):
        for chosen in combinations(names[:most], size):
            if _identifies(con, chosen, rows):
                return chosen, f"its {rows:,} values are different" if size == 1 else f"different in {rows:,} rows"
    return tuple(column.name for column in columns), ""


def _rank(column: FoundColumn) -> tuple[bool, bool]:
    words = column.words.split()
    is_first = bool(words) and (words[-1] in ("id", "no", "nr", "number", "key", "code", "nummer") or words[0] == "id")
    return not is_first, column.type != "BIGINT"


def _identifies(con: duckdb.DuckDBPyConnection, names: Iterable[str], rows: int) -> bool:
    listed = ", ".join(map(quote, names))
    given = " AND ".join(f"trim({quote(name)}) <> ''" for name in names)
    [(different,)] = con.execute(f"SELECT count(DISTINCT ({listed})) FROM {_TABLE} WHERE {given}").fetchall()
    return bool(rows) and int(different) == rows
