"""Masks: what a role sees in place of a value. A mask keeps the type of its column, so that views compile over it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from checks.registry import Registry
from lakehouse.table import Column

CLEAR, ABSENT, KEYED_HASH = "clear", "absent", "keyed_hash"

_NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL(\(.*\))?)")
_TIME = re.compile(r"DATE|TIMESTAMP(TZ)?")
_TEXTS = ("VARCHAR", "VARCHAR[]", "MAP(VARCHAR, VARCHAR)")
_PLACES = frozenset({"contact", "online"})

INNER_PAD, OUTER_PAD = "mask_inner_pad", "mask_outer_pad"
"""Variables of the writing connection: the role's key, exclusive-ored with the two pads of RFC 2104.

The key is in variables, so that no statement, view or error message holds it.
"""
_HASH_CHARACTERS = 32
"""128 of the 256 bits: RFC 2104, section 5, asks for at least half; as many characters as the ids that it replaces."""


@dataclass(frozen=True, kw_only=True)
class Mask:
    """One mask. `fits` says for which columns it exists; `sql` returns its expression over the column's SQL."""

    name: str
    meaning: str
    fits: Callable[[Column], bool]
    sql: Callable[[str, Column], str]
    is_injective: bool = False
    """Whether different values stay different: a table whose key stays so can be updated row by row."""


def _keyed_hash(value: str, column: Column) -> str:
    if column.type == "VARCHAR[]":
        return f"list_transform({value}, lambda x: {_hmac('x')})"
    if column.type.startswith("MAP"):
        return f"map(map_keys({value}), list_transform(map_values({value}), lambda x: {_hmac('x')}))"
    return _hmac(value)


def _hmac(value: str) -> str:
    inner = f"unhex(sha256(getvariable('{INNER_PAD}') || encode({value})))"
    return f"left(sha256(getvariable('{OUTER_PAD}') || {inner}), {_HASH_CHARACTERS})"


def _year(value: str, column: Column) -> str:
    return f"CAST(date_trunc('year', {value}) AS {column.type})"


def _region(value: str, column: Column) -> str:
    return f"left({value}, 2)" if column.type == "VARCHAR" else f"CAST(round({value}) AS {column.type})"


def _bucket(value: str, column: Column) -> str:
    """Return the number of the series 1, 2, 5, 10, … that is next to zero from the value; 0 stays."""
    power = f"pow(10, floor(log10(abs({value}))))"
    # A logarithm just below a whole number is rounded to it: the power is then above the value.
    steps = " ".join(f"WHEN abs({value}) >= {step} * {power} THEN {step}" for step in (10, 5, 2, 1))
    step = f"CASE {steps} ELSE 0.5 END"
    return f"CASE WHEN {value} = 0 THEN {value} ELSE CAST(sign({value}) * {step} * {power} AS {column.type}) END"


MASKS: Registry[Mask] = Registry(
    "mask",
    (
        Mask(
            name="null",
            meaning="No value",
            fits=lambda _: True,
            sql=lambda _, column: f"CAST(NULL AS {column.type})",
        ),
        Mask(
            name=KEYED_HASH,
            meaning="HMAC-SHA256 under a key of role and lake, the same for a value in all tables of the role",
            fits=lambda column: column.type in _TEXTS,
            sql=_keyed_hash,
            is_injective=True,
        ),
        Mask(
            name="first_letter",
            meaning="The first letter of a text",
            fits=lambda column: column.type == "VARCHAR" and column.classification != "pseudonym",
            sql=lambda value, _: f"left_grapheme({value}, 1)",
        ),
        Mask(
            name="domain",
            meaning="What follows the @ of an e-mail address",
            fits=lambda column: column.type == "VARCHAR" and column.classification == "contact",
            sql=lambda value, _: f"nullif(regexp_extract({value}, '@([^@]+)$', 1), '')",
        ),
        Mask(
            name="year",
            meaning="The first day of a date's year",
            fits=lambda column: _TIME.fullmatch(column.type) is not None,
            sql=_year,
        ),
        Mask(
            name="region",
            meaning="The first two characters of a postcode or network address; a coordinate in whole degrees",
            fits=lambda column: column.classification in _PLACES and column.type in ("VARCHAR", "DOUBLE"),
            sql=_region,
        ),
        Mask(
            name="bucket",
            meaning="The next number towards zero of 1, 2, 5, 10, 20, 50, …",
            fits=lambda column: _NUMBER.fullmatch(column.type) is not None,
            sql=_bucket,
        ),
    ),
    name=lambda mask: mask.name,
)

TREATMENTS = (CLEAR, *MASKS, ABSENT)


def is_injective(treatment: str) -> bool:
    """Return whether a treatment keeps different values different."""
    return treatment == CLEAR or (treatment in MASKS and MASKS[treatment].is_injective)
