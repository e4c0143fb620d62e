"""Find the records of a mapping that this run computes: those with changed rows, joined rows or groups."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.conform.compiled import CompiledMapping
from dataflow.sources.record_key import KeyKinds, record_key_sql
from dataflow.workspace.workspace import Workspace
from lakehouse.table import Table, column_list, quote


def mark_scope(ws: Workspace, mapping: CompiledMapping, *, is_whole: bool) -> str:
    """Create the temporary table of the mapping's keys to compute, and return its name.

    It includes keys without rows, whose records are deleted. `is_whole`: all present keys.
    """
    name = f"scope_{mapping.name}"
    if is_whole:
        parts = [f"SELECT {column_list(mapping.key_columns)} FROM {mapping.source.sql_name}"]
    else:
        parts = [_touched(ws, mapping.source, mapping.key_columns)]
    for join in () if is_whole else mapping.joins:
        theirs, mine = list(join.settings.on), list(join.settings.on.values())
        if not set(mine) <= set(mapping.source.column_names):
            # By another join: which records it reaches is known only by computing them.
            changed = f"SELECT 1 FROM ({ws.changed(join.table)})"
            parts.append(f"SELECT _record_key FROM {mapping.source.sql_name} WHERE EXISTS ({changed})")
            continue
        forms = [join.forms[name] for name in theirs]
        moved = f"SELECT {_as_keys(theirs, forms)} FROM ({_touched(ws, join.table, theirs)})"
        parts.append(f"SELECT _record_key FROM {mapping.source.sql_name} WHERE ({_as_keys(mine, forms)}) IN ({moved})")
    ws.con.execute(
        f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)})"
    )
    return name


def _touched(ws: Workspace, table: Table, columns: tuple[str, ...] | list[str]) -> str:
    """Return the SELECT of the values that changed rows have now and had before."""
    if tuple(columns) == table.key:
        return f"SELECT {column_list(table.key)} FROM ({ws.changed(table)})"
    changed = f"({ws.changed(table)})"
    return f"""
        SELECT {column_list(columns)} FROM {table.sql_name} SEMI JOIN {changed} USING ({column_list(table.key)})
        UNION ALL
        SELECT {column_list(columns)} FROM {ws.before(table)} SEMI JOIN {changed} USING ({column_list(table.key)})
    """


def _as_keys(columns: list[str], forms: Sequence[KeyKinds]) -> str:
    pairs = zip(columns, forms, strict=True)
    texts = ", ".join(record_key_sql(f"CAST({quote(column)} AS VARCHAR)", kinds) for column, kinds in pairs)
    return texts if len(columns) == 1 else f"row({texts})"
