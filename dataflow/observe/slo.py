"""The service level: the share of minutes in which each object and the newest publication were fresh enough.

An object is fresh at a time if raw, by the landings recorded until then, had all its changes up to no longer ago than
its `fresh_within_hours`; one read by its key, if it was read then. The newest publication is fresh if a run published,
or found nothing new to publish, within `slo.publication_within_hours`. A minute in which one of them was not is
missed. Exact intervals are compared, not minutes one by one, so that a month costs what its runs cost.

Source of error budget and burn rate: The Site Reliability Workbook (2018), chapter 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import duckdb

from dataflow.settings import Settings
from dataflow.sources.following import objects_by_key
from dataflow.tables.ops import COMPLETENESS, RUN
from dataflow.tables.ops.runs import PUBLISHING_KINDS
from lakehouse.query import fetch_records
from lakehouse.table import literal, timestamp_literal

State = Literal["met", "missed", "unknown", "not declared"]
Interval = tuple[datetime, datetime]

PUBLICATION = "publication"
"""The name of the series of publications, beside the objects."""

LEAST_HISTORY = timedelta(days=7)
"""A share of 99.9 % of less than a week is a matter of single runs: until then the level is unknown."""

BURN_HOURS = (1, 6, 72)
"""The last hours of which a burn rate is given: those of the alerts of The Site Reliability Workbook, chapter 5."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """At `at` a run had brought a series up to `upto`."""

    at: datetime
    upto: datetime


@dataclass(frozen=True, kw_only=True)
class Series:
    """What has to be fresh: an object or the publication, within how many hours, and what is known of it."""

    name: str
    within_hours: float
    observations: tuple[Observation, ...]

    def missed(self, since: datetime, until: datetime) -> list[Interval]:
        """Return when it was older than allowed, from the first observation on."""
        found, upto = [], None
        ends = [*(one.at for one in self.observations[1:]), until]
        for one, end in zip(self.observations, ends, strict=True):
            upto = one.upto if upto is None else max(upto, one.upto)
            start = max(one.at, upto + timedelta(hours=self.within_hours), since)
            if start < min(end, until):
                found.append((start, min(end, until)))
        return found


@dataclass(frozen=True, kw_only=True)
class ServiceLevel:
    """The service level from `since` until `until`, with its error budget.

    Shape: `series` has name, within_hours, missed_minutes and is_fresh; `publications` counts runs by status.
    `availability` is the share of minutes that were not missed. The budget is the minutes that may be missed in
    `minutes`; a burn rate of 1 uses it up exactly by the end. Of an unknown level these are None.
    """

    state: State
    why: str
    target: float
    since: datetime | None
    until: datetime
    minutes: float = 0.0
    missed_minutes: float = 0.0
    availability: float | None = None
    budget_minutes: float | None = None
    budget_left_minutes: float | None = None
    burn_rate: Mapping[str, float] | None = None
    series: Sequence[Mapping[str, Any]] = ()
    publications: Mapping[str, int] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the level in the types of records."""
        return asdict(self)


def read_service_level(con: duckdb.DuckDBPyConnection, settings: Settings, *, now: datetime) -> ServiceLevel:
    """Compute the service level of the lake that is the default database of `con`."""
    since = now - timedelta(days=settings.slo.window_days)
    series = [*_of_objects(con, settings), *_of_publications(con, settings)]
    return level_of(series, target=settings.slo.target, since=since, until=now, publications=_counts(con, since))


