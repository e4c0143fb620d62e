"""Convert telephone numbers to E.164, parsed as dialled in the record's country."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import Leniency, NumberParseException, PhoneNumberFormat, PhoneNumberType

from dataflow.vocabulary.placeholders import KEY_RUNS, NOTHING

_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
# Punctuation between digits has no meaning; without it, spellings of one number share a cache entry.
_BETWEEN = re.compile(r"[\s()./\-\u200b\u2010-\u2015]+")
# A spreadsheet's number: digits that went through a double.
_FLOAT = re.compile(r"\s*(\+?\d{5,15})[.,]0+\s*")
SCIENTIFIC = r"\s*[+-]?[0-9]([.,][0-9]+)?[eE][+-]?[0-9]+\s*"
"""Scientific notation (4.4791E+11), as Python and SQL match it: the last digits are lost, so it is not a number."""
_SCIENTIFIC_PART = re.compile(rf"(?<![\w.,]){SCIENTIFIC}(?!\w)")
_VANITY = re.compile(r"[+\d\s().\-]*\d[\s().\-]*[A-Z]{3,}[A-Z\d\s\-]*")
_WORD = re.compile(r"[A-Z]+")
# Numbers that a company chooses. Elsewhere letters are a mask (212-555-XXXX) or a remark (212 NONE), and one number
# would be that of all who wrote the same.
_CHOSEN = frozenset((PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST, PhoneNumberType.UAN))
_ABROAD = "00"
_APART = re.compile(r"[/;,|]")
# phonenumbers takes digits after a semicolon as an extension, however many they are.
_SECOND = re.compile(r";(?=\D*(?:\d\D*){7})")
_USUAL = 7
"""Digits of a number that is one of several in a field: a shorter one can be a part of another."""
_LEAST = 10 ** (_USUAL - 1)


def normalise_phone(text: str, country_code: str | None) -> str | None:
    """Return E.164 of the first number in the text, or None for a placeholder or a number impossible in its country.

    Possible numbers are kept, not only assigned ones: matching decides on a mistyped digit.
    Source: https://github.com/daviddrysdale/python-phonenumbers
    """
    found = read_phones(text, country_code)
    return found[0] if found else None


def normalise_phone_value(text: str | None, country_code: str | None) -> tuple[str | None, str | None] | None:
    """Return the first number and the further ones, separated by blanks; None where there is no text."""
    if text is None:
        return None
    first, *others = read_phones(text, country_code) or (None,)
    return first, " ".join(filter(None, others)) or None


def read_phones(text: str, country_code: str | None) -> tuple[str, ...]:
    """Return the numbers in a text as E.164, each once.

    Read too: 0044… without a plus, `12125550147.0` of a spreadsheet, letters of a keypad (1-800-FLOWERS), two numbers
    in one field, words around a number. Not read: scientific notation, whose last digits are lost.
    """
    text = _SCIENTIFIC_PART.sub(" ", text)
    if (of_float := _FLOAT.fullmatch(text)) is not None:
        text = of_float[1]
    text = _SECOND.sub(" | ", text)
    if not _LETTER.search(text):
        whole = _read_number(_BETWEEN.sub("", text), country_code)
        if whole is not None:
            return (whole,)
        if len(_DIGIT.findall(text)) < 2 * _USUAL:
            return ()  # too few digits for two numbers; a search costs fifty times a reading
    return _search_numbers(text, country_code)


@lru_cache(maxsize=65_536)
def _read_number(text: str, country_code: str | None) -> str | None:
    digits = "".join(_DIGIT.findall(text))
    if len(digits) < 5 or _is_placeholder(digits):
        return None
    read = _parsed(text, country_code)
    if read is None and text.startswith(_ABROAD):
        read = _parsed("+" + text.removeprefix(_ABROAD), None)
    return read


def _parsed(text: str, country_code: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, country_code)
    except NumberParseException:
        return None
    return _formatted(number) if phonenumbers.is_possible_number(number) else None


def _formatted(number: phonenumbers.PhoneNumber) -> str | None:
    if _is_placeholder(str(number.national_number)):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


@lru_cache(maxsize=65_536)
def _search_numbers(text: str, country_code: str | None) -> tuple[str, ...]:
    """Find the numbers in a text that is not one number; letters of a keypad are digits where nothing else is found.

    A part of a number is not read for the whole: every digit of the text belongs to a number of a usual length.
    """
    matches = list(phonenumbers.PhoneNumberMatcher(text, country_code, leniency=Leniency.POSSIBLE))
    found = [_formatted(match.number) for match in matches]
    used = sum(len(_DIGIT.findall(match.raw_string)) for match in matches)
    if used < len(_DIGIT.findall(text)) or any(match.number.national_number < _LEAST for match in matches):
        found = []
    parts = [part for part in _APART.split(text) if _DIGIT.search(part)]
    if not found and len(parts) > 1 and all(len(_DIGIT.findall(part)) >= _USUAL for part in parts):
        found = [_read_number(_BETWEEN.sub("", part), country_code) for part in parts if not _LETTER.search(part)]
    if not found and _VANITY.fullmatch(text.strip()):
        found = [_read_vanity(text.strip(), country_code)]
    if not found and text.strip().startswith(_ABROAD):
        return _search_numbers("+" + text.strip().removeprefix(_ABROAD), country_code)
    return tuple(dict.fromkeys(number for number in found if number is not None))


def _read_vanity(text: str, country_code: str | None) -> str | None:
    words = _WORD.findall(text)
    if any(len(set(word)) == 1 or word.lower() in NOTHING for word in words):
        return None
    number = _read_number(phonenumbers.convert_alpha_characters_in_number(text), country_code)
    is_chosen = number is not None and phonenumbers.number_type(phonenumbers.parse(number)) in _CHOSEN
    return number if is_chosen else None


def is_placeholder_number(text: str) -> bool:
    """Whether the digits of a text are all equal, or a run of keys."""
    digits = "".join(_DIGIT.findall(text))
    return bool(digits) and _is_placeholder(digits)


def _is_placeholder(digits: str) -> bool:
    """Return whether all digits are equal (but for a calling code), or the digits are a run of keys."""
    significant = digits.lstrip("0") or "0"
    return len(set(digits[-7:])) == 1 or any(significant in run for run in KEY_RUNS) or len(set(significant)) == 1
