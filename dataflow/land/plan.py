"""What there is to fetch: the windows whose content the lake does not have."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from dataflow.errors import UsageError
from dataflow.settings import Settings
from dataflow.sources import ObjectState, Part, PlannedWindow, open_source
from dataflow.tables.ops import LANDED_FILE, WATERMARK
from lakehouse import LakeView


def plan_windows(
    lake: LakeView | None,
    settings: Settings,
    *,
    source: str | None = None,
    object: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[PlannedWindow]:
    """List what the sources hold and the lake does not, by source and object, oldest window first.

    `source` and `object` choose one; `since` and `until` keep windows that start in [since, until). Without a lake,
    or with one that has no tables yet, everything is new.
    Raises: UsageError for a name that is not declared, SourceMissing, SourceUnavailable.
    """
    if source is not None:
        open_source(settings, source)
    planned = []
    for source_name, object_name in _chosen(settings, source, object):
        state = read_state(lake, source_name, object_name) if lake is not None else ObjectState()
        planned += open_source(settings, source_name).plan(object_name, state, since=since, until=until)
    return planned


def read_state(lake: LakeView, source: str, object_name: str) -> ObjectState:
    """Read from the lake how far an object is and which of its files were landed."""
    existing = set(lake.tables())
    chosen = [source, object_name]
    watermark = None
    if WATERMARK.full_name in existing:
        found = lake.con.execute(
            f"SELECT cursor_at FROM lake.{WATERMARK.sql_name} WHERE source = ? AND object = ?", chosen
        ).fetchone()
        watermark = found[0] if found else None
    parts: dict[str, list[Part]] = defaultdict(list)
    if LANDED_FILE.full_name in existing:
        for path, fingerprint, size_bytes, modified_at in lake.con.execute(
            f"SELECT path, fingerprint, size_bytes, modified_at FROM lake.{LANDED_FILE.sql_name}"
            " WHERE source = ? AND object = ?",
            chosen,
        ).fetchall():
            parts[path].append(Part(path, fingerprint, size_bytes, modified_at))
    return ObjectState(watermark, parts)


def _chosen(settings: Settings, source: str | None, object_name: str | None) -> list[tuple[str, str]]:
    chosen = [
        (source_name, name)
        for source_name, declared in settings.sources.items()
        for name in declared.objects
        if source in (None, source_name) and object_name in (None, name)
    ]
    if not chosen:
        declared_names = [f"{s}.{name}" for s, system in settings.sources.items() for name in system.objects]
        raise UsageError(
            f"No object {object_name or ''} is declared{f' for the source {source}' if source else ''}; "
            f"there are {', '.join(declared_names) or 'none'}.",
            next_move="Name one of these, or declare it in dataflow.toml.",
        )
    return chosen
