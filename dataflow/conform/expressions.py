"""Build Ibis expressions on text that several tables share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")


PART = "\x1f"
"""Separator of values joined into one key; customer text does not contain it."""


def as_text(value: ir.Value) -> ir.StringValue:
    """Return the value as text."""
    text = value if value.type().is_string() else value.cast("string")
    assert isinstance(text, ir.StringValue)
    return text


def joined_text(values: Sequence[ir.Value]) -> ir.StringValue:
    """Join the values into one text that is equal only for equal values; null where all of them are null."""
    whole = as_text(values[0]).fill_null("")
    for value in values[1:]:
        whole = whole + PART + as_text(value).fill_null("")
    return as_text(whole.nullif(PART * (len(values) - 1)))


def tidy_text(value: ir.Value) -> ir.StringValue:
    """Collapse blanks; null where the result is empty."""
    return as_text(as_text(value).re_replace(r"\s+", " ").strip().nullif(""))


def without_blanks(value: ir.Value) -> ir.StringValue:
    """Remove all blanks; null where the result is empty."""
    return as_text(as_text(value).re_replace(r"\s+", "").nullif(""))


def domain_of(website: ir.Value) -> ir.StringValue:
    """Return the domain of a web address as people write it; null where there is none."""
    host = without_blanks(website).lower().re_extract(r"^(?:[a-z]+://)?(?:[^/@]*@)?(?:www\d?\.)?([^/:?#]+)", 1)
    looks_right = host.re_search(r"^[^.]+(\.[^.]+)+$")
    return as_text(ibis.ifelse(looks_right, host, ibis.null("string")))
