"""Plan what to fetch: the windows whose content the lake does not have, or not whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dataflow.errors import DataFlowError, UsageError
from dataflow.land.gaps import Failure, Gap, covers, keys_text, read_open_gaps, window_of_gap
from dataflow.settings import Settings
from dataflow.sources import ObjectState, Part, PlannedWindow, Source, open_source
from dataflow.sources.following import follows_key
from dataflow.sources.protocol import BEGINNING
from dataflow.tables.declared import declared_objects
from dataflow.tables.ops import COMPLETENESS, LANDED_FILE, WATERMARK
from dataflow.workspace.defects import wrapping_defects
from dataflow.workspace.landed_by import held_back, landed_by
from lakehouse import LakeView
from lakehouse.table import timestamp_literal

_Name = tuple[str, str]
TimeRange = tuple[datetime | None, datetime | None]
"""From (inclusive) and until (exclusive); None: unbounded on that side."""


@dataclass(frozen=True)
class LandingPlan:
    """The plan of a landing: windows to fetch, objects that could be planned, and failures of those that could not.

    `closed_gaps`: open gaps that planning closes; the object can be planned again, or the source removed the files.
    """

    windows: tuple[PlannedWindow, ...] = ()
    planned: frozenset[_Name] = frozenset()
    failures: tuple[Failure, ...] = ()
    closed_gaps: frozenset[str] = frozenset()


def plan_landing(
    lake: LakeView | None,
    settings: Settings,
    *,
    source: str | None = None,
    object: str | None = None,
    ranges: Sequence[TimeRange] = ((None, None),),
    skip_landed: bool = False,
) -> LandingPlan:
    """Plan the windows that the sources hold and the lake does not, by source and object, oldest window first.

    `source` and `object` choose one; each of `ranges` keeps the windows that start in it. Open gaps among them are
    planned again. With `skip_landed`, windows of a querying source that were landed whole are left out: a resumed
    backfill does not read them twice. Without a lake, or with one that has no tables yet, everything is new.
    An object that cannot be planned does not stop the others, whatever the reason: a cursor that cannot be followed, a
    server that is down. Gaps of objects that are no longer declared are closed: no run reads them again.
    Raises: UsageError for a name that is not declared.
    """
    if source is not None:
        open_source(settings, source)
    states = read_states(lake) if lake is not None else {}
    gaps = list(read_open_gaps(lake).values()) if lake is not None else []
    read_whole = _read_whole_at(lake, settings) if lake is not None else {}
    whole = _landed_whole(lake) if lake is not None and skip_landed else frozenset()
    known = landed_by(lake) if lake is not None else {}
    declared = set(declared_objects(settings))
    plan = LandingPlan(closed_gaps=frozenset(gap.gap_id for gap in gaps if (gap.source, gap.object) not in declared))
    for name in _chosen(settings, source, object):
        asked = _Asked(
            name,
            replace(states.get(name, ObjectState()), read_whole_at=read_whole.get(name)),
            [gap for gap in gaps if (gap.source, gap.object) == name and _starts_in(gap, ranges)],
            ranges,
        )
        if held := held_back(name, known.get(name), settings.sources[name[0]].objects[name[1]]):
            plan = replace(plan, failures=(*plan.failures, Failure(*name, held)))
            continue
        plan = _plan_object(plan, settings, asked, whole=whole)
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
    """Return the windows of `plan_landing` where every object can be planned.

    Raises: the error of the first object that cannot be planned: SourceMissing, SourceUnavailable, …
    """
    plan = plan_landing(lake, settings, source=source, object=object, ranges=[(since, until)])
    for failure in plan.failures:
        raise failure.error
    return list(plan.windows)


@dataclass(frozen=True)
class _Asked:
    """One object to plan: its state in the lake, its open gaps, the requested ranges."""

    name: _Name
    state: ObjectState
    gaps: Sequence[Gap]
    ranges: Sequence[TimeRange]

    def moves_watermark(self, since: datetime | None) -> bool:
        """Return whether a plan from `since` leaves out nothing between the watermark and `since`."""
        known = self.state.watermark
        return since is None or (known is not None and since <= known)


def _plan_object(plan: LandingPlan, settings: Settings, asked: _Asked, *, whole: frozenset[str]) -> LandingPlan:
    """Add one object to the plan; an object that cannot be planned is a failure, reported at the end of the run."""
    source_name, object_name = asked.name
    try:
        with wrapping_defects(f"planning {source_name}.{object_name}"):
            source = open_source(settings, source_name)
            by_key = follows_key(settings.sources[source_name], object_name)
            windows, closed_gaps = _with_repairs(source, asked, _found(source, asked), by_key=by_key)
    except DataFlowError as error:
        return replace(plan, failures=(*plan.failures, Failure(source_name, object_name, error)))
    kept = [window for window in windows if window.repairs or window.parts or _identity(window) not in whole]
    return replace(
        plan,
        windows=(*plan.windows, *kept),
        planned=plan.planned | {asked.name},
        closed_gaps=plan.closed_gaps | closed_gaps,
    )


def _found(source: Source, asked: _Asked) -> list[PlannedWindow]:
    found = []
    for since, until in asked.ranges:
        windows = source.plan(asked.name[1], asked.state, since=since, until=until)
        # Files are distinguished by their bytes: a watermark leaves none out.
        moves = asked.moves_watermark(since)
        found += [window if window.parts or moves else replace(window, moves_watermark=False) for window in windows]
    return found


def _with_repairs(
    source: Source, asked: _Asked, found: Sequence[PlannedWindow], *, by_key: bool
) -> tuple[list[PlannedWindow], frozenset[str]]:
    """Mark the windows that repair a gap, add windows for gaps that the plan does not cover; return the closed gaps."""
    windows = list(found)
    closed_gaps = {gap.gap_id for gap in asked.gaps if gap.reason == "unplanned"}
    for gap in asked.gaps:
        if gap.gap_id in closed_gaps:
            continue
        if not covers(windows, gap):
            again = _planned_again(source, gap)
            if again is None:
                closed_gaps.add(gap.gap_id)
                continue
            windows.append(replace(again, follows_key=by_key))
        windows = [_repairing(window, gap) for window in windows]
    return sorted(windows, key=lambda planned: planned.window), frozenset(closed_gaps)


def _planned_again(source: Source, gap: Gap) -> PlannedWindow | None:
    """Return the gap's window to fetch; None where its files are gone from the source."""
    if not gap.is_of_files:
        return window_of_gap(gap)
    start = gap.window.start
    planned = source.plan(gap.object, ObjectState(), since=start, until=gap.window.until)
    return next((window for window in planned if window.window == gap.window), None)


