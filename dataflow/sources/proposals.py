"""Propose changes to a declaration: the fields by which a source differs from it, with types, never with values."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from dataflow.settings import ObjectSettings
from dataflow.sources.drift import find_drift, find_renames
from dataflow.sources.protocol import FieldInfo

TEXT = "VARCHAR"
# The narrowest type that takes every value wins. A number with a leading zero is text: it would lose the zero.
_KINDS = ("BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMPTZ")


@dataclass(frozen=True)
class FieldChange:
    """One field that differs. `before`: the old name of a renamed field, the declared type of a retyped one."""

    kind: Literal["new", "renamed", "retyped", "gone"]
    field: str
    type: str = ""
    before: str = ""

    def __str__(self) -> str:
        if self.kind == "renamed":
            return f"renamed {self.before} → {self.field} {self.type}".rstrip()
        if self.kind == "retyped":
            return f"retyped {self.field} {self.before} → {self.type}"
        return f"{self.kind} {self.field} {self.type}".rstrip()


def propose(
    declared: ObjectSettings, found: Sequence[FieldInfo], *, sampled: Mapping[str, str] | None = None
) -> list[FieldChange]:
    """List the differing fields; a new one has the type that the source states, or else the one that its values fit.

    A gone and a new field of the same kind with similar names are one renamed field.
    """
    types = {field.name: field.type for field in found if field.type}
    known = {**(sampled or {}), **types}
    drift = find_drift(declared, [field.name for field in found], types=types)
    renamed = find_renames(drift.gone, drift.new, declared=declared, types=known)
    changes = [FieldChange("renamed", new, known.get(new, TEXT), old) for old, new in sorted(renamed.items())]
    changes += [FieldChange("new", new, known.get(new, TEXT)) for new in drift.new if new not in renamed.values()]
    changes += [FieldChange("retyped", name, types[name], declared.fields[name]) for name in drift.retyped]
    return changes + [FieldChange("gone", name) for name in drift.gone if name not in renamed]


def sample_types(con: duckdb.DuckDBPyConnection, payloads: Iterable[str], fields: Collection[str]) -> dict[str, str]:
    """Return the type that the values of fields fit, by rows as received; a field without values is left out."""
    values: dict[str, list[str]] = defaultdict(list)
    for payload in payloads:
        row = _row(payload)
        for name in fields:
            value = row.get(name)
            if value is not None and value != "":
                values[name].append(_as_text(value))
    return {name: _type_of(con, seen) for name, seen in values.items()}


def _type_of(con: duckdb.DuckDBPyConnection, values: list[str]) -> str:
    if any(re.match(r"-?0\d", value) for value in values):
        return TEXT
    fits = ", ".join(f"bool_and(TRY_CAST(v AS {kind}) IS NOT NULL)" for kind in _KINDS)
    row = con.execute(f"SELECT {fits} FROM (SELECT unnest(?::VARCHAR[]) AS v)", [values]).fetchall()[0]
    found = next((kind for kind, does in zip(_KINDS, row, strict=True) if does), TEXT)
    # DuckDB casts 1.5 to a whole number, and 1 to a truth value.
    if found == "BIGINT" and any(not re.fullmatch(r"[+-]?\d+", value) for value in values):
        return "DOUBLE"
    if found == "DATE" and any(len(value) > len("2026-01-31") for value in values):
        return "TIMESTAMPTZ"
    return found


def _row(payload: str) -> dict[str, Any]:
    try:
        row = json.loads(payload)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
