"""SQL of golden customers: one row each, with the record that every value is from."""

from __future__ import annotations

from collections.abc import Mapping

from dataflow.resolve.customers.survivorship import RULES, Survivorship
from dataflow.tables.resolved import GOLDEN_CUSTOMER
from lakehouse.table import literal

FIELDS = tuple(field for rule in RULES for field in rule.fields)
SINGLE = tuple(field for rule in RULES for field in rule.fields if rule.is_single)


def golden_sql(records: str, *, trust: Mapping[str, int]) -> str:
    """Return the SELECT of golden customers (without `_run_id`) from their records.

    `trust` ranks the sources; an unknown source ranks last.
    Shape in: every record of each customer wanted, with the columns of conformed.customer_record, `customer_id`,
    `parent_customer_id` and `cluster_confidence`. Out: one row per customer.
    """
    elected = ",\n".join(f"{_elect(rule)} AS {_winner(rule)}" for rule in RULES)
    values = ",\n".join(f"{_winner(rule)}.{field} AS {field}" for rule in RULES for field in rule.fields)
    columns = ", ".join(c for c in GOLDEN_CUSTOMER.column_names if c != "_run_id")
    return f"""
    WITH ranked AS (
        SELECT *, {_trust_rank(trust)} AS trust_rank,
            coalesce(epoch_us(updated_at), epoch_us(created_at), 0) AS recency_rank, {_frequencies()}
        FROM {records}
    ),
    elected AS (
        SELECT customer_id, any_value(entity_type) AS entity_type, {elected},
            list_filter([{_conflicts()}], field -> field IS NOT NULL) AS conflicts,
            count(*) AS record_count, list_sort(list_distinct(list(_source))) AS sources,
            min(cluster_confidence) AS confidence, min(created_at) AS first_seen_at, max(updated_at) AS last_seen_at
        FROM ranked GROUP BY customer_id
    ),
    spread AS (
        SELECT customer_id, entity_type, {values},
            map_from_entries(list_filter([{_provenance()}], e -> e.v IS NOT NULL)) AS provenance,
            conflicts, record_count, sources, confidence, first_seen_at, last_seen_at
        FROM elected
    )
    SELECT {columns} FROM spread
    """


def _frequencies() -> str:
    return ", ".join(
        f"count({rule.anchor}) OVER (PARTITION BY customer_id, {rule.anchor}) AS {_frequency(rule)}"
        for rule in RULES
        if "frequency" in rule.by
    )


def _trust_rank(trust: Mapping[str, int]) -> str:
    known = " ".join(f"WHEN {literal(source)} THEN {level}" for source, level in sorted(trust.items()))
    return f"CASE _source {known} ELSE {min(trust.values()) - 1} END" if trust else "0"


def _conflicts() -> str:
    return ", ".join(
        f"CASE WHEN min(lower({field}::VARCHAR)) <> max(lower({field}::VARCHAR)) THEN {literal(field)} END"
        for field in SINGLE
    )


def _provenance() -> str:
    return ", ".join(
        f"{{'k': {literal(field)}, 'v': CASE WHEN {_winner(rule)}.{field} IS NOT NULL THEN {_winner(rule)}.rid END}}"
        for rule in RULES
        for field in rule.fields
    )


def other_values_sql(records: str, golden: str) -> str:
    """Return the SELECT of the losing values (without `_run_id`): one row per customer, field and value.

    `records` are those of `golden_sql`; `golden` holds the same customers' golden records. Values that differ in case
    only are the same value.
    """
    lost = ",\n".join(
        f"CASE WHEN lower(r.{field}::VARCHAR) <> coalesce(lower(g.{field}::VARCHAR), '') THEN r.{field}::VARCHAR END"
        f" AS {field}"
        for field in FIELDS
    )
    single = ", ".join(literal(field) for field in SINGLE)
    return f"""
    WITH lost AS (
        SELECT r.customer_id, r.record_id, {lost}
        FROM {records} r JOIN {golden} g ON g.customer_id = r.customer_id WHERE g.record_count > 1
    )
    SELECT customer_id, field, value, field IN ({single}) AS is_conflict,
        list_sort(list_distinct(list(record_id))) AS record_ids
    FROM (UNPIVOT lost ON {", ".join(FIELDS)} INTO NAME field VALUE value) GROUP BY customer_id, field, value
    """


def _winner(rule: Survivorship) -> str:
    return f"won_{rule.fields[0]}"


def _frequency(rule: Survivorship) -> str:
    return f"frequency_{rule.fields[0]}"


def _elect(rule: Survivorship) -> str:
    """Return the greatest struct of (criteria, record id, values); structs compare field by field, in order."""
    filled = " + ".join(f"({field} IS NOT NULL)::INT" for field in rule.fields)
    # of two names with as many parts the longer one is the fuller: "jane" wins over "j."
    size = f"({filled}) * 1000 + least(length({rule.fields[0]}::VARCHAR), 99)" if len(rule.fields) > 1 else filled
    ranks = {"frequency": _frequency(rule), "completeness": size, "trust": "trust_rank", "recency": "recency_rank"}
    terms = ", ".join(f"'c{place}': {ranks[criterion]}" for place, criterion in enumerate(rule.by))
    fields = ", ".join(f"'{field}': {field}" for field in rule.fields)
    return f"max({{{terms}, 'rid': record_id, {fields}}}) FILTER (WHERE {rule.anchor} IS NOT NULL)"
