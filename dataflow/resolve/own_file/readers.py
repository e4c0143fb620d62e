"""Read the values of a file that SQL cannot read: once per distinct value, by the functions of conform."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from dataflow.conform.countries import normalise_country
from dataflow.conform.emails import normalise_email
from dataflow.vocabulary.lists import any_of
from dataflow.vocabulary.streets import UNIT_WORDS

Fields = dict[str, str | None]
Reader = Callable[[Sequence[str]], Callable[[str], Fields]]
"""Given all values of a column, return the function that reads one."""

_PARTS_OF_DATE = re.compile(r"^\D{0,2}(\d{1,4})[-/. ]+(\d{1,2})[-/. ]+(\d{1,4})(?:[T ].*)?$")
_WORD_DATES = ("%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d%b%Y")
_LAST_BIRTH = 2026
_IN_BRACKETS = re.compile(r"<([^<>@\s]+@[^<>\s]+)>")

UNITS = any_of(UNIT_WORDS)
_UNIT = re.compile(rf"^(?:(?:{UNITS})\b[\s.:#]*|#\s*)(\w{{1,5}})$", re.IGNORECASE)
_POSTCODE = re.compile(
    r"\b([A-Z]{1,2}\d[\dA-Z]? ?\d[A-Z]{2}|\d{5}-\d{4}|\d{3}-\d{4}|\d{2}-\d{3}|\d{4} ?[A-Z]{2}|\d{4,6}"
    r"|[A-Z]\d[A-Z] ?\d[A-Z]\d)\b"
)


def emails(_values: Sequence[str]) -> Callable[[str], Fields]:
    return _email


def _email(text: str) -> Fields:
    bracketed = _IN_BRACKETS.search(text)
    address = bracketed[1] if bracketed else text
    found = normalise_email(address)
    if found is not None:
        return {"canonical": found.canonical, "domain": found.domain}
    # a malformed address can still be compared; a well-formed one that conform refuses is a placeholder
    plain = address.strip().lower()
    is_mangled = len(plain) > 5 and re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", plain) is None and re.search(r"[@.]", plain)
    return {"canonical": plain if is_mangled else None, "domain": None}


def countries(_values: Sequence[str]) -> Callable[[str], Fields]:
    return lambda text: {"code": normalise_country(text) or text.strip().upper()}


def dates(values: Sequence[str]) -> Callable[[str], Fields]:
    """Read dates as YYYY-MM-DD; all values together decide whether the day or the month is first."""
    parts = [found.groups() for found in map(_PARTS_OF_DATE.match, values) if found and len(found[1]) < 4]
    day_first = sum(int(first) > 12 for first, _, _ in parts) >= sum(int(second) > 12 for _, second, _ in parts)
    dotted = sum("." in value for value in values) > len(values) / 2
    return lambda text: {"date": _date(text.strip(), day_first=day_first or dotted)}


def _date(text: str, *, day_first: bool) -> str | None:
    if re.fullmatch(r"\d{8}", text):
        # not checked: a misspelt date that is not in the calendar can still be compared
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if re.fullmatch(r"\d{4}", text):
        return f"{text}-01-01"
    found = _PARTS_OF_DATE.match(text)
    if found is None:
        return _word_date(text)
    first, second, third = found.groups()
    if len(first) == 4:
        year, month, day = first, second, third[:2]
    else:
        year, month, day = (third, second, first) if day_first else (third, first, second)
        if int(month) > 12 >= int(day):
            month, day = day, month
    return f"{_full_year(int(year), len(year)):04}-{int(month):02}-{int(day):02}"


def _full_year(year: int, digits: int) -> int:
    """Return the year in four digits; one of two digits is within the last hundred years."""
    if digits > 2:
        return year
    return year + 1900 if year + 2000 > _LAST_BIRTH else year + 2000


def _word_date(text: str) -> str | None:
    plain = " ".join(text.replace(",", " ").replace(".", " ").split())
    for form in _WORD_DATES:
        try:
            found = datetime.strptime(plain, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return found.strftime("%Y-%m-%d")
    return None


def address_lines(_values: Sequence[str]) -> Callable[[str], Fields]:
    return _address_line


def _address_line(text: str) -> Fields:
    """Split a whole address on one line, by commas, into street line, unit, city and postcode."""
    parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    unit = next((found[1] for part in parts if (found := _UNIT.match(part))), None)
    parts = [part for part in parts if not _UNIT.match(part)]
    at = next((i for i, part in enumerate(parts) if re.search(r"\d", part) and re.search(r"[^\W\d]{3}", part)), 0)
    street = parts[at] if parts else None
    rest = parts[at + 1 :]
    postcodes = [found for part in reversed(rest) for found in _POSTCODE.findall(part.upper())]
    towns = [" ".join(_POSTCODE.sub(" ", part.upper()).strip(" -").split()) for part in rest]
    city = next((town for town in towns if len(town) > 3 and re.search(r"[^\W\d]{3}", town)), None)
    return {"street": street, "unit": unit, "city": city, "postcode": postcodes[0] if postcodes else None}
