"""Schema drift: find how a source's fields differ from the declared ones, and apply the object's policy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from dataflow.errors import SchemaDrift
from dataflow.settings import ObjectSettings
from dataflow.settings.field_types import column_type
from dataflow.sources.protocol import Drift
from dataflow.sources.rows import key_fields

_ALIKE = 0.6
"""Similarity from which two names are one renamed field: `Phone` and `Phone__c` are, `Phone` and `Fax` are not."""
_FAMILIES = {
    "number": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    "fraction": ("DECIMAL", "FLOAT", "DOUBLE", "REAL"),
    "time": ("DATE", "TIMESTAMP", "DATETIME"),
    "boolean": ("BOOLEAN", "BIT"),
}


def find_drift(declared: ObjectSettings, found: Iterable[str], *, types: Mapping[str, str] | None = None) -> Drift:
    """Compare the fields of a file with the declaration; `types` where the format states them."""
    names = set(found)
    required = set(declared.fields) - set(declared.optional)
    retyped = [
        name
        for name, kind in (types or {}).items()
        if name in declared.fields and _differs(declared.fields[name], kind)
    ]
    new, gone = sorted(names - set(declared.fields)), sorted(required - names)
    renamed = find_renames(gone, new, declared=declared, types=types or {})
    lacking = tuple(sorted({*declared.optional}.intersection(declared.fields) - names))
    return Drift(tuple(new), tuple(gone), tuple(sorted(retyped)), tuple(sorted(renamed.items())), lacking)


def find_renames(
    gone: Iterable[str], new: Iterable[str], *, declared: ObjectSettings, types: Mapping[str, str]
) -> dict[str, str]:
    """Pair gone fields with new ones, the most similar first; each field once."""
    pairs = sorted(
        (-_likeness(old, name), old, name)
        for old in gone
        for name in new
        if name not in types or is_same_kind(declared.fields[old], types[name])
    )
    found: dict[str, str] = {}
    for likeness, old, name in pairs:
        if -likeness >= _ALIKE and old not in found and name not in found.values():
            found[old] = name
    return found


def answer_drift(drift: Drift, declared: ObjectSettings, *, where: str) -> str | None:
    """Apply `on_drift`: return None to carry on, or the defect that every row of the file gets.

    Raises: SchemaDrift under `freeze`, and under any policy where key or cursor is gone: records, or their versions,
    cannot be distinguished then.
    """
    if not drift:
        return None
    if declared.on_drift == "set_aside":
        return f"columns differ from the declaration: {describe(drift)}"
    lost = [name for name in (*key_fields(declared), declared.cursor) if name in drift.gone]
    if lost:
        raise SchemaDrift(
            f"Reading {where}: the key or cursor {_list(lost)} is not among its columns.",
            next_move="Have the export corrected, or declare the new name under the object's key, cursor and fields.",
        )
    if declared.on_drift == "freeze":
        raise SchemaDrift(
            f"Reading {where}: its columns are not the declared ones: {describe(drift)}.",
            next_move=_moves(drift),
        )
    return None


def describe(drift: Drift) -> str:
    """Return `renamed x → y; new a, b; gone c; retyped d`: names of columns only."""
    old, new = {before for before, _ in drift.renamed}, {after for _, after in drift.renamed}
    sides = (
        ("renamed", [f"{before} → {after}" for before, after in drift.renamed]),
        ("new", [name for name in drift.new if name not in new]),
        ("gone", [name for name in drift.gone if name not in old]),
        ("retyped", drift.retyped),
    )
    return "; ".join(f"{word} {_list(names)}" for word, names in sides if names)


def _moves(drift: Drift) -> str:
    """Return the next move. A field is also gone where the user can no longer read it."""
    accept = 'Accept the change with `dataflow drift accept`, or set on_drift = "evolve".'
    return f"Have the gone fields delivered again, or granted to the user. {accept}" if drift.gone else accept


def is_same_kind(declared: str, found: str) -> bool:
    """Return whether both are text, or whole numbers, or fractions, or times, or truth values."""
    return _family(declared) == _family(found)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _family(kind: str) -> str:
    bare = column_type(kind).upper().split("(")[0].split()[0]
    return next((name for name, kinds in _FAMILIES.items() if any(bare.startswith(k) for k in kinds)), bare)


def _differs(declared: str, found: str) -> bool:
    """Return whether the declared type takes the other: text takes all, fractions take numbers, booleans 0 and 1."""
    accepted = {"fraction": {"fraction", "number"}, "boolean": {"boolean", "number"}}
    family = _family(declared)
    return family != "VARCHAR" and _family(found) not in accepted.get(family, {family})


def _likeness(old: str, new: str) -> float:
    before, after = (re.sub(r"[^a-z0-9]", "", name.lower().removesuffix("__c")) for name in (old, new))
    return SequenceMatcher(None, before, after).ratio()
