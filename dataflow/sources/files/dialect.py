"""How a delimited text is written: its delimiter, its quote, how a quote inside a value is told."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

_DELIMITERS = (",", ";", "\t", "|")
_SINGLE_QUOTED = re.compile(r"(?:^|[,;\t|])'[^'\n]*'(?:[,;\t|]|$)", re.MULTILINE)
_MAX_FIELD_CHARACTERS = 16 * 1024 * 1024

# The module's own limit, 131,072, is below a long ticket; it can only be set for the whole process.
csv.field_size_limit(_MAX_FIELD_CHARACTERS)


@dataclass(frozen=True)
class Dialect:
    """Without `escape`, a quote inside a quoted value is written twice."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Parse lines; strict, so that text after a closing quote is an error and not a guess."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
            strict=True,
        )

    def __str__(self) -> str:
        names = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
        escaped = ", escaped by backslash" if self.escape else ""
        return f"{names[self.delimiter]}, {'double' if self.quote == chr(34) else 'single'} quotes{escaped}"


def detect_dialect(lines: list[str], declared: Iterable[str]) -> Dialect:
    """Choose the dialect under which the sample reads best.

    The declared fields are the strongest witness: a header that reads as them was split rightly. Then the share of
    rows as wide as the header, then the width. On a tie the plainer dialect stands, so the order of trial matters.
    """
    names = set(declared)
    best = max((Dialect(delimiter) for delimiter in _DELIMITERS), key=lambda one: _score(one, lines, names))
    if _score(best, lines, names)[1] == 1.0 and (not names or _score(best, lines, names)[0]):
        return best
    text = "".join(lines)
    # Only where they are seen at work: under single quotes a broken row of the usual kind would read as a sound one.
    quotes = ['"', "'"] if _SINGLE_QUOTED.search(text) else ['"']
    escapes = [None, "\\"] if '\\"' in text or "\\'" in text else [None]
    rarer = [Dialect(*parts) for parts in product(_DELIMITERS, quotes, escapes)]
    return max([best, *rarer], key=lambda one: _score(one, lines, names))


def _score(dialect: Dialect, lines: list[str], names: set[str]) -> tuple[int, float, int]:
    rows = _parse(dialect, lines)
    header = next(rows, None) or []
    matched = sum(name.strip() in names for name in header)
    body = [row for row in rows if row != []]
    fitting = sum(row is not None and len(row) == len(header) for row in body)
    return matched, fitting / len(body) if body else 1.0, len(header)


def _parse(dialect: Dialect, lines: list[str]) -> Iterator[list[str] | None]:
    reader = dialect.reader(iter(lines))
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None
