"""Ibis expressions on text that several tables share."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
from ibis.expr import types as ir

PART = "\x1f"
"""Between values joined into one key: no text of a customer holds it."""


def as_text(value: ir.Value) -> ir.StringValue:
    """The value as text."""
    text = value if value.type().is_string() else value.cast("string")
    assert isinstance(text, ir.StringValue)
    return text


def joined_text(values: Sequence[ir.Value]) -> ir.StringValue:
    """The values as one text that only equal values share; null where all of them are."""
    whole = as_text(values[0]).fill_null("")
    for value in values[1:]:
        whole = whole + PART + as_text(value).fill_null("")
    return as_text(whole.nullif(PART * (len(values) - 1)))


def tidy_text(value: ir.Value) -> ir.StringValue:
    """Fold blanks; null where nothing is left."""
    return as_text(as_text(value).re_replace(r"\s+", " ").strip().nullif(""))


def without_blanks(value: ir.Value) -> ir.StringValue:
    """Take all blanks out; null where nothing is left."""
    return as_text(as_text(value).re_replace(r"\s+", "").nullif(""))


def domain_of(website: ir.Value) -> ir.StringValue:
    """The domain of a web address as people write it; null where there is none."""
    host = without_blanks(website).lower().re_extract(r"^(?:[a-z]+://)?(?:[^/@]*@)?(?:www\d?\.)?([^/:?#]+)", 1)
    looks_right = host.re_search(r"^[^.]+(\.[^.]+)+$")
    return as_text(ibis.ifelse(looks_right, host, ibis.null("string")))
