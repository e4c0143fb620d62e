"""The reference: every declaration as one Markdown page, from what `dataflow describe` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.observe.describe import KINDS, Description, Kind
from dataflow.observe.describe.description import Record

FILE_NAME = "reference.md"

_HEAD = """\
# Reference

Every setting, operator, rule, table and error, as declared. Made by `dataflow docs`; do not edit: change the
declaration (the place stands below each heading) and run `make fix`. `dataflow describe KIND NAME` prints one of them,
with what your dataflow.toml adds."""

# Words of the world by the thousand, and what only a dataflow.toml has.
_WITHOUT_PARTS = frozenset({"vocabulary"})
_LEFT_OUT = frozenset({"object"})


def write_reference() -> str:
    """Return the page's text; it depends on the declarations alone."""
    kinds = [kind for kind in KINDS.values() if kind.name not in _LEFT_OUT]
    contents = "\n".join(f"- [{kind.meaning}](#{_anchor(kind.meaning)})" for kind in kinds)
    return "\n\n".join([_HEAD, contents, *(section for kind in kinds for section in _sections(kind))]) + "\n"


def _sections(kind: Kind) -> Iterator[str]:
    yield f"## {kind.meaning}"
    yield f"Declared in `{kind.where}`."
    found = kind.found(None)
    if kind.name in _WITHOUT_PARTS or not any(one.parts for one in found):
        yield _table([{"name": one.name, "meaning": one.meaning, **_shared(found, one)} for one in found])
        return
    for one in found:
        yield from _single(one)


def _single(one: Description) -> Iterator[str]:
    yield f"### `{one.name}`"
    facts = "; ".join(f"{label}: {_cell(value, is_code=True)}" for label, value in one.facts.items() if _is_told(value))
    yield f"{one.meaning}." + (f" {facts}." if facts else "")
    for rows in one.parts.values():
        if rows:
            yield _table(rows)


def _shared(found: Sequence[Description], one: Description) -> Mapping[str, Any]:
    """The facts that a table of the kind has a column for: those that any of them has a value of."""
    told = [label for label in one.facts if any(_is_told(each.facts.get(label)) for each in found)]
    return {label: one.facts[label] for label in told}


def _table(rows: Sequence[Record]) -> str:
    told = [label for label in rows[0] if any(_is_told(row[label]) for row in rows)]
    lines = [told, ["---"] * len(told)]
    lines += [[_cell(row[label], is_code=label == told[0]) for label in told] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any, *, is_code: bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    text = str(value).replace("|", "\\|").replace("\n", " ")
    return f"`{text}`" if is_code else text


def _is_told(value: Any) -> bool:
    return value is not None and value != "" and value != []


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
