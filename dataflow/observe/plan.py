"""Find what a run would land, without writing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from dataflow.access.lake import lake_location
from dataflow.access.pipeline import open_published
from dataflow.errors import DataFlowError, ObjectHeldBack, UsageError
from dataflow.land import plan_landing
from dataflow.observe.pending import pending_changes
from dataflow.observe.preview import preview
from dataflow.settings import Settings
from dataflow.sources import Finding, ObjectState, open_source
from dataflow.sources.proposals import FieldChange, propose, sample_types
from dataflow.tables.ops import POSITION
from lakehouse import LakeUnreachable, LakeView
from lakehouse.connect import connect
from lakehouse.damage import naming_damage

_SAMPLED_ROWS = 1_000


class Planned(NamedTuple):
    """The windows that a run would land, what changed declarations will do, and what the rows would become."""

    records: list[dict[str, Any]]
    pending: list[Finding]
    preview: list[Finding]


def plan_run(
    settings: Settings,
    *,
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    with_preview: bool = False,
) -> Planned:
    """List the windows that a run would land, with the schema drift of their objects.

    Before the first publication, or `with_preview`, also what their rows would become.

    Shape: one row per window: source, object, window, files, bytes, drift, and the number of gaps it repairs; and what
    changed declarations will do.
    Raises: the error of the first object that cannot be planned, unless it is held back.
    """
    with published_view(settings) as lake:
        plan = plan_landing(lake, settings, source=source, object=object_name, ranges=[(since, until)])
        pending = list(pending_changes(lake, settings)) if lake is not None else []
        is_first = lake is None or not _has_published(lake)
    told = {finding.name for finding in pending if not finding.is_well}
    for failure in plan.failures:
        if not isinstance(failure.error, ObjectHeldBack):
            raise failure.error
        if (name := f"object {failure.source}.{failure.object}") not in told:
            pending.append(Finding.of_error(name, failure.error))
    windows = plan.windows
    proposed: dict[tuple[str, str], list[FieldChange]] = {}
    for name in sorted({window.source for window in windows}):
        proposed |= read_proposals(settings, source=name)
    records = [
        {
            "source": window.source,
            "object": window.object,
            "window": window.label,
            "files": len(window.parts),
            "bytes": window.size_bytes,
            "drift": "; ".join(map(str, proposed.get((window.source, window.object), []))),
            "repairs": len(window.repairs),
        }
        for window in windows
    ]
    previewed: list[Finding] = []
    if windows and (is_first or with_preview):
        try:
            previewed = preview(settings, windows)
        except DataFlowError as error:
            # What was planned is an answer all the same.
            previewed = [Finding("preview", is_well=False, found=f"it could not be made: {error}")]
    return Planned(records, pending, previewed)


def _has_published(lake: LakeView) -> bool:
    known = POSITION.full_name in set(lake.tables())
    return known and bool(lake.con.execute(f"SELECT 1 FROM {POSITION.in_lake} LIMIT 1").fetchall())


def require_declared(settings: Settings, source: str | None, object_name: str | None) -> None:
    """Refuse a source or object that dataflow.toml does not declare. Raises: UsageError."""
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
    """Yield the published lake, or None before the first publication."""
    location = lake_location(settings)
    try:
        con = open_published(settings)
    except LakeUnreachable:
        if location.published_catalogue.exists():
            raise
        yield None
        return
    with closing(con), naming_damage(con, location, is_reader=True):
        yield LakeView(con, location)


def read_proposals(
    settings: Settings, *, source: str | None = None, object_name: str | None = None
) -> dict[tuple[str, str], list[FieldChange]]:
    """Compare the fields of the sources with the declarations; return the changes of each object that has any.

    Types that a source does not declare are inferred from the first rows of its newest window.
    """
    require_declared(settings, source, object_name)
    found: dict[tuple[str, str], list[FieldChange]] = {}
    for name, system in settings.sources.items():
        if source not in (None, name):
            continue
        for held in open_source(settings, name).discover():
            declared = system.objects.get(held.name)
            if declared is None or not held.fields or object_name not in (None, held.name):
                continue
            changes = propose(declared, held.fields)
            untyped = {field.name for field in held.fields if not field.type}
            unseen = [change.field for change in changes if change.field in untyped and change.kind != "gone"]
            if unseen:
                changes = propose(declared, held.fields, sampled=_sampled(settings, name, held.name, unseen))
            if changes:
                found[name, held.name] = changes
    return found


def _sampled(settings: Settings, source_name: str, object_name: str, fields: list[str]) -> dict[str, str]:
    source = open_source(settings, source_name)
    windows = source.plan(object_name, ObjectState())
    batch = next(source.fetch(windows[-1]).batches, None) if windows else None
    if batch is None:
        return {}
    con = connect(threads=1)
    try:
        return sample_types(con, batch.column("payload").to_pylist()[:_SAMPLED_ROWS], fields)
    finally:
        con.close()
