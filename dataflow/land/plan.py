"""What there is to fetch: the windows whose content the lake does not have, and those it does not have whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dataflow.errors import ConfigurationError, DataFlowError, UsageError
from dataflow.land.gaps import Failure, Gap, covers, keys_text, read_open_gaps, window_of_gap
from dataflow.settings import Settings
from dataflow.sources import ObjectState, Part, PlannedWindow, Source, open_source
from dataflow.sources.protocol import BEGINNING
from dataflow.tables.ops import COMPLETENESS, LANDED_FILE, WATERMARK
from dataflow.workspace.defects import wrapping_defects
from lakehouse import LakeView
from lakehouse.table import timestamp_literal

_Name = tuple[str, str]
TimeRange = tuple[datetime | None, datetime | None]
"""From (inclusive) and until (exclusive); None: without end on that side."""


@dataclass(frozen=True)
class LandingPlan:
    """What a landing is to do: windows to fetch, objects that could be planned and those that could not.

    `ended` are open gaps that planning closes: the object can be planned again, or the source took back the files.
    """

    windows: tuple[PlannedWindow, ...] = ()
    planned: frozenset[_Name] = frozenset()
    failures: tuple[Failure, ...] = ()
    ended: frozenset[str] = frozenset()


def plan_landing(
    lake: LakeView | None,
    settings: Settings,
    *,
    source: str | None = None,
    object: str | None = None,
    ranges: Sequence[TimeRange] = ((None, None),),
    skip_landed: bool = False,
) -> LandingPlan:
    """List what the sources hold and the lake does not, by source and object, oldest window first.

    `source` and `object` choose one; each of `stretches`, (since, until), keeps windows that start in it. Open gaps
    among them are planned again. With `skip_landed` a window of a querying source that was landed whole stays out, as
    a backfill that is resumed needs it. Without a lake, or with one that has no tables yet, everything is new.
    Raises: UsageError for a name that is not declared, ConfigurationError.
    """
    if source is not None:
        open_source(settings, source)
    states = read_states(lake) if lake is not None else {}
    gaps = list(read_open_gaps(lake).values()) if lake is not None else []
    read_whole = _read_whole_at(lake, settings) if lake is not None else {}
    whole = _landed_whole(lake) if lake is not None and skip_landed else frozenset()
    plan = LandingPlan()
    for name in _chosen(settings, source, object):
        asked = _Asked(
            name,
            replace(states.get(name, ObjectState()), read_whole_at=read_whole.get(name)),
            [gap for gap in gaps if (gap.source, gap.object) == name and _starts_in(gap, ranges)],
            ranges,
        )
        plan = _plan_object(plan, open_source(settings, name[0]), asked, whole=whole)
    return plan


def plan_windows(
    lake: LakeView | None,
    settings: Settings,
    *,
    source: str | None = None,
    object: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[PlannedWindow]:
    """The windows of `plan_landing`, where every object can be planned.

    Raises: what keeps the first object from being planned: SourceMissing, SourceUnavailable, …
    """
    plan = plan_landing(lake, settings, source=source, object=object, ranges=[(since, until)])
    for failure in plan.failures:
        raise failure.error
    return list(plan.windows)


@dataclass(frozen=True)
class _Asked:
    """One object to plan: what the lake knows of it, its open gaps, the stretches asked for."""

    name: _Name
    state: ObjectState
    gaps: Sequence[Gap]
    ranges: Sequence[TimeRange]

    def moves_watermark(self, since: datetime | None) -> bool:
        """Whether what is planned from `since` follows on from what is landed: nothing before it is left out."""
        known = self.state.watermark
        return since is None or (known is not None and since <= known)


def _plan_object(plan: LandingPlan, source: Source, asked: _Asked, *, whole: frozenset[str]) -> LandingPlan:
    """Add one object to the plan; what keeps it from being planned is kept for the end of the run."""
    source_name, object_name = asked.name
    try:
        with wrapping_defects(f"planning {source_name}.{object_name}"):
            windows, ended = _with_repairs(source, asked, _found(source, asked))
    except (UsageError, ConfigurationError):
        raise
    except DataFlowError as error:
        return replace(plan, failures=(*plan.failures, Failure(source_name, object_name, error)))
    kept = [window for window in windows if window.repairs or window.parts or _identity(window) not in whole]
    return replace(
        plan,
        windows=(*plan.windows, *kept),
        planned=plan.planned | {asked.name},
        ended=plan.ended | ended,
    )


def _found(source: Source, asked: _Asked) -> list[PlannedWindow]:
    found = []
    for since, until in asked.ranges:
        windows = source.plan(asked.name[1], asked.state, since=since, until=until)
        # Files are told apart by their bytes: none is left out because of a watermark.
        moves = asked.moves_watermark(since)
        found += [window if window.parts or moves else replace(window, moves_watermark=False) for window in windows]
    return found


def _with_repairs(
    source: Source, asked: _Asked, found: Sequence[PlannedWindow]
) -> tuple[list[PlannedWindow], frozenset[str]]:
    """Mark the windows that repair a gap, and add those of gaps that the plan does not cover; then the ended gaps."""
    windows = list(found)
    ended = {gap.gap_id for gap in asked.gaps if gap.reason == "unplanned"}
    for gap in asked.gaps:
        if gap.gap_id in ended:
            continue
        if not covers(windows, gap):
            again = _planned_again(source, gap)
            if again is None:
                ended.add(gap.gap_id)
                continue
            windows.append(again)
        windows = [_repairing(window, gap) for window in windows]
    return sorted(windows, key=lambda planned: planned.window), frozenset(ended)


def _planned_again(source: Source, gap: Gap) -> PlannedWindow | None:
    """The gap's window as it is to be fetched; None where its files are gone from the source."""
    if not gap.is_of_files:
        return window_of_gap(gap)
    start = gap.window.start
    planned = source.plan(gap.object, ObjectState(), since=start, until=gap.window.until)
    return next((window for window in planned if window.window == gap.window), None)


