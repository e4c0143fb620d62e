"""Judge the objects of a publication by what they were in those before, and keep its figures with the publication."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from dataflow.errors import AuditRefused, BrokenRule
from dataflow.publish.baselines.measure import Figure, Series, categories_of, measure_objects
from dataflow.settings import Settings
from dataflow.tables.ops import BASELINE
from dataflow.tables.ops.quality import MEASURES
from dataflow.tables.raw import valid_table
from dataflow.workspace.report import StepReport, measured, notes_fact, resident_bytes
from dataflow.workspace.staging import delta_names
from dataflow.workspace.workspace import Workspace
from lakehouse.plural import agreeing, counted
from lakehouse.table import column_list, literal, quote, timestamp_literal

if TYPE_CHECKING:
    from dataflow.publish.baselines.judge import History, Judged

UNUSUAL_FACT = "unusual"
"""Fact of the report of baselines: object to what is not as usual; objects that are as usual have an empty list."""

RULE = "baseline"
"""The name of the finding, in incidents."""

_AT_ONCE = 1_000
_SECONDS_A_DAY = 86_400
_USUAL_GAP = (0.6, 1.6)
"""The volume is judged where the time since the last publication is this near to what it usually is."""


@dataclass(frozen=True)
class _Past:
    """The kept figures: by series its points as (publication, value, verdict, score); publications, oldest first."""

    times: Sequence[datetime]
    points: Mapping[Series, Sequence[tuple[int, float, str, float | None]]]


@dataclass(frozen=True)
class _Kept:
    """A figure with its verdict, as it is kept."""

    figure: Figure
    expected: float | None = None
    lowest: float | None = None
    highest: float | None = None
    score: float | None = None
    verdict: str = "quiet"


def judge_publication(ws: Workspace, settings: Settings) -> list[StepReport]:
    """Measure and judge what the run changes of each object; stage the figures. One report, or none where it is quiet.

    Raises: AuditRefused where an object is not as usual and `baselines.severity` is block.
    """
    if settings.baselines.severity == "off" or ws.run.kind == "backfill":
        return []
    with measured() as watch:
        figures = measure_objects(ws, settings)
        if not figures:
            return []
        past = _read_past(ws)
        kept = _judged(figures, past, settings, now=ws.run.now)
        ws.append(BASELINE, _rows_sql(ws, kept))
        unusual = _describe(ws, settings, kept)
    if not unusual:
        return []
    texts = [text for found in unusual.values() for text in found]
    if texts and settings.baselines.severity == "block":
        raise _refusal(ws, settings, unusual)
    facts = {UNUSUAL_FACT: unusual, **notes_fact([f"Not as usual: {text}" for text in texts])}
    return [
        StepReport(
            stage="publish",
            subject=BASELINE.full_name,
            rows_in=len(kept),
            rows_out=len(kept),
            inserted=len(kept),
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts=facts,
        )
    ]


def _refusal(ws: Workspace, settings: Settings, unusual: Mapping[str, Sequence[str]]) -> AuditRefused:
    broken = {name: texts for name, texts in unusual.items() if texts}
    texts = [text for found in broken.values() for text in found]
    return AuditRefused(
        f"Run {ws.run.run_id} was not published: {counted(len(texts), 'figure')} {agreeing(len(texts), 'is', 'are')} "
        f"not as usual: {'; '.join(texts)}.",
        next_move="The lake is as it was. Correct the source, or, where the figures are right, declare the time in"
        ' dataflow.toml and run again: [baselines.windows.NAME] with begins, ends and reason. "warn" as'
        " baselines.severity publishes all the same and opens an incident.",
        failed=tuple(texts),
        broken=tuple(
            BrokenRule(rule=RULE, on=name, owner=owner_of(settings, name), found="; ".join(found))
            for name, found in broken.items()
        ),
    )


def owner_of(settings: Settings, object_name: str) -> str:
    """Return the declared owner of an object; empty where it has none."""
    source, _, name = object_name.partition(".")
    return settings.sources[source].objects[name].owner


def _read_past(ws: Workspace) -> _Past:
    from dataflow.publish.baselines.judge import MOST_PUBLICATIONS

    if not ws.had_rows(BASELINE):
        return _Past([], {})
    series = column_list(Series._fields)
    rows = ws.con.execute(f"""
        SELECT {series}, published_at::VARCHAR, value, verdict, score FROM {ws.before(BASELINE)}
        QUALIFY dense_rank() OVER (ORDER BY published_at DESC) <= {MOST_PUBLICATIONS} ORDER BY published_at
    """).fetchall()
    numbers: dict[str, int] = {}
    points: dict[Series, list[tuple[int, float, str, float | None]]] = {}
    for *key, at, value, verdict, score in rows:
        number = numbers.setdefault(at, len(numbers))
        points.setdefault(Series(*key), []).append((number, value, verdict, score))
    return _Past([datetime.fromisoformat(at).astimezone(UTC) for at in numbers], points)


def _judged(figures: Sequence[Figure], past: _Past, settings: Settings, *, now: datetime) -> list[_Kept]:
    from dataflow.publish.baselines.judge import FEWEST_PUBLICATIONS

    if any(window.begins <= now < window.ends for window in settings.baselines.windows.values()):
        return [_Kept(figure, verdict="declared") for figure in figures]
    if len(past.times) < FEWEST_PUBLICATIONS:
        return [_Kept(figure) for figure in figures]
    figures = [*figures, *_vanished(figures, past)]
    is_usual_time = _is_usual_time(past.times, now)
    judged, day, weekday = _history(figures, past, settings), _day(now), now.weekday()
    return [
        _kept(figure, judged_one, is_usual_time=is_usual_time)
        for figure, judged_one in zip(figures, _by_series(judged, figures, day=day, weekday=weekday), strict=True)
    ]


def _vanished(figures: Sequence[Figure], past: _Past) -> list[Figure]:
    """Return a share of 0 for each category that was there in the last publications and is not now."""
    known = {figure.series for figure in figures}
    rows = {figure.series.object_name: figure.rows for figure in figures if figure.series.measure == "null_share"}
    newest = len(past.times) - 1
    return [
        Figure(series, 0.0, rows[series.object_name])
        for series, points in past.points.items()
        if series.measure == "category_share"
        and series not in known
        and series.object_name in rows
        and points[-1][0] >= newest - 1
    ]


def _history(figures: Sequence[Figure], past: _Past, settings: Settings) -> History:
    import numpy as np

    from dataflow.publish.baselines.judge import History

    shape = (len(figures), len(past.times))
    values, excluded, last = np.full(shape, np.nan), np.zeros(shape, dtype=bool), np.zeros(len(figures))
    declared = list(settings.baselines.windows.values())
    is_declared = np.array([any(one.begins <= at < one.ends for one in declared) for at in past.times])
    for row, figure in enumerate(figures):
        for number, value, verdict, score in past.points.get(figure.series, ()):
            values[row, number] = value
            excluded[row, number] = verdict in ("alarm", "declared") or is_declared[number]
            if number == len(past.times) - 1 and verdict == "normal":
                last[row] = score or 0.0
    return History(
        values=values,
        excluded=excluded,
        days=np.array([_day(at) for at in past.times]),
        weekdays=np.array([at.weekday() for at in past.times]),
        measures=np.array([MEASURES.index(figure.series.measure) for figure in figures]),
        last_score=last,
    )


def _by_series(history: History, figures: Sequence[Figure], *, day: float, weekday: int) -> list[_Kept]:
    import numpy as np

    from dataflow.publish.baselines.judge import judge

    values = np.array([figure.value for figure in figures])
    rows = np.array([float(figure.rows) for figure in figures])
    found: Judged = judge(history, values, rows, day=day, weekday=weekday)
    return [
        _Kept(
            figure,
            float(found.expected[n]),
            float(found.lowest[n]),
            float(found.highest[n]),
            float(found.score[n]),
            "alarm" if found.is_alarm[n] else "normal",
        )
        if found.is_judged[n]
        else _Kept(figure)
        for n, figure in enumerate(figures)
    ]


def _kept(figure: Figure, judged: _Kept, *, is_usual_time: bool) -> _Kept:
    if figure.series.measure == "volume" and not is_usual_time:
        return _Kept(figure, verdict="not judged")
    return judged


def _is_usual_time(times: Sequence[datetime], now: datetime) -> bool:
    """Return whether as much time has passed since the last publication as usual, on this weekday where it is known."""
    gaps = [(later - former, later.weekday()) for former, later in pairwise(times)]
    same = [gap for gap, weekday in gaps if weekday == now.weekday()]
    usual = sorted(same if len(same) > 1 else [gap for gap, _ in gaps])
    if not usual:
        return True
    middle = usual[len(usual) // 2]
    return _USUAL_GAP[0] * middle <= now - times[-1] <= _USUAL_GAP[1] * middle


def _day(at: datetime) -> float:
    return at.timestamp() / _SECONDS_A_DAY


def _rows_sql(ws: Workspace, kept: Iterable[_Kept]) -> str:
    """Return the SELECT of the rows of BASELINE."""
    head = f"{literal(ws.run.run_id)} AS run_id, {timestamp_literal(ws.run.now)} AS published_at"
    rows = ", ".join(_row(one) for one in kept)
    names = "object_name, measure, column_name, category, value, row_count, expected, lowest, highest, score, verdict"
    return f"SELECT {head}, * FROM (VALUES {rows}) AS v({names})"


def _row(one: _Kept) -> str:
    numbers = (one.expected, one.lowest, one.highest, one.score)
    texts = [*map(literal, one.figure.series), repr(one.figure.value) + "::DOUBLE", f"{one.figure.rows}::BIGINT"]
    texts += ["NULL::DOUBLE" if number is None else f"{number!r}::DOUBLE" for number in numbers]
    return f"({', '.join([*texts, literal(one.verdict)])})"


def _describe(ws: Workspace, settings: Settings, kept: Sequence[_Kept]) -> dict[str, list[str]]:
    """Return what is not as usual of each judged object, with the segment that moved most."""
    judged = dict.fromkeys(one.figure.series.object_name for one in kept if one.verdict in ("normal", "alarm"))
    found: dict[str, list[str]] = {name: [] for name in judged}
    for one in kept:
        if one.verdict == "alarm":
            name = one.figure.series.object_name
            segment = _segment(ws, settings, one, [each for each in kept if each.figure.series.object_name == name])
            found[name].append(_sentence(one) + (f"; {segment}" if segment else ""))
    return found


def _sentence(one: _Kept) -> str:
    assert one.expected is not None and one.lowest is not None and one.highest is not None
    series = one.figure.series
    write = percent if series.measure.endswith("_share") else number
    what = {
        "volume": "rows",
        "null_share": f"share of nulls in {series.column_name}",
        "distinct": f"different values of {series.column_name}",
        "category_share": f"share of {series.column_name} = {series.category}",
        "low": f"tenth percentile of {series.column_name}",
        "median": f"median of {series.column_name}",
        "high": f"ninetieth percentile of {series.column_name}",
    }[series.measure]
    return (
        f"{series.object_name}: {what}: {write(one.figure.value)}, "
        f"expected {write(one.expected)} ({write(one.lowest)} to {write(one.highest)})"
    )


def percent(share: float) -> str:
    """Return a share as text: `12.4 %`."""
    return f"{100 * share:.3g} %"


def number(value: float) -> str:
    """Return a figure as text, with four digits or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.4g}"


