"""Write answers on stdout, as a table for people or as JSON or CSV for programs, and words on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from dataflow.cli.options import Output

words = Console(stderr=True, highlight=False, soft_wrap=True)
"""Where words go; never an answer."""

# A table wider than the screen would be cut: without a terminal there is no screen.
_WIDTH_WITHOUT_TERMINAL = 200


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, output: Output, title: str = "") -> None:
    """Write rows in the chosen form."""
    if output is Output.JSON:
        write_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif output is Output.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if value is None else _text(value) for value in row] for row in rows])
    else:
        _answers().print(_table(columns, rows, title=title))


def write_records(records: Sequence[Mapping[str, Any]], *, output: Output, title: str = "") -> None:
    """Write records that share their names in the chosen form."""
    columns = list(records[0]) if records else []
    if not records and output is Output.TABLE:
        _answers().print(f"[bold]{title}[/bold] none" if title else "none")
        return
    write_rows(columns, [list(record.values()) for record in records], output=output, title=title)


def write_json(value: Any) -> None:
    """Write one JSON document."""
    json.dump(value, sys.stdout, indent=2, default=_plain, ensure_ascii=False)
    sys.stdout.write("\n")


def write_line(text: str = "") -> None:
    """Write one line of an answer for people."""
    _answers().print(text)


def _answers() -> Console:
    # Made anew: stdout may have been redirected since import.
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=_WIDTH_WITHOUT_TERMINAL)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str) -> Table:
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    listed = [list(row) for row in rows]
    for position, column in enumerate(columns):
        values = [row[position] for row in listed if row[position] is not None]
        is_number = bool(values) and all(isinstance(v, int | float | Decimal) for v in values)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in listed:
        table.add_row(*["" if value is None else _for_people(value) for value in row])
    return table


def _for_people(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    # Square brackets are markup to Rich.
    return _text(value).replace("[", "\\[")


def _text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
