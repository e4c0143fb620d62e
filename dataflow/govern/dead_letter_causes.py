"""Group dead letters by cause, each with the likeliest fix: what settled earlier ones, else where the rule is declared.

A cause is an object, the first rule that its rows broke, and the reason, which names fields and holds no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from dataflow.govern.dead_letters import IN_LAKE, DeadLetterFilter
from dataflow.settings import Settings
from dataflow.validate.business_rules import place_of
from dataflow.validate.dead_letter_decisions import DeadLettersNow
from lakehouse.query import fetch_records

_FEWEST_SETTLED = 3
"""Earlier dead letters of a cause that must be settled before they say how the present ones are settled."""

_OF_MAPPING = re.compile(r"^(?P<column>\w+) of mappings\.(?P<mapping>\w+) is not ")


@dataclass(frozen=True, kw_only=True)
class DeadLetterCause:
    """The dead letters of one cause and status: how many, since when, and what most likely settles them."""

    source: str
    object: str
    rule: str
    reason: str
    status: str
    rows: int
    first_seen_at: datetime
    last_seen_at: datetime
    likeliest_fix: str


def list_causes(
    con: DuckDBPyConnection,
    chosen: DeadLetterFilter,
    settings: Settings,
    *,
    limit: int = 50,
    dead_letters: DeadLettersNow = IN_LAKE,
) -> list[DeadLetterCause]:
    """List the causes of the chosen dead letters, most rows first. One statement reads them, however many there are."""
    found = fetch_records(
        con,
        f"""
        WITH settled AS (
            SELECT _source, _object, rule, reason, count(*) FILTER (WHERE status = 'resolved') AS resolved,
                count(*) FILTER (WHERE status = 'superseded') AS superseded,
                count(*) FILTER (WHERE status = 'discarded') AS discarded
            FROM {dead_letters.relation} GROUP BY ALL
        )
        SELECT _source AS source, _object AS object, rule, reason, status, count(*) AS rows,
            min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at, any_value(resolved) AS resolved,
            any_value(superseded) AS superseded, any_value(discarded) AS discarded
        FROM {dead_letters.relation} JOIN settled USING (_source, _object, rule, reason) WHERE {chosen.sql}
        GROUP BY ALL ORDER BY rows DESC, source, object, rule, reason, status LIMIT {limit}
        """,
    )
    names = [name for name in DeadLetterCause.__dataclass_fields__ if name != "likeliest_fix"]
    return [
        DeadLetterCause(**{name: row[name] for name in names}, likeliest_fix=likeliest_fix(row, settings))
        for row in found
    ]


def likeliest_fix(cause: Mapping[str, Any], settings: Settings) -> str:
    """Return what most likely settles a cause: what settled most of its earlier dead letters, or its declaration."""
    return _by_precedent(cause) or _by_declaration(cause, settings)


def _by_precedent(cause: Mapping[str, Any]) -> str:
    counts = {status: int(cause.get(status) or 0) for status in ("resolved", "superseded", "discarded")}
    total = sum(counts.values())
    status = max(counts, key=lambda one: counts[one])
    if cause["status"] in counts or total < _FEWEST_SETTLED or counts[status] * 2 <= total:
        return ""
    chosen = f"--source {cause['source']} --object {cause['object']} --rule {cause['rule']}"
    move = {
        "resolved": f"`dataflow dlq replay {chosen}` once the rule, mapping or source is corrected",
        "superseded": "wait for the source, which delivered a correct version of them",
        "discarded": f'`dataflow dlq discard {chosen} --why "…"`',
    }[status]
    return f"{counts[status]:,} of {total:,} settled ones are {status}: {move}"


def _by_declaration(cause: Mapping[str, Any], settings: Settings) -> str:
    rule, reason = str(cause["rule"]), str(cause["reason"])
    place = f"[sources.{cause['source']}.objects.{cause['object']}]"
    if rule in settings.rules:
        owner = settings.rules[rule].owner
        return f"the rows at their source{f' ({owner})' if owner else ''}, or the rule: {place_of(settings, rule)}"
    if found := _OF_MAPPING.match(reason):
        mapping, column = found["mapping"], found["column"]
        return f"in [mappings.{mapping}.fields] a map of {column}, or in [mappings.{mapping}.other] its cost"
    if rule == "unreadable":
        return "the rows at their source: have the file delivered again"
    if rule == "schema":
        return f"the rows at their source, or json_schema of {place}"
    if rule == "type":
        field = reason.partition(" is not ")[0]
        return f'the rows at their source, or in fields of {place} another type of {field}, such as "VARCHAR"'
    return f"the rows at their source, or the check {rule} of {place}"