def _segment(ws: Workspace, settings: Settings, one: _Kept, of_object: Sequence[_Kept]) -> str:
    """Return the segment that moved most: of nulls where they are, else the category with the largest move in rows."""
    series = one.figure.series
    if series.measure == "category_share":
        return ""
    if series.measure == "null_share":
        return _null_segment(ws, settings, series)
    volume = next((each for each in of_object if each.figure.series.measure == "volume"), None)
    if volume is None or volume.expected is None:
        return ""
    moves = [
        (each.figure.value * volume.figure.value, (each.expected or 0) * volume.expected, each.figure.series)
        for each in of_object
        if each.figure.series.measure == "category_share" and each.expected is not None
    ]
    if not moves:
        return ""
    now, usual, which = max(moves, key=lambda move: abs(move[0] - move[1]))
    return f"most in {which.column_name} = {which.category}: {number(round(now))} rows, expected {number(round(usual))}"


def _null_segment(ws: Workspace, settings: Settings, series: Series) -> str:
    """Return the category in which most of the nulls are beyond the share that all rows have."""
    source, _, name = series.object_name.partition(".")
    declared = settings.sources[source].objects[name]
    delta, column = delta_names(valid_table(source, name, ())).delta, quote(series.column_name)
    best: tuple[float, str] = (0.0, "")
    for by, known in categories_of(declared).items():
        if by == series.column_name:
            continue
        of_known = f"{quote(by)}::VARCHAR IN ({', '.join(map(literal, known))})" if known else "true"
        rows = ws.con.execute(f"""
            SELECT {quote(by)}::VARCHAR, count(*) FILTER ({column} IS NULL), count(*),
                sum(count(*) FILTER ({column} IS NULL)) OVER () / sum(count(*)) OVER ()
            FROM {delta} WHERE {of_known} AND {quote(by)} IS NOT NULL GROUP BY 1
        """).fetchall()
        for category, nulls, count, share in rows:
            text = f"most in {by} = {category}: {percent(nulls / count)} of {number(count)} rows"
            best = max(best, (nulls - count * share, text))
    return best[1]
