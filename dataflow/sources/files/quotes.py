"""Find quotes that do not quote: an exporter that writes values as they are leaves stray quotes in them.

Two stray quotes make one value of all lines between them. Such a value is known by its lines: they are rows by
themselves, as wide as the header and with a version, which lines of a text are not.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dataflow.sources.files.dialect import Dialect, names_delimiter

IsRow = Callable[[Sequence[str]], bool]
"""Whether values are those of a whole row."""

_LEAST_STRAY = 2
"""A single stray quote swallows nothing: its row is set aside, and the quotes of the file keep their meaning."""
_MOST_QUOTED = 1000
"""This many more lines with quoted values than with stray quotes decide before the end of the file."""


@dataclass(frozen=True)
class Alone:
    """The values of one line read as if it were the whole file, and whether its quotes are wrong by themselves."""

    values: list[str]
    is_broken: bool


def read_alone(line: str, dialect: Dialect) -> Alone:
    """Split one line; after a quote that is opened and not closed, values end at each delimiter."""
    try:
        return Alone(next(dialect.reader([line]), []), is_broken=False)
    except csv.Error:
        *whole, last = next(dialect.reader([line], strict=False))
        return Alone([*whole, *split_bare(last, dialect)], is_broken=True)


def split_bare(line: str, dialect: Dialect) -> list[str]:
    """Split one line at each delimiter, with quotes as characters."""
    return line.rstrip("\r\n").split(dialect.delimiter)


def swallows_rows(lines: Sequence[str], dialect: Dialect, width: int, is_row: IsRow) -> bool:
    """Return whether a row of several lines has a whole row among them.

    An inner line decides alone. First and last line decide together: the last one of a value in the first column has
    all other values of its row.
    """
    delimiter, least = dialect.delimiter, width - 1
    # Counted first: nearly every text with line ends is decided by that, and reading a line costs ten times more.
    wide = [place for place, line in enumerate(lines) if line.count(delimiter) >= least]
    if not wide or wide == [0]:
        return False
    whole = {place for place in wide if is_row(read_alone(lines[place], dialect).values)}
    ends = {0, len(lines) - 1}
    return bool(whole - ends) or whole == ends


def is_unquoted(lines: Iterable[str], dialect: Dialect, is_row: IsRow) -> bool:
    """Return whether the exporter of a file, by all of its lines, does not quote.

    A line that only quotes make a row of proves that it does, and so does a quoted header. Else stray quotes (opened
    and not closed, before more text, at the end of a value that begins without one) in lines that are rows with quotes
    as characters have to outweigh values that are quoted without need.
    """
    quote = dialect.quote or ""
    stray = quoted = 0
    is_header = True
    for line in lines:
        if quote not in line or (is_header and names_delimiter(line)):
            is_header = is_header and (not line.strip() or names_delimiter(line))
            continue
        if is_header:
            return False
        bare, alone = split_bare(line, dialect), read_alone(line, dialect)
        if not is_row(bare):
            if not alone.is_broken and is_row(alone.values):
                return False
        elif alone.is_broken or (alone.values == bare and any(value.endswith(quote) for value in bare)):
            stray += 1
        elif alone.values != bare:
            quoted += 1
            if quoted > stray + _MOST_QUOTED:
                return False
    return stray >= _LEAST_STRAY and stray > quoted