def _repairing(planned: PlannedWindow, gap: Gap) -> PlannedWindow:
    is_part = planned.window.start < gap.window.until and gap.window.start < planned.window.until
    return replace(planned, repairs=(*planned.repairs, gap.gap_id)) if is_part else planned


def read_states(lake: LakeView) -> Mapping[_Name, ObjectState]:
    """Read each object's watermark and landed files from the lake, by source and object."""
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
    """Return when each object was last read from its beginning, for objects that are read whole at intervals."""
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
    """Return the windows whose newest landing left raw with all that the source held."""
    if COMPLETENESS.full_name not in set(lake.tables()):
        return frozenset()
    found = lake.con.execute(f"""
        SELECT source, object, window_from, window_until, coalesce(keys, '')
        FROM {COMPLETENESS.in_lake} WHERE coalesce(comparison, 'landing') = 'landing'
        QUALIFY row_number() OVER (PARTITION BY source, object, window_from, window_until, coalesce(keys, '')
            ORDER BY checked_at DESC, _run_id DESC) = 1
        AND source_count = raw_count AND source_fingerprint = raw_fingerprint
    """).fetchall()
    return frozenset(_window_id(source, name, start, until, keys) for source, name, start, until, keys in found)


def _identity(planned: PlannedWindow) -> str:
    ends = planned.window.start, planned.window.until
    return _window_id(planned.source, planned.object, *ends, keys_text(planned))


def _window_id(source: str, object_name: str, start: datetime, until: datetime, keys: str) -> str:
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
        if not declared_names:
            raise UsageError(
                "No source with an object is declared, so there is nothing to read.",
                next_move="Declare one in dataflow.toml as [sources.NAME] and [sources.NAME.objects.OBJECT]; "
                "`dataflow init FOLDER` writes an example.",
            )
        what = f"object {object_name} is declared" if object_name else "object is declared"
        raise UsageError(
            f"No {what}{f' for the source {source}' if source else ''}; there are {', '.join(declared_names)}.",
            next_move="Name one of these, or declare it in dataflow.toml.",
        )
    return chosen
