"""Write answers to stdout, as a table for people or as JSON or CSV for programs, and messages to stderr."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from rich.table import Table
from rich.text import Text

from dataflow.cli.options import Output
from dataflow.cli.terminal import PlainConsole, cell, styled
from dataflow.observe.visible import escape_json, visible

messages = PlainConsole(stderr=True)
"""The console of messages; answers never go there."""

# Without a terminal nothing limits the width of a table.
_WIDTH_WITHOUT_TERMINAL = 200


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, output: Output, title: str = "") -> None:
    """Write rows in the chosen form."""
    if output is Output.JSON:
        _require_unique(columns)
        write_json(dict(zip(columns, row, strict=True)) for row in rows)
    elif output is Output.CSV:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Data, so the same bytes under any terminal encoding: an escape would be another value.
            sys.stdout.reconfigure(encoding="utf-8")
        # A program gets each value as it is; a terminal would obey control characters.
        shown = partial(visible, keep_newlines=True) if sys.stdout.isatty() else str
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([shown(column) for column in columns])
        writer.writerows([["" if value is None else shown(_text(value)) for value in row] for row in rows])
    else:
        _answers().print(_table(columns, rows, title=title))


def write_records(records: Sequence[Mapping[str, Any]], *, output: Output, title: str = "") -> None:
    """Write records, which all have the same names, in the chosen form."""
    columns = list(records[0]) if records else []
    if not records and output is Output.TABLE:
        write_line((f"{title} ", "bold") if title else "", "none")
        return
    write_rows(columns, [list(record.values()) for record in records], output=output, title=title)


def write_json(value: Any) -> None:
    """Write one JSON document; control characters and those the encoding lacks become `\\u…`.

    NaN and infinity, which JSON does not have, become the texts nan, inf and -inf.
    """
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    for piece in json.JSONEncoder(indent=2, allow_nan=False, ensure_ascii=not is_unicode).iterencode(_plain(value)):
        sys.stdout.write(escape_json(piece))
    sys.stdout.write("\n")


def write_line(*parts: str | tuple[str, str]) -> None:
    """Write one line of an answer for people; each part is a text, or a text and its style."""
    _answers().print(styled(*parts))


def _answers() -> PlainConsole:
    # Created for each answer: stdout can be redirected after import.
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=_WIDTH_WITHOUT_TERMINAL)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str) -> Table:
    heading = cell(title) if title else None
    table = Table(title=heading, title_justify="left", header_style="bold", box=None, pad_edge=False)
    listed = [list(row) for row in rows]
    for position, column in enumerate(columns):
        values = [row[position] for row in listed if row[position] is not None]
        is_number = bool(values) and all(isinstance(v, int | float | Decimal) for v in values)
        table.add_column(cell(column), justify="right" if is_number else "left", overflow="fold")
    for row in listed:
        table.add_row(*[_for_people(value) for value in row])
    return table


def _for_people(value: Any) -> Text:
    return cell("" if value is None else _shown(value))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:
    """Return the value as JSON can hold it, to any depth."""
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | Iterator):
        return [_plain(each) for each in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _key(key: Any) -> str:
    plain = _plain(key)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _require_unique(columns: Sequence[str]) -> None:
    if len(set(columns)) < len(columns):
        raise ValueError("Two columns have one name: JSON would keep only the last.")
