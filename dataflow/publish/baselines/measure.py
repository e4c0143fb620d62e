"""Measure the rows of each object that a run adds or changes, one pass over each: they are in the run's workspace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dataflow.settings import ObjectSettings, Settings
from dataflow.tables.raw import valid_table
from dataflow.workspace.staging import delta_names
from dataflow.workspace.workspace import Workspace
from lakehouse.table import literal, quote

FEWEST_ROWS = 100
"""Rows from which shares and quantiles say something; of fewer only their number is kept."""
_MOST_CATEGORIES = 20
_NUMBERS = ("BIGINT", "INTEGER", "SMALLINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL", "REAL")
_QUANTILES = (("low", 0.1), ("median", 0.5), ("high", 0.9))


class Series(NamedTuple):
    """What is measured of what."""

    object_name: str
    measure: str
    column_name: str = ""
    category: str = ""


@dataclass(frozen=True)
class Figure:
    """One measured figure, and of how many rows it is."""

    series: Series
    value: float
    rows: int


def measure_objects(ws: Workspace, settings: Settings) -> list[Figure]:
    """Measure the changed rows of all objects; nothing where the run changes no row of any.

    An object without changed rows has a volume of 0: a source that fell silent is seen by it.
    """
    selects: list[str] = []
    silent: list[Figure] = []
    for source, system in settings.sources.items():
        for name, declared in system.objects.items():
            table = valid_table(source, name, ())
            if table.full_name in ws.staged:
                selects.append(_object_sql(f"{source}.{name}", delta_names(table).delta, declared))
            else:
                silent.append(Figure(Series(f"{source}.{name}", "volume"), 0.0, 0))
    if not selects:
        return []
    rows = ws.con.execute(" UNION ALL ".join(selects)).fetchall()
    found = [Figure(Series(*key), float(value), int(count)) for *key, value, count in rows if value is not None]
    # Of tables that were staged without a change every volume is 0: nothing to publish is not a publication of nothing.
    return [*found, *silent] if any(figure.rows for figure in found) else []


def categories_of(declared: ObjectSettings) -> dict[str, tuple[str, ...]]:
    """Return the columns whose categories are measured, each with the declared ones; none: those that occur."""
    found: dict[str, tuple[str, ...]] = {}
    for field, kind in declared.fields.items():
        if declared.personal.get(field) == "none" and kind in ("VARCHAR", "BOOLEAN"):
            found[field] = ()
    for check in declared.checks:
        given = check.model_extra or {}
        if check.rule == "one_of" and given.get("field") in declared.fields:
            found[str(given["field"])] = tuple(str(value) for value in given.get("values", ()))
    return found


def _object_sql(name: str, delta: str, declared: ObjectSettings) -> str:
    """Return the SELECT of one object's figures: object_name, measure, column_name, category, value, row_count."""
    parts = list(_column_sql(declared))
    entries = f"list_concat({', '.join(parts)})" if len(parts) > 1 else parts[0] if parts else "[]"
    volume = "[{'m': 'volume', 'c': '', 'k': '', 'v': count(*)::DOUBLE}]"
    measured = f"list_concat({volume}, CASE WHEN count(*) >= {FEWEST_ROWS} THEN {entries} ELSE [] END)"
    return f"""
        SELECT {literal(name)}, one.m, one.c, one.k, one.v, row_count
        FROM (SELECT count(*) AS row_count, unnest({measured}) AS one FROM {delta})
    """


def _column_sql(declared: ObjectSettings) -> Iterator[str]:
    """Yield the SQL of lists of figures, each of one column."""
    categories = categories_of(declared)
    for field, kind in declared.fields.items():
        column, name = quote(field), literal(field)
        figures = [_entry("null_share", name, f"1 - count({column}) / count(*)")]
        if not kind.startswith(("TIMESTAMP", "DATE", "BOOLEAN")):
            figures.append(_entry("distinct", name, f"approx_count_distinct({column})::DOUBLE"))
        if declared.personal.get(field) == "none" and kind.startswith(_NUMBERS):
            figures += [
                _entry(measure, name, f"quantile_cont({column}::DOUBLE, {share})") for measure, share in _QUANTILES
            ]
        known = categories.get(field)
        for category in known or ():
            text = literal(category)
            share = f"count(*) FILTER ({column}::VARCHAR = {text}) / count(*)"
            figures.append(_entry("category_share", name, share, text))
        yield f"[{', '.join(figures)}]"
        if known == ():
            shares = f"list_transform(map_entries(histogram({column}::VARCHAR)), lambda e: {_transformed(name)})"
            yield f"CASE WHEN approx_count_distinct({column}) <= {_MOST_CATEGORIES} THEN {shares} ELSE [] END"


def _entry(measure: str, column: str, value: str, category: str = "''") -> str:
    return f"{{'m': '{measure}', 'c': {column}, 'k': {category}, 'v': ({value})::DOUBLE}}"


def _transformed(name: str) -> str:
    return f"{{'m': 'category_share', 'c': {name}, 'k': e.key, 'v': (e.value / count(*))::DOUBLE}}"
