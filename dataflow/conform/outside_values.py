"""Name the values that a conformed column does not accept, and the line of dataflow.toml that maps them.

A value is customer data unless it is a word of a vocabulary: what does not look like one is counted, not shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.outside import fields_in

_WORD = re.compile(r"[^\W\d_][\w /&.+'()-]{0,39}|[^\w\s@]{1,3}|\d{1,3}")
_MOST_DIGITS = 3
_MOST_NAMED = 5
MOST_DIFFERENT = 20
"""A column with more different values holds no words of a vocabulary: another field was mapped."""


def describe_values(found: Sequence[tuple[str | None, int]], mapping: CompiledMapping, column: str) -> tuple[str, str]:
    """Describe the values outside a vocabulary, most frequent first: their counts, and the line to declare.

    Shape: empty texts where the values must not be shown: of a personal field, of many different values, of values
    that look like no word of a vocabulary.
    """
    words = [(value, count) for value, count in found if value is not None and _is_word(value)]
    if not words or len(found) > MOST_DIFFERENT or len(words) < len([v for v, _ in found if v is not None]):
        return "", ""
    named = ", ".join(f'"{value}" ({count:,})' for value, count in words[:_MOST_NAMED])
    more = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
    return f": {named}{more}", _line(mapping, column, [value for value, _ in words[:_MOST_NAMED]])


def _is_word(value: str) -> bool:
    return bool(_WORD.fullmatch(value)) and sum(letter.isdigit() for letter in value) <= _MOST_DIGITS


def _line(mapping: CompiledMapping, column: str, values: list[str]) -> str:
    """Return the line of dataflow.toml that maps the values; a mapping that is there already is extended."""
    expression = mapping.settings.fields[column]
    pairs = ", ".join(f'"{value}" = "…"' for value in values)
    place = f"[mappings.{mapping.name}.fields]"
    if isinstance(expression, dict) and "map" in expression:
        return f"to the map of {column} in {place} add {pairs}"
    return f"in {place} write {column} = {{ map = {{ {pairs} }}, of = {toml(expression)} }}"


def toml(value: object) -> str:
    """Return a value as TOML writes it in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def is_shown(mapping: CompiledMapping, column: str, personal: Mapping[str, str]) -> bool:
    """Return whether the values of a column can be named in a message: none is of a field declared as personal."""
    return not any(personal.get(name, "none") != "none" for name in fields_in(mapping.settings.fields[column]))
