"""What there is to fetch: the windows whose content the lake does not have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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
    states = read_states(lake) if lake is not None else {}
    planned = []
    for source_name, object_name in _chosen(settings, source, object):
        state = states.get((source_name, object_name), ObjectState())
        planned += open_source(settings, source_name).plan(object_name, state, since=since, until=until)
    return planned


def read_states(lake: LakeView) -> Mapping[tuple[str, str], ObjectState]:
    """Read from the lake, by source and object, how far each object is and which of its files were landed."""
    existing = set(lake.tables())
    watermarks: dict[tuple[str, str], datetime] = {}
    if WATERMARK.full_name in existing:
        found = lake.con.execute(f"SELECT source, object, cursor_at FROM lake.{WATERMARK.sql_name}").fetchall()
        watermarks = {(source, object_name): cursor_at for source, object_name, cursor_at in found}
    parts: dict[tuple[str, str], dict[str, list[Part]]] = defaultdict(lambda: defaultdict(list))
    if LANDED_FILE.full_name in existing:
        columns = "source, object, path, fingerprint, size_bytes, modified_at"
        for source, object_name, *part in lake.con.execute(
            f"SELECT {columns} FROM lake.{LANDED_FILE.sql_name}"
        ).fetchall():
            parts[source, object_name][part[0]].append(Part(*part))
    return {name: ObjectState(watermarks.get(name), parts[name]) for name in {*watermarks, *parts}}


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
