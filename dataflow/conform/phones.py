"""Convert telephone numbers to E.164, parsed as dialled in the record's country."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from dataflow.vocabulary.placeholders import KEY_RUNS

_DIGIT = re.compile(r"\d")
# Punctuation between digits has no meaning; without it, spellings of one number share a cache entry.
_BETWEEN = re.compile(r"[\s()./\-]+")


def normalise_phone(text: str, country_code: str | None) -> str | None:
    """Return E.164, or None for a placeholder or a number that is impossible in its country.

    Possible numbers are kept, not only assigned ones: matching decides on a mistyped digit.
    Source: https://github.com/daviddrysdale/python-phonenumbers
    """
    return _read_number(_BETWEEN.sub("", text), country_code)


def normalise_phone_value(text: str | None, country_code: str | None) -> tuple[str | None] | None:
    """Return the number as a row of one value, or None where there is no text."""
    return None if text is None else (normalise_phone(text, country_code),)


@lru_cache(maxsize=65_536)
def _read_number(text: str, country_code: str | None) -> str | None:
    digits = "".join(_DIGIT.findall(text))
    if len(digits) < 5 or _is_placeholder(digits):
        return None
    try:
        number = phonenumbers.parse(text, country_code)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or _is_placeholder(str(number.national_number)):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _is_placeholder(digits: str) -> bool:
    """Return whether all digits are equal (but for a calling code), or the digits are a run of keys."""
    significant = digits.lstrip("0") or "0"
    return len(set(digits[-7:])) == 1 or any(significant in run for run in KEY_RUNS) or len(set(significant)) == 1
