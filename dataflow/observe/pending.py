"""Say what changed declarations will do to a lake: tables that are made anew, objects that are held back."""

from __future__ import annotations

from collections.abc import Iterator

from dataflow.settings import Settings
from dataflow.sources import Finding
from dataflow.tables.declared import declared_tables
from dataflow.workspace.landed_by import declarations, held_back, landed_by
from lakehouse import LakeView


def pending_changes(lake: LakeView, settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each object whose rows are made anew by the next run, or held back until a reset."""
    known, tables = landed_by(lake), declared_tables(settings)
    retyped = lake.retyped(tables.values())
    for name, declared in declarations(settings).items():
        subject = f"object {'.'.join(name)}"
        if error := held_back(name, known.get(name), declared):
            yield Finding.of_error(subject, error)
        if columns := retyped.get(f"valid.{name[0]}_{name[1]}"):
            changes = ", ".join(f"{column} {before} → {after}" for column, (before, after) in columns.items())
            yield Finding(
                subject,
                True,
                f"the next run makes the valid rows of {'.'.join(name)} anew from raw, with other types ({changes}), "
                "and sets rows aside whose values are not of their types.",
            )