def level_of(
    series: Sequence[Series],
    *,
    target: float,
    since: datetime,
    until: datetime,
    publications: Mapping[str, int] | None = None,
) -> ServiceLevel:
    """Compute the service level of series. Unknown where one has no observation, or all less than LEAST_HISTORY."""

    def unknown(state: State, why: str) -> ServiceLevel:
        return ServiceLevel(state=state, why=why, target=target, since=None, until=until, publications=publications)

    if not series:
        return unknown("not declared", "no object has fresh_within_hours, and [slo] no publication_within_hours")
    without = [one.name for one in series if not one.observations]
    if without:
        return unknown("unknown", f"nothing is known yet of {', '.join(without)}")
    # Before all of them were observed, a minute can be neither good nor missed.
    begun = max(since, *(one.observations[0].at for one in series))
    if until - begun < min(LEAST_HISTORY, until - since):
        return unknown(
            "unknown", f"the history begins at {begun:%Y-%m-%d %H:%M} UTC, less than {LEAST_HISTORY.days} days ago"
        )
    missed = {one.name: one.missed(begun, until) for one in series}
    every = union(interval for found in missed.values() for interval in found)
    minutes, lost = _minutes([(begun, until)]), _minutes(every)
    budget = minutes * (1 - target)
    return ServiceLevel(
        state="met" if lost <= budget else "missed",
        why="",
        target=target,
        since=begun,
        until=until,
        minutes=round(minutes, 1),
        missed_minutes=round(lost, 1),
        availability=1 - lost / minutes,
        budget_minutes=round(budget, 1),
        budget_left_minutes=round(budget - lost, 1),
        burn_rate={f"{hours}h": _burn_rate(every, hours, target=target, until=until) for hours in BURN_HOURS},
        series=[
            {
                "series": one.name,
                "within_hours": one.within_hours,
                "missed_minutes": round(_minutes(missed[one.name]), 1),
                "is_fresh": not missed[one.name] or missed[one.name][-1][1] < until,
            }
            for one in series
        ],
        publications=publications,
    )


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the intervals, in order, with those that overlap joined."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _minutes(intervals: Iterable[Interval]) -> float:
    return sum((end - start).total_seconds() for start, end in intervals) / 60


def _burn_rate(missed: Sequence[Interval], hours: int, *, target: float, until: datetime) -> float:
    """Return how many times faster than allowed the budget was used in the last hours."""
    since = until - timedelta(hours=hours)
    lost = _minutes((max(start, since), end) for start, end in missed if end > since)
    return round(lost / (hours * 60) / (1 - target), 2)


def _of_objects(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[Series]:
    declared = {
        (source, name): one.fresh_within_hours
        for source, system in settings.sources.items()
        for name, one in system.objects.items()
        if one.fresh_within_hours is not None
    }
    if not declared:
        return []
    by_key = objects_by_key(settings)
    seen: dict[tuple[str, str], list[Observation]] = {name: [] for name in declared}
    for row in fetch_records(con, _LANDED):
        name = (row["source"], row["object"])
        if name in seen:
            upto = row["checked_at"] if name in by_key else min(row["until"], row["checked_at"])
            seen[name].append(Observation(at=row["checked_at"], upto=upto))
    return [
        Series(name=".".join(name), within_hours=within, observations=tuple(seen[name]))
        for name, within in sorted(declared.items())
    ]


def _of_publications(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[Series]:
    within = settings.slo.publication_within_hours
    if within is None:
        return []
    found = tuple(Observation(at=row["at"], upto=row["at"]) for row in fetch_records(con, _CURRENT))
    return [Series(name=PUBLICATION, within_hours=within, observations=found)]


def _counts(con: duckdb.DuckDBPyConnection, since: datetime) -> dict[str, int]:
    rows = fetch_records(
        con,
        f"SELECT status, count(*) AS runs FROM {RUN.sql_name} WHERE {_PUBLISHES}"
        f" AND finished_at >= {timestamp_literal(since)} GROUP BY 1 ORDER BY 1",
    )
    return {str(row["status"]): int(row["runs"]) for row in rows}


_PUBLISHES = f"kind IN ({', '.join(map(literal, PUBLISHING_KINDS))})"
_CURRENT = f"""
    SELECT finished_at AS at FROM {RUN.sql_name}
    WHERE {_PUBLISHES} AND status IN ('published', 'partial', 'unchanged') ORDER BY 1
"""
# A run that did not land every window whole brings its object no further.
_LANDED = f"""
    SELECT source, object, checked_at, max(window_until) AS until FROM {COMPLETENESS.sql_name}
    WHERE coalesce(comparison, 'landing') = 'landing' GROUP BY ALL
    HAVING bool_and(raw_count >= source_count) ORDER BY checked_at
"""
