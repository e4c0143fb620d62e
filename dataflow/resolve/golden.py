"""Golden customers: one row each, every value from a record that can be named."""

from __future__ import annotations

from collections.abc import Mapping

from dataflow.resolve.survivorship import RULES, Survivorship
from dataflow.tables.resolved import GOLDEN_CUSTOMER
from lakehouse.table import literal


def golden_sql(records: str, *, trust: Mapping[str, int]) -> str:
    """SELECT of golden customers (without `_run_id`) from their records.

    Shape in: every record of each customer wanted, with the columns of conformed.customer_record, `customer_id`,
    `parent_customer_id` and `cluster_confidence`. Out: one row per customer. `trust`: source to how far it is
    believed; an unknown source is believed least.
    """
    counted = ", ".join(
        f"count({rule.anchor}) OVER (PARTITION BY customer_id, {rule.anchor}) AS {_frequency(rule)}"
        for rule in RULES
        if "frequency" in rule.by
    )
    elected = ",\n".join(f"{_elect(rule)} AS {_winner(rule)}" for rule in RULES)
    values = ",\n".join(f"{_winner(rule)}.{field} AS {field}" for rule in RULES for field in rule.fields)
    entries = ", ".join(
        f"{{'k': {literal(field)}, 'v': CASE WHEN {_winner(rule)}.{field} IS NOT NULL THEN {_winner(rule)}.rid END}}"
        for rule in RULES
        for field in rule.fields
    )
    known = " ".join(f"WHEN {literal(source)} THEN {level}" for source, level in sorted(trust.items()))
    trusted = f"CASE _source {known} ELSE {min(trust.values()) - 1} END" if trust else "0"
    columns = ", ".join(c for c in GOLDEN_CUSTOMER.column_names if c != "_run_id")
    return f"""
    WITH ranked AS (
        SELECT *, {trusted} AS trust_rank,
            coalesce(epoch_us(updated_at), epoch_us(created_at), 0) AS recency_rank, {counted}
        FROM {records}
    ),
    elected AS (
        SELECT customer_id, any_value(entity_type) AS entity_type, {elected},
            count(*) AS record_count, list_sort(list_distinct(list(_source))) AS sources,
            min(cluster_confidence) AS confidence, min(created_at) AS first_seen_at, max(updated_at) AS last_seen_at
        FROM ranked GROUP BY customer_id
    ),
    spread AS (
        SELECT customer_id, entity_type, {values},
            map_from_entries(list_filter([{entries}], e -> e.v IS NOT NULL)) AS provenance,
            record_count, sources, confidence, first_seen_at, last_seen_at
        FROM elected
    )
    SELECT {columns} FROM spread
    """


def _winner(rule: Survivorship) -> str:
    return f"won_{rule.fields[0]}"


def _frequency(rule: Survivorship) -> str:
    return f"frequency_{rule.fields[0]}"


def _elect(rule: Survivorship) -> str:
    """The greatest of (criteria, record id, values): comparing structs goes field by field, in order."""
    filled = " + ".join(f"({field} IS NOT NULL)::INT" for field in rule.fields)
    # among names equally filled the longer one says more: "j." is no match for "jane"
    size = f"({filled}) * 1000 + least(length({rule.fields[0]}::VARCHAR), 99)" if len(rule.fields) > 1 else filled
    ranks = {"frequency": _frequency(rule), "completeness": size, "trust": "trust_rank", "recency": "recency_rank"}
    terms = ", ".join(f"'c{place}': {ranks[criterion]}" for place, criterion in enumerate(rule.by))
    fields = ", ".join(f"'{field}': {field}" for field in rule.fields)
    return f"max({{{terms}, 'rid': record_id, {fields}}}) FILTER (WHERE {rule.anchor} IS NOT NULL)"
