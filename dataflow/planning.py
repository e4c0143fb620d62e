"""What a run would do, found out without writing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from dataflow.errors import UsageError
from dataflow.land import plan_windows
from dataflow.settings import Settings
from dataflow.sources import PlannedWindow, open_source
from dataflow.storage import lake_location, open_published
from lakehouse import LakeUnreachable, LakeView


def plan_run(
    settings: Settings,
    *,
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[dict[str, Any]]:
    """List the windows that a run would land, and the fields by which each source differs from its declaration.

    Shape: one row per window: source, object, window, files, bytes, drift.
    """
    with published_view(settings) as lake:
        windows = plan_windows(lake, settings, source=source, object=object_name, since=since, until=until)
    drifts = _drifts(settings, windows)
    return [
        {
            "source": window.source,
            "object": window.object,
            "window": window.window.label,
            "files": len(window.parts),
            "bytes": window.size_bytes,
            "drift": drifts[window.source, window.object],
        }
        for window in windows
    ]


def require_declared(settings: Settings, source: str | None, object_name: str | None) -> None:
    """Refuse a source or object that dataflow.toml does not declare, before anything is opened. Raises: UsageError."""
    if source is not None:
        open_source(settings, source)
    declared = [f"{name}.{of}" for name, system in settings.sources.items() for of in system.objects]
    if object_name is not None and f"{source}.{object_name}" not in declared:
        raise UsageError(
            f"No object {object_name} is declared for the source {source}; there are {', '.join(declared)}.",
            next_move="Name one of these, or declare it in dataflow.toml.",
        )


@contextmanager
def published_view(settings: Settings) -> Iterator[LakeView | None]:
    """The published lake, or None where nothing was published yet."""
    try:
        con = open_published(settings)
    except LakeUnreachable:
        if lake_location(settings).published_catalogue.exists():
            raise
        yield None
        return
    try:
        yield LakeView(con, lake_location(settings))
    finally:
        con.close()


def _drifts(settings: Settings, windows: list[PlannedWindow]) -> dict[tuple[str, str], str]:
    """Fields the source has and the declaration has not, by object: a look at what it says it holds."""
    found: dict[tuple[str, str], str] = {}
    for name in {window.source for window in windows}:
        for held in open_source(settings, name).discover():
            declared = settings.sources[name].objects.get(held.name)
            new = sorted({field.name for field in held.fields} - set(declared.fields)) if declared else []
            found[name, held.name] = f"new: {', '.join(new)}" if new else ""
    return {(w.source, w.object): found.get((w.source, w.object), "") for w in windows}
