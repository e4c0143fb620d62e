"""What must hold across tables whenever a publication is committed. One row of INVARIANTS is one sentence.

Contracts say what a table alone must look like; these say how tables agree. Each is a query whose rows are the
violations.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class Invariant:
    """`sql` selects the violations from the lake (tables named `lake.schema.table`); none is what must be."""

    name: str
    table: str
    sentence: str
    sql: str


@dataclass(frozen=True)
class InvariantResult:
    """How many rows break an invariant."""

    invariant: Invariant
    violations: int

    @property
    def passed(self) -> bool:
        return self.violations == 0

    def __str__(self) -> str:
        return (
            f"{self.invariant.table}: {self.invariant.name} "
            f"({self.invariant.sentence}, but {self.violations} rows break it)"
        )


def _missing(table: str, key: str, other: str, other_key: str) -> str:
    return (
        f"SELECT {key} FROM lake.{table} a WHERE {key} IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM lake.{other} b WHERE b.{other_key} = a.{key})"
    )


def _judged(broken: str) -> str:
    return f"""
        SELECT record_id_l, record_id_r FROM lake.resolved.judged_pair
        LEFT JOIN lake.resolved.xref l ON l.record_id = record_id_l
        LEFT JOIN lake.resolved.xref r ON r.record_id = record_id_r WHERE {broken}
    """


def _unequal(left: str, right: str) -> str:
    return f"SELECT 1 WHERE ({left}) IS DISTINCT FROM ({right})"


def _count(table: str, where: str = "true") -> str:
    return f"SELECT count(*) FROM lake.{table} WHERE {where}"


def _sum(table: str) -> str:
    return f"SELECT coalesce(sum(base_amount), 0) FROM lake.{table}"


INVARIANTS = (
    Invariant(
        "linked_records_exist",
        "resolved.xref",
        "every linked record is a conformed customer record",
        _missing("resolved.xref", "record_id", "conformed.customer_record", "record_id"),
    ),
    Invariant(
        "records_are_linked",
        "conformed.customer_record",
        "every customer record belongs to one customer",
        _missing("conformed.customer_record", "record_id", "resolved.xref", "record_id"),
    ),
    Invariant(
        "linked_customers_exist",
        "resolved.xref",
        "every customer of a record has a golden record",
        _missing("resolved.xref", "customer_id", "resolved.golden_customer", "customer_id"),
    ),
    Invariant(
        "customers_have_records",
        "resolved.golden_customer",
        "every golden customer counts as many records as are linked to it",
        """
        SELECT customer_id FROM lake.resolved.golden_customer g
        LEFT JOIN (SELECT customer_id, count(*) AS linked FROM lake.resolved.xref GROUP BY customer_id) x
        USING (customer_id) WHERE g.record_count IS DISTINCT FROM x.linked
        """,
    ),
    Invariant(
        "joined_by_word_are_one",
        "resolved.judged_pair",
        "records that stewards hold to be the same belong to one customer",
        _judged("verdict = 'same' AND NOT is_contradicted AND l.customer_id IS DISTINCT FROM r.customer_id"),
    ),
    Invariant(
        "parted_by_word_are_two",
        "resolved.judged_pair",
        "records that stewards hold to be different belong to two customers",
        _judged("verdict = 'different' AND l.customer_id IS NOT DISTINCT FROM r.customer_id"),
    ),
    Invariant(
        "xref_is_published",
        "published.xref",
        "every link is published",
        _unequal(
            "SELECT (count(*), bit_xor(hash(record_id, customer_id))) FROM lake.resolved.xref",
            "SELECT (count(*), bit_xor(hash(record_id, customer_id))) FROM lake.published.xref",
        ),
    ),
    Invariant(
        "every_live_customer_is_published",
        "published.customer_360",
        "every golden customer is in the customer 360",
        _missing("resolved.golden_customer", "customer_id", "published.customer_360", "customer_id"),
    ),
    Invariant(
        "only_live_customers_are_published",
        "published.customer_360",
        "every customer of the 360 is a golden customer",
        _missing("published.customer_360", "customer_id", "resolved.golden_customer", "customer_id"),
    ),
    Invariant(
        "one_open_state",
        "published.customer_history",
        "no customer has two open states",
        """
        SELECT customer_id FROM lake.published.customer_history WHERE valid_to IS NULL
        GROUP BY customer_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "open_states_are_the_present",
        "published.customer_history",
        "the customers with an open state are those of the customer 360",
        """
        SELECT coalesce(c.customer_id, h.customer_id) FROM lake.published.customer_360 c
        FULL JOIN (SELECT DISTINCT customer_id FROM lake.published.customer_history WHERE valid_to IS NULL) h
        USING (customer_id) WHERE c.customer_id IS NULL OR h.customer_id IS NULL
        """,
    ),
    Invariant(
        "states_do_not_overlap",
        "published.customer_history",
        "a state ends before the next one begins",
        """
        SELECT customer_id FROM (
            SELECT customer_id, coalesce(valid_to, 'infinity'::TIMESTAMPTZ) AS ends,
                lead(valid_from) OVER (PARTITION BY customer_id ORDER BY valid_from) AS next_begins
            FROM lake.published.customer_history
            WHERE customer_id IN (
                SELECT customer_id FROM lake.published.customer_history WHERE valid_to IS NOT NULL
            )
        ) WHERE ends > next_begins
        """,
    ),
    Invariant(
        "orders_are_conserved",
        "published.orders",
        "there are as many orders as conformed",
        _unequal(_count("conformed.customer_order"), _count("published.orders")),
    ),
    Invariant(
        "revenue_is_conserved",
        "published.orders",
        "their total in the base currency is that of the conformed orders",
        _unequal(_sum("conformed.customer_order"), _sum("published.orders")),
    ),
    Invariant(
        "tickets_are_conserved",
        "published.tickets",
        "there are as many tickets as conformed",
        _unequal(_count("conformed.ticket"), _count("published.tickets")),
    ),
    Invariant(
        "customers_of_orders_exist",
        "published.orders",
        "every customer of an order is in the customer 360",
        _missing("published.orders", "customer_id", "published.customer_360", "customer_id"),
    ),
    Invariant(
        "linked_orders_have_customers",
        "published.orders",
        "an order of a linked record has a customer",
        """
        SELECT o.order_id FROM lake.published.orders o
        JOIN lake.conformed.customer_order c USING (order_id)
        JOIN lake.resolved.xref x USING (record_id)
        WHERE o.customer_id IS DISTINCT FROM x.customer_id
        """,
    ),
    Invariant(
        "customers_of_tickets_exist",
        "published.tickets",
        "every customer of a ticket is in the customer 360",
        _missing("published.tickets", "customer_id", "published.customer_360", "customer_id"),
    ),
    Invariant(
        "linked_tickets_have_customers",
        "published.tickets",
        "a ticket of a linked record has that record's customer",
        """
        SELECT t.ticket_id FROM lake.published.tickets t
        JOIN lake.conformed.ticket c USING (ticket_id)
        JOIN lake.resolved.xref x USING (record_id)
        WHERE t.customer_id IS DISTINCT FROM x.customer_id
        """,
    ),
    Invariant(
        "order_counts_agree",
        "published.customer_360",
        "the orders counted by customer are those of the order table",
        _unequal(
            "SELECT coalesce(sum(order_count), 0) FROM lake.published.customer_360",
            _count("published.orders", "customer_id IS NOT NULL AND status IS DISTINCT FROM 'cancelled'"),
        ),
    ),
    Invariant(
        "ticket_counts_agree",
        "published.customer_360",
        "the tickets counted by customer are those of the ticket table",
        _unequal(
            "SELECT coalesce(sum(ticket_count), 0) FROM lake.published.customer_360",
            _count("published.tickets", "customer_id IS NOT NULL"),
        ),
    ),
    Invariant(
        "features_have_customers",
        "published.customer_features",
        "every customer with features is in the customer 360",
        _missing("published.customer_features", "customer_id", "published.customer_360", "customer_id"),
    ),
    Invariant(
        "segments_have_customers",
        "published.segments",
        "every customer in a segment is in the customer 360",
        _missing("published.segments", "customer_id", "published.customer_360", "customer_id"),
    ),
    Invariant(
        "enrichments_have_customers",
        "enriched.lifecycle",
        "exactly the golden customers have a lifecycle",
        """
        SELECT coalesce(g.customer_id, l.customer_id) FROM lake.resolved.golden_customer g
        FULL JOIN lake.enriched.lifecycle l USING (customer_id)
        WHERE g.customer_id IS NULL OR l.customer_id IS NULL
        """,
    ),
    Invariant(
        "redirects_lead_to_live_customers",
        "published.redirects",
        "a redirect leads to a customer of the 360, or to none",
        _missing("published.redirects", "to_customer_id", "published.customer_360", "customer_id"),
    ),
    Invariant(
        "retired_ids_are_not_live",
        "published.redirects",
        "a retired id is not in the customer 360",
        "SELECT customer_id FROM lake.published.redirects SEMI JOIN lake.published.customer_360 USING (customer_id)",
    ),
)


def check_invariants(con: duckdb.DuckDBPyConnection) -> list[InvariantResult]:
    """Count the violations of every invariant, in whatever transaction is open on `con`."""
    return [InvariantResult(invariant, _violations(con, invariant)) for invariant in INVARIANTS]


def _violations(con: duckdb.DuckDBPyConnection, invariant: Invariant) -> int:
    row = con.execute(f"SELECT count(*) FROM ({invariant.sql})").fetchone()
    return int(row[0]) if row else 0
