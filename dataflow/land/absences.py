"""Windows that were read while a field was absent, to be read again when the source has the field.

A record that changed meanwhile keeps its former value, and one that was created meanwhile has none: the source alone
knows better. Files are not read again: the same bytes would still lack the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb

from dataflow.land.fetch import FetchedWindow
from dataflow.land.gaps import Gap, covers
from dataflow.sources import Window
from dataflow.tables.ops import COMPLETENESS
from lakehouse.table import literal


def gaps_of_absence(con: duckdb.DuckDBPyConnection, windows: Sequence[FetchedWindow]) -> Iterable[Gap]:
    """Yield the gap of each field that these windows have again and earlier ones lacked; none where they cover it."""
    asked = [window for window in windows if not window.planned.parts]
    for source, name in sorted({(window.planned.source, window.planned.object) for window in asked}):
        own = [window for window in asked if (window.planned.source, window.planned.object) == (source, name)]
        absent = {field for window in own for field in window.report.drift.absent}
        for field, start, until in con.execute(_unread_sql(source, name)).fetchall():
            gap = Gap(
                source,
                name,
                Window(start, until),
                "absent",
                f"{field} was absent while this was read, and is there again",
            )
            if field not in absent and not covers((window.planned for window in own), gap):
                yield gap


def _unread_sql(source: str, name: str) -> str:
    """Return the SELECT of (field, from, until) over the windows that lacked it, unless all was read again since."""
    of_object = f"source = {literal(source)} AND object = {literal(name)}"
    return f"""
        WITH landed AS (
            SELECT window_from, window_until, keys, checked_at, absent_fields FROM {COMPLETENESS.in_lake}
            WHERE {of_object} AND coalesce(comparison, 'landing') = 'landing'
        ),
        lacking AS (
            SELECT window_from, window_until, checked_at, unnest(absent_fields) AS field FROM landed
            WHERE absent_fields IS NOT NULL
        )
        SELECT field, min(window_from), max(window_until) FROM lacking l
        WHERE NOT EXISTS (
            SELECT 1 FROM landed p WHERE p.checked_at > l.checked_at AND coalesce(p.keys, '') = ''
            AND NOT coalesce(list_contains(p.absent_fields, l.field), false)
            AND p.window_from <= l.window_from AND p.window_until >= l.window_until
        )
        GROUP BY field ORDER BY field
    """