def _repairing(planned: PlannedWindow, gap: Gap) -> PlannedWindow:
    is_part = planned.window.start < gap.window.until and gap.window.start < planned.window.until
    return replace(planned, repairs=(*planned.repairs, gap.gap_id)) if is_part else planned


def read_states(lake: LakeView) -> Mapping[_Name, ObjectState]:
    """Read from the lake, by source and object, how far each object is and which of its files were landed."""
    existing = set(lake.tables())
    watermarks: dict[_Name, datetime] = {}
    if WATERMARK.full_name in existing:
        found = lake.con.execute(f"SELECT source, object, cursor_at FROM {WATERMARK.in_lake}").fetchall()
        watermarks = {(source, object_name): cursor_at for source, object_name, cursor_at in found}
    parts: dict[_Name, dict[str, list[Part]]] = defaultdict(lambda: defaultdict(list))
    if LANDED_FILE.full_name in existing:
        columns = "source, object, path, fingerprint, size_bytes, modified_at"
        for source, object_name, *part in lake.con.execute(f"SELECT {columns} FROM {LANDED_FILE.in_lake}").fetchall():
            parts[source, object_name][part[0]].append(Part(*part))
    return {name: ObjectState(watermarks.get(name), parts[name]) for name in {*watermarks, *parts}}


def _read_whole_at(lake: LakeView, settings: Settings) -> Mapping[_Name, datetime]:
    """When each object was read from its beginning, where one is declared to be read so again and again."""
    objects = [declared for system in settings.sources.values() for declared in system.objects.values()]
    wanted = any(declared.reread_every_hours for declared in objects)
    if not wanted or COMPLETENESS.full_name not in set(lake.tables()):
        return {}
    found = lake.con.execute(f"""
        SELECT source, object, max(checked_at) FROM {COMPLETENESS.in_lake}
        WHERE coalesce(comparison, 'landing') = 'landing' AND window_from = {timestamp_literal(BEGINNING)}
        AND source_count = raw_count GROUP BY ALL
    """).fetchall()
    return {(source, name): checked_at for source, name, checked_at in found}


def _landed_whole(lake: LakeView) -> frozenset[str]:
    """The windows whose newest landing left raw with all that the source held."""
    if COMPLETENESS.full_name not in set(lake.tables()):
        return frozenset()
    found = lake.con.execute(f"""
        SELECT source, object, window_from, window_until, coalesce(keys, '')
        FROM {COMPLETENESS.in_lake} WHERE coalesce(comparison, 'landing') = 'landing'
        QUALIFY row_number() OVER (PARTITION BY source, object, window_from, window_until, coalesce(keys, '')
            ORDER BY checked_at DESC, _run_id DESC) = 1
        AND source_count = raw_count AND source_fingerprint = raw_fingerprint
    """).fetchall()
    return frozenset(_told(source, name, start, until, keys) for source, name, start, until, keys in found)


def _identity(planned: PlannedWindow) -> str:
    ends = planned.window.start, planned.window.until
    return _told(planned.source, planned.object, *ends, keys_text(planned))


def _told(source: str, object_name: str, start: datetime, until: datetime, keys: str) -> str:
    return f"{source}|{object_name}|{start.timestamp()}|{until.timestamp()}|{keys}"


def _starts_in(gap: Gap, ranges: Sequence[TimeRange]) -> bool:
    start = gap.window.start
    return any((since is None or start >= since) and (until is None or start < until) for since, until in ranges)


def _chosen(settings: Settings, source: str | None, object_name: str | None) -> list[_Name]:
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
