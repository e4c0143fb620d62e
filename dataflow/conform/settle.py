"""Settle what a conformed column does not accept, in the draft of its table: keep it, replace it, leave the record out.

Validation has set rows aside whose own value costs the row; a record is left out here where the value is of a joined
object, or of an object that is held back and was valid by an earlier mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.outside import open_columns
from dataflow.conform.outside_values import MOST_DIFFERENT, describe_values, is_shown
from dataflow.settings import Settings
from dataflow.tables.accepted import KEEP, SET_ASIDE, Accepted
from dataflow.tables.meaning import MEANING, OTHER, REFUND
from lakehouse.query import fetch_int
from lakehouse.table import literal, quote

MAPPING = "_mapping"
"""Column of the draft: the mapping that made the record."""


@dataclass
class Settled:
    """What was settled. `counts` is by mapping and column, as `mapping.column`."""

    left_out: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def settle_values(
    con: duckdb.DuckDBPyConnection, draft: str, mappings: Mapping[str, CompiledMapping], *, settings: Settings
) -> Settled:
    """Settle the values of every mapping's records in `draft`; count and describe them."""
    settled = Settled()
    for name, mapping in mappings.items():
        for one, cost in open_columns(mapping):
            outside = f"{MAPPING} = {literal(name)} AND {one.outside(*map(quote, one.columns))}"
            count = fetch_int(con, f"SELECT count(*) FROM {draft} WHERE {outside}")
            if count:
                settled.counts[f"{name}.{one.column}"] = count
                if note := _note(con, draft, outside, (mapping, one, cost, count), settings):
                    settled.notes.append(note)
                con.execute(_statement(draft, outside, one, cost))
                settled.left_out += count if cost == SET_ASIDE else 0
    return settled


def _statement(draft: str, outside: str, one: Accepted, cost: str) -> str:
    """Return the statement that settles the values of one column of one mapping."""
    if cost == SET_ASIDE:
        return f"DELETE FROM {draft} WHERE {outside}"
    if cost == REFUND:
        stays = ", ".join(map(literal, MEANING.cancelled))
        folded = "lower(trim(coalesce(status, '')))"
        return f"UPDATE {draft} SET status = {literal(REFUND)} WHERE {outside} AND {folded} NOT IN ({stays})"
    value = OTHER if cost == KEEP else cost
    return f"UPDATE {draft} SET {quote(one.column)} = {literal(value)} WHERE {outside}"


def _note(
    con: duckdb.DuckDBPyConnection,
    draft: str,
    outside: str,
    found: tuple[CompiledMapping, Accepted, str, int],
    settings: Settings,
) -> str:
    """Say what was settled and how to declare it; nothing where the mapping declares it."""
    mapping, one, cost, count = found
    if one.column in mapping.settings.other and cost != SET_ASIDE:
        return ""
    values: list[tuple[str | None, int]] = []
    if one.lists_values and is_shown(mapping, one.column, _personal(mapping, settings)):
        values = con.execute(
            f"SELECT {quote(one.column)}, count(*) FROM {draft} WHERE {outside}"
            f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_DIFFERENT + 1}"
        ).fetchall()
    named, line = describe_values(values, mapping, one.column)
    ended = "are left out" if cost == SET_ASIDE else f"have {OTHER} in its place"
    said = f"{count:,} records of mappings.{mapping.name} {ended}: {one.column} is not {one.expected}{named}"
    return f"{said}. To map them, {line}" if line else said


def _personal(mapping: CompiledMapping, settings: Settings) -> dict[str, str]:
    """Return the declared class of each field that the mapping can read; of a join as `join.field`."""
    declared = {"": mapping.settings.object} | {
        alias + ".": one.object for alias, one in mapping.settings.joins.items()
    }
    found: dict[str, str] = {}
    for prefix, name in declared.items():
        source, _, object_name = name.partition(".")
        personal = settings.sources[source].objects[object_name].personal
        found |= {prefix + field: kind for field, kind in personal.items()}
    return found
