"""Whether the value of `deleted_when_set` deletes: only what is a value of the declared type does.

An exporter writes \\N, NULL, a blank or a zero date for "never": taken for deletions, these delete every customer. A
value that is set and is not of the type deletes nothing; validation sets its row aside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dataflow.settings import ObjectSettings
from dataflow.vocabulary.placeholders import NOT_A_NUMBER, NOTHING, ZERO_DATES
from lakehouse.table import literal, quote

_NEVER = ("", "\\n", *NOTHING, *NOT_A_NUMBER)
"""Texts, in lower case, that stand for no value where a mark is declared as text."""

_DATED = ("DATE", "TIMESTAMP", "DATETIME")
_NUMERAL = re.compile(r"[+-]?\d+([.]\d*)?")
FIRST_DAY = "1000-01-01"
"""Before it a date is a zero date or has a year of two digits."""


def deletion_of(declared: ObjectSettings) -> Callable[[Any], bool]:
    """Return the function that decides whether a value of `deleted_when_set`, as read, deletes the record."""
    kind = declared.fields.get(declared.deleted_when_set, "VARCHAR").upper()
    if kind.startswith(_DATED):
        return _is_time
    if kind == "VARCHAR":
        return _is_text
    return lambda value: value is not None and bool(_NUMERAL.fullmatch(str(value).strip()))


def deletion_sql(column: str, *, actual: str, declared: ObjectSettings) -> str:
    """Return the SQL condition of the same, over a column that the source has as the type `actual`."""
    kind = declared.fields.get(declared.deleted_when_set, "VARCHAR").upper()
    text = f"trim({column}::VARCHAR)"
    if kind == "VARCHAR" and actual.upper() == "VARCHAR":
        never = ", ".join(literal(word) for word in _NEVER)
        return f"coalesce(lower({text}) NOT IN ({never}) AND {_not_zero(text)}, false)"
    if kind == "VARCHAR":
        return f"({column} IS NOT NULL AND {_not_zero(text)})"
    cast = f"try_cast({text} AS {kind})"
    if not kind.startswith(_DATED):
        return f"{cast} IS NOT NULL"
    return f"coalesce({cast} >= '{FIRST_DAY}' AND {_not_zero(text)}, false)"


def ambiguous_sql(declared: ObjectSettings) -> str:
    """Return the SQL condition of a typed row whose mark is set and did not delete it; of a text that is not one."""
    name = declared.deleted_when_set
    kind = declared.fields.get(name, "VARCHAR").upper()
    return "false" if not name or kind == "VARCHAR" or name not in declared.fields else f"{quote(name)} IS NOT NULL"


def real_zero_dates() -> tuple[str, ...]:
    """Return the zero dates that a calendar has, and that are not before FIRST_DAY."""
    return tuple(day for day in ZERO_DATES if day >= FIRST_DAY and not day.endswith("-00"))


def _not_zero(text: str) -> str:
    return f"left({text}, 10) NOT IN ({', '.join(literal(day) for day in ZERO_DATES)})"


def _is_text(value: Any) -> bool:
    text = "" if value is None else str(value).strip()
    return text.lower() not in _NEVER and text[:10] not in ZERO_DATES


def _is_time(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    text = value.strip()
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        return False
    return day.date().isoformat() >= FIRST_DAY and text[:10] not in ZERO_DATES
