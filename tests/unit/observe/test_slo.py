"""The service level agrees with counting minutes one by one, and says nothing of a short history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.observe.slo import PUBLICATION, Observation, Series, level_of, read_service_level
from dataflow.settings import ObjectSettings, Settings, SourceSettings
from dataflow.settings.slo import SloSettings
from dataflow.tables.ops import COMPLETENESS, RUN
from lakehouse.connect import connect

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=30)
HOUR = timedelta(hours=1)


def series(name: str, within: float, *observed: tuple[int, int]) -> Series:
    """Observations by the hour after SINCE, each with the hours that it was behind."""
    return Series(
        name=name,
        within_hours=within,
        observations=tuple(
            Observation(at=SINCE + at * HOUR, upto=SINCE + (at - behind) * HOUR) for at, behind in observed
        ),
    )


def missed_hours(every: Sequence[Series]) -> tuple[int, int]:
    """The dull twin: each half hour looked at by itself, from the first that all are known of."""
    begun = max(one.observations[0].at for one in every)
    times = [SINCE + (hour + 0.5) * HOUR for hour in range(720) if SINCE + hour * HOUR >= begun]

    def is_fresh(one: Series, at: datetime) -> bool:
        upto = max(seen.upto for seen in one.observations if seen.at <= at)
        return at - upto < timedelta(hours=one.within_hours)

    return sum(not all(is_fresh(one, at) for one in every) for at in times), len(times)


HOURS = st.lists(
    st.tuples(st.integers(0, 719), st.integers(0, 30)), min_size=1, max_size=12, unique_by=lambda one: one[0]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 100), HOURS), min_size=1, max_size=3))
def test_the_intervals_are_the_hours_counted_one_by_one(drawn: list[tuple[int, list[tuple[int, int]]]]) -> None:
    every = [series(str(number), within, *sorted(seen)) for number, (within, seen) in enumerate(drawn)]
    found = level_of(every, target=0.9, since=SINCE, until=NOW)
    missed, known = missed_hours(every)
    if found.state == "unknown":
        assert known < 7 * 24
        return
    assert (found.missed_minutes, found.minutes) == (missed * 60, known * 60)
    assert found.state == ("met" if missed <= known * 0.1 else "missed")
    assert found.budget_left_minutes == pytest.approx(known * 6 - missed * 60, abs=0.1)


def test_the_burn_rate_is_of_the_last_hours() -> None:
    # Fresh until an hour before the end: of the last hour all is missed, of six a sixth.
    every = [series("shop.item", 719, (0, 0))]
    found = level_of(every, target=0.999, since=SINCE, until=NOW)
    assert found.burn_rate == {"1h": 1000.0, "6h": 166.67, "72h": 13.89}
    assert (found.state, found.missed_minutes, found.budget_minutes) == ("missed", 60.0, 43.2)
    assert [one["is_fresh"] for one in found.series] == [False]


def test_too_little_history_is_unknown() -> None:
    assert level_of([], target=0.999, since=SINCE, until=NOW).state == "not declared"
    short = level_of([series("a", 5, (720 - 24 * 6, 0))], target=0.999, since=SINCE, until=NOW)
    assert (short.state, short.availability, short.burn_rate) == ("unknown", None, None)
    nothing = level_of([series("a", 999, (0, 0)), series("b", 5)], target=0.999, since=SINCE, until=NOW)
    assert (nothing.state, nothing.why) == ("unknown", "nothing is known yet of b")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(threads=1) as con:
        con.execute("CREATE SCHEMA ops")
        for table in (RUN, COMPLETENESS):
            columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
            con.execute(f"CREATE TABLE {table.sql_name} ({columns})")
        yield con


def test_it_is_read_from_landings_and_runs(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    item = ObjectSettings(key="id", cursor="at", fields={"id": "BIGINT", "at": "TIMESTAMP"}, fresh_within_hours=24)
    other = item.model_copy(update={"fresh_within_hours": None})
    shop = SourceSettings.model_construct(adapter="mysql", objects={"item": item, "other": other})
    configured = Settings(home=tmp_path).model_copy(
        update={"sources": {"shop": shop}, "slo": SloSettings(publication_within_hours=30)}
    )

    def land(day: int, raw: int = 5) -> None:
        at = SINCE + timedelta(days=day)
        con.execute(
            "INSERT INTO ops.completeness VALUES"
            " ('shop', 'item', ?, ?, '', 'landing', 5, '', ?, '', 0, ?, NULL, 'run')",
            [at - timedelta(days=1), at, raw, at],
        )

    def end_run(day: int, status: str) -> None:
        at = SINCE + timedelta(days=day)
        con.execute("INSERT INTO ops.run VALUES (?, 'daily', ?, ?, ?, '[]', '')", [f"{day}", status, at, at])

    for day in range(30):
        # On day 10 raw does not get all rows, on day 20 the audits refuse.
        land(day, raw=4 if day == 10 else 5)
        end_run(day, "refused" if day == 20 else "published")
    found = read_service_level(con, configured, now=NOW)
    assert [(one["series"], one["missed_minutes"]) for one in found.series] == [
        ("shop.item", 24 * 60.0),
        (PUBLICATION, 18 * 60.0),
    ]
    assert (found.state, found.missed_minutes) == ("missed", 42 * 60.0)
    assert found.publications == {"published": 29, "refused": 1}
