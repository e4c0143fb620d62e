"""Values as people of a country write them, as plain text: 1.234,50 is 1234.50, and 01.02.2026 is 2026-02-01.

Only what the object declares is read so (settings/csv.py): nothing is guessed from a value.
"""

from __future__ import annotations

import re

from dataflow.settings.csv import DateOrder, DecimalMark
from lakehouse.table import literal

_BLANKS = " '\u00a0\u202f\u2019"
_PARTS = {"dmy": ("d", "m", "y"), "mdy": ("m", "d", "y"), "ymd": ("y", "m", "d")}
_DIGITS = {"d": r"(\d{1,2})", "m": r"(\d{1,2})", "y": r"(\d{4})"}
_TIME = r"(?:(?:T|,? +)(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?(?: ?([AaPp])\.?[Mm]\.?)?)?"
NOT_A_NUMBER = "?"
"""Before a text that is not a number as declared: no cast takes it, so that its row is set aside."""


def _pattern(order: DateOrder) -> str:
    return r"\s*" + "[./-]".join(_DIGITS[part] for part in _PARTS[order]) + _TIME + r"\s*"


_COMPILED = {order: re.compile(_pattern(order)) for order in _PARTS}  # type: ignore[arg-type]


def iso_date(text: str, order: DateOrder) -> str:
    """Return a date of this order, with or without a time, as ISO 8601; any other text as it is."""
    found = _COMPILED[order].fullmatch(text)
    if found is None:
        return text
    parts = dict(zip(_PARTS[order], found.groups()[:3], strict=True))
    day = f"{parts['y']}-{parts['m']:>02}-{parts['d']:>02}"
    hour, minute, second, half = found.groups()[3:]
    if hour is None:
        return day
    if half and not 1 <= int(hour) <= 12:
        return text
    number = int(hour) % 12 + (12 if half in "Pp" else 0) if half else int(hour)
    return f"{day} {number:02}:{minute}:{second or '00'}"


def iso_date_sql(text: str, order: DateOrder) -> str:
    """Return the SQL of the same."""
    names = [*(f"{part}" for part in _PARTS[order]), "hour", "minute", "second", "half"]
    found = f"regexp_extract({text}, {literal(_pattern(order))}, {names!r})"
    hour = f"try_cast({found}.hour AS INTEGER)"
    of_half = f"({hour} % 12 + CASE WHEN lower({found}.half) = 'p' THEN 12 ELSE 0 END)"
    number = f"CASE WHEN {found}.half = '' THEN {hour} ELSE {of_half} END"
    day = f"concat({found}.y, '-', lpad({found}.m, 2, '0'), '-', lpad({found}.d, 2, '0'))"
    second = f"CASE WHEN {found}.second = '' THEN '00' ELSE {found}.second END"
    time = f"concat(' ', lpad(({number})::VARCHAR, 2, '0'), ':', {found}.minute, ':', {second})"
    is_time = f"({found}.half = '' OR {hour} BETWEEN 1 AND 12)"
    return f"""
        CASE WHEN NOT regexp_full_match({text}, {literal(_pattern(order))}) THEN {text}
        WHEN {found}.hour = '' THEN {day} WHEN {is_time} THEN {day} || {time} ELSE {text} END
    """


def plain_number_sql(text: str, decimal: DecimalMark) -> str:
    """Return the SQL of a number with this decimal mark as DuckDB writes it; of a text that is none, one that fails.

    Thousands are in groups of three digits: 1.23 is not a number where the point groups.
    """
    mark, other = (",", ".") if decimal == "," else (".", ",")
    group = f"[{other}{_BLANKS}]"
    number = rf"\s*[+-]?([0-9]+|[0-9]{{1,3}}({group}[0-9]{{3}})+)(\{mark}[0-9]+)?\s*"
    plain = f"replace(regexp_replace({text}, {literal(group)}, '', 'g'), {literal(mark)}, '.')"
    is_marked = f"contains({text}, ',')" + (f" OR contains({text}, '.')" if decimal == "," else "")
    return f"""
        CASE WHEN regexp_full_match({text}, {literal(number)}) THEN {plain}
        WHEN {is_marked} THEN {literal(NOT_A_NUMBER)} || {text} ELSE {text} END
    """
