"""Split street lines into street, house number and unit, in the orders used worldwide."""

from __future__ import annotations

import re
from typing import NamedTuple

from dataflow.conform.texts import capitalise, tidy
from dataflow.vocabulary.lists import any_of
from dataflow.vocabulary.streets import POST_BOXES, UNIT_WORDS, UNIT_WORDS_THAT_ARE_WORDS

# The French "d" is a unit only before its number.
_UNIT_WORDS = rf"{any_of((*UNIT_WORDS, *UNIT_WORDS_THAT_ARE_WORDS))}|d(?=[:.\s]*\d)"
_UNIT_AFTER = re.compile(
    rf"(?:^|[,;\s/])\s*((?:(?:{_UNIT_WORDS})\b[.:]?\s*#?\s*[\w-]+|#\s*\w+|\d+\s*(?:hs|hoog)|\d+\s*[ºª°](?:\s*\w+\.?)?))$",
    re.IGNORECASE,
)
_UNIT_BEFORE = re.compile(rf"^((?:{_UNIT_WORDS})\b[.:]?\s*#?\s*\d+\w?|#\s*\d+)\s*[,;]\s*(?=.)", re.IGNORECASE)
_NUMBER = r"\d+(?:\s?[a-zA-Z](?![\w]))?(?:\s?[-/]\s?\d+(?:[a-zA-Z](?!\w))?)*"
# No blank before the letter of a number: in "12 N Main St" the letter belongs to the street.
_NUMBER_FIRST = re.compile(r"^(\d+[a-zA-Z]?(?:\s?[-/]\s?\d+[a-zA-Z]?)*)\s*,?\s+(.+)$")
_NUMBER_LAST = re.compile(
    rf"^(.*?[^\s,\d].*?)\s*[,\s]\s*(?:no[.:]?|nr\.?|nº|n°|d\.|д\.)?\s*({_NUMBER})$", re.IGNORECASE
)
_NUMBER_TOUCHING = re.compile(r"^(.*?[\u3040-\u30ff\u3400-\u9fff])(\d+(?:-\d+)*)号?$")
_BOX = re.compile(rf"({any_of(POST_BOXES)})\s*(?:(?:no|nr|n°|nº)\b)?\s*[:#]?\s*(\d[\d /-]*[a-z]?)", re.IGNORECASE)
_INNER_BLANK = re.compile(r"\s+(?=[a-zA-Z/-])|(?<=[-/])\s+")


class Street(NamedTuple):
    street: str | None
    house_number: str | None
    unit: str | None


def normalise_street(line: str | None, second_line: str | None, number: str | None = None) -> Street:
    """Split an address line; the unit is in this line or in the second one. A post office box has no house number.

    A `number` that the source has in a field of its own is that of the house: the line is the street.
    """
    whole = tidy(line.replace("\r", "").replace("\n", ", ")) if line else None
    unit = tidy(second_line)
    given = _INNER_BLANK.sub("", tidy(number) or "").upper() or None
    if whole is None:
        return Street(None, given, unit)
    if box := _BOX.fullmatch(whole.replace(".", " ").replace("  ", " ").strip()):
        return Street(f"{POST_BOXES.means[box[1].lower()]} {box[2].upper()}", None, unit)
    whole, found = _cut_unit(whole)
    unit = found if unit is None else unit
    if given:
        repeated = rf"^{re.escape(given)}\s*,?\s+|[\s,]+{re.escape(given)}$"
        return Street(capitalise(re.sub(repeated, "", whole, count=1, flags=re.IGNORECASE)), given, unit)
    for pattern, name_at, number_at in ((_NUMBER_FIRST, 2, 1), (_NUMBER_LAST, 1, 2), (_NUMBER_TOUCHING, 1, 2)):
        match = pattern.match(whole)
        if match:
            number = _INNER_BLANK.sub("", match[number_at]).upper()
            return Street(capitalise(match[name_at].strip(" ,.")), number, unit)
    return Street(capitalise(whole), None, unit)


def _cut_unit(whole: str) -> tuple[str, str | None]:
    before = _UNIT_BEFORE.match(whole)
    if before:
        return whole[before.end() :], before[1]
    after = _UNIT_AFTER.search(whole)
    if after and after.start() > 0:
        return whole[: after.start()].rstrip(" ,;"), after[1].strip()
    return whole, None
