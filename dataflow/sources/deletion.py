"""Whether the value of `deleted_when_set` deletes: only what is a value of the declared type does.

An exporter writes \\N, NULL, a blank, 0, "false", a zero date or 9999-12-31 for "never": taken for deletions, these
delete every customer. A value that is set and is not of the type deletes nothing; validation sets its row aside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dataflow.settings import ObjectSettings
from dataflow.vocabulary.answers import NO, YES
from dataflow.vocabulary.placeholders import NOT_A_NUMBER, NOTHING, ZERO_DATES, ZERO_TIMESTAMPS
from lakehouse.table import literal, quote

_NEVER = ("", "\\n", *NO, *NOTHING, *NOT_A_NUMBER)
"""Texts, in lower case, that stand for no value where a mark is declared as text."""

FIRST_SECONDS = tuple(ZERO_TIMESTAMPS)
"""Timestamps that clocks make of 0."""
_FIRST = dict.fromkeys((*FIRST_SECONDS, *(second[:10] for second in FIRST_SECONDS)))

_DATED = ("DATE", "TIMESTAMP", "DATETIME")
_NUMERAL = re.compile(r"[+-]?\d+([.]\d*)?")
FIRST_DAY = "1000-01-01"
"""Before it a date is a zero date or has a year of two digits."""
END_OF_TIME = "9999-01-01"
"""From here on a date is what databases write for an open end: a record valid until then is not deleted."""


def deletion_of(declared: ObjectSettings) -> Callable[[Any], bool]:
    """Return the function that decides whether a value of `deleted_when_set`, as read, deletes the record."""
    kind = declared.fields.get(declared.deleted_when_set, "VARCHAR").upper()
    if kind.startswith(_DATED):
        return _is_time
    if kind == "VARCHAR":
        return _is_text
    return _is_yes if kind == "BOOLEAN" else _is_number


def deletion_sql(column: str, *, declared: ObjectSettings) -> str:
    """Return the SQL condition of the same, over a column of the source."""
    kind = declared.fields.get(declared.deleted_when_set, "VARCHAR").upper()
    text = f"trim({column}::VARCHAR)"
    if kind == "VARCHAR":
        never = ", ".join(literal(word) for word in _NEVER)
        return f"coalesce(lower({text}) NOT IN ({never}) AND {_not_zero(text)} AND {_has_end(text)}, false)"
    cast = f"try_cast({text} AS {kind})"
    if kind == "BOOLEAN":
        return f"coalesce({cast}, false)"
    if not kind.startswith(_DATED):
        return f"({cast} IS NOT NULL AND coalesce(try_cast({text} AS DOUBLE) <> 0, false))"
    return f"coalesce({cast} >= '{FIRST_DAY}' AND {cast} < '{END_OF_TIME}' AND {_not_zero(text)}, false)"


def ambiguous_sql(declared: ObjectSettings) -> str:
    """Return the SQL condition of a typed row whose mark is set and did not delete it; of a text that is not one."""
    name = declared.deleted_when_set
    kind = declared.fields.get(name, "VARCHAR").upper()
    if not name or kind == "VARCHAR" or name not in declared.fields:
        return "false"
    if kind == "BOOLEAN":
        return f"coalesce({quote(name)}, false)"
    if kind.startswith(_DATED):
        return f"coalesce({quote(name)} < '{END_OF_TIME}', false)"
    return f"({quote(name)} IS NOT NULL AND coalesce(try_cast({quote(name)} AS DOUBLE) <> 0, true))"


def real_zero_dates() -> tuple[str, ...]:
    """Return the zero dates that a calendar has, and that are not before FIRST_DAY."""
    return tuple(day for day in ZERO_DATES if day >= FIRST_DAY and not day.endswith("-00"))


def _not_zero(text: str) -> str:
    zero, first = (", ".join(map(literal, words)) for words in (ZERO_DATES, _FIRST))
    return f"left({text}, 10) NOT IN ({zero}) AND replace(left({text}, 19), 'T', ' ') NOT IN ({first})"


def _is_zero(text: str) -> bool:
    return text[:10] in ZERO_DATES or text[:19].replace("T", " ") in _FIRST


def _has_end(text: str) -> str:
    return f"NOT starts_with({text}, '{END_OF_TIME[:5]}')"


def _is_text(value: Any) -> bool:
    text = "" if value is None else str(value).strip()
    return text.lower() not in _NEVER and not _is_zero(text) and not text.startswith(END_OF_TIME[:5])


def _is_yes(value: Any) -> bool:
    return value is not None and str(value).strip().lower() in YES


def _is_number(value: Any) -> bool:
    text = "" if value is None else str(value).strip()
    return bool(_NUMERAL.fullmatch(text)) and float(text) != 0


def _is_time(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    text = value.strip()
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        return False
    return FIRST_DAY <= day.date().isoformat() < END_OF_TIME and not _is_zero(text)
