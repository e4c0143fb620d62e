"""Every invariant holds on a sound lake and is broken by exactly the fault it is about."""

import duckdb
import pytest

from dataflow.publish.invariants import INVARIANTS, check_invariants
from dataflow.tables.registry import STATIC
from lakehouse.table import create_table_sql, quote

SOUND = """
INSERT INTO lake.conformed.customer_record (record_id) VALUES ('r1'), ('r2');
INSERT INTO lake.resolved.xref (record_id, customer_id) VALUES ('r1', 'c1'), ('r2', 'c2');
INSERT INTO lake.resolved.judged_pair (record_id_l, record_id_r, verdict, is_contradicted)
    VALUES ('r1', 'r2', 'different', false);
INSERT INTO lake.published.xref (record_id, customer_id) VALUES ('r1', 'c1'), ('r2', 'c2');
INSERT INTO lake.resolved.golden_customer (customer_id, record_count) VALUES ('c1', 1), ('c2', 1);
INSERT INTO lake.enriched.lifecycle (customer_id) VALUES ('c1'), ('c2');
INSERT INTO lake.published.customer_360 (customer_id, order_count, ticket_count) VALUES ('c1', 1, 1), ('c2', 0, 0);
INSERT INTO lake.published.customer_history (customer_id, valid_from, valid_to) VALUES
    ('c1', '2026-01-01', '2026-01-02'), ('c1', '2026-01-02', NULL), ('c2', '2026-01-01', NULL),
    ('c0', '2026-01-01', '2026-01-02');
INSERT INTO lake.conformed.customer_order (order_id, record_id, base_amount) VALUES ('o1', 'r1', 5);
INSERT INTO lake.published.orders (order_id, customer_id, status, base_amount) VALUES ('o1', 'c1', 'paid', 5);
INSERT INTO lake.conformed.ticket (ticket_id, record_id) VALUES ('t1', 'r1');
INSERT INTO lake.published.tickets (ticket_id, customer_id) VALUES ('t1', 'c1');
INSERT INTO lake.published.customer_features (customer_id) VALUES ('c1');
INSERT INTO lake.published.segments (customer_id, segment_code) VALUES ('c1', 's');
INSERT INTO lake.published.redirects (customer_id, to_customer_id) VALUES ('c0', 'c1'), ('c9', NULL);
"""

FAULTS = {
    "linked_records_exist": "DELETE FROM lake.conformed.customer_record WHERE record_id = 'r2'",
    "records_are_linked": "INSERT INTO lake.conformed.customer_record (record_id) VALUES ('r3')",
    "linked_customers_exist": "DELETE FROM lake.resolved.golden_customer WHERE customer_id = 'c2'",
    "customers_have_records": "UPDATE lake.resolved.golden_customer SET record_count = 2 WHERE customer_id = 'c1'",
    "joined_by_word_are_one": "UPDATE lake.resolved.judged_pair SET verdict = 'same'",
    "parted_by_word_are_two": "UPDATE lake.resolved.xref SET customer_id = 'c1'",
    "xref_is_published": "UPDATE lake.published.xref SET customer_id = 'c1' WHERE record_id = 'r2'",
    "every_live_customer_is_published": "DELETE FROM lake.published.customer_360 WHERE customer_id = 'c2'",
    "only_live_customers_are_published": (
        "INSERT INTO lake.published.customer_360 (customer_id, order_count, ticket_count) VALUES ('c3', 0, 0)"
    ),
    "one_open_state": (
        "INSERT INTO lake.published.customer_history (customer_id, valid_from) VALUES ('c2', '2026-01-05')"
    ),
    "open_states_are_the_present": "DELETE FROM lake.published.customer_history WHERE customer_id = 'c2'",
    "states_do_not_overlap": (
        "UPDATE lake.published.customer_history SET valid_to = '2026-01-09' WHERE customer_id = 'c1'"
        " AND valid_to IS NOT NULL"
    ),
    "orders_are_conserved": "INSERT INTO lake.published.orders (order_id, base_amount) VALUES ('o2', 0)",
    "revenue_is_conserved": "UPDATE lake.published.orders SET base_amount = 6",
    "tickets_are_conserved": "INSERT INTO lake.published.tickets (ticket_id) VALUES ('t2')",
    "customers_of_orders_exist": "UPDATE lake.published.orders SET customer_id = 'c7'",
    "linked_orders_have_customers": "UPDATE lake.published.orders SET customer_id = NULL",
    "customers_of_tickets_exist": "UPDATE lake.published.tickets SET customer_id = 'c7'",
    "linked_tickets_have_customers": "UPDATE lake.published.tickets SET customer_id = NULL",
    "order_counts_agree": "UPDATE lake.published.customer_360 SET order_count = 3 WHERE customer_id = 'c1'",
    "ticket_counts_agree": "UPDATE lake.published.customer_360 SET ticket_count = 3 WHERE customer_id = 'c1'",
    "features_have_customers": "UPDATE lake.published.customer_features SET customer_id = 'c7'",
    "segments_have_customers": "UPDATE lake.published.segments SET customer_id = 'c7'",
    "enrichments_have_customers": "DELETE FROM lake.enriched.lifecycle WHERE customer_id = 'c2'",
    "redirects_lead_to_live_customers": "UPDATE lake.published.redirects SET to_customer_id = 'c9'",
    "retired_ids_are_not_live": "INSERT INTO lake.published.redirects (customer_id) VALUES ('c2')",
}


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("ATTACH ':memory:' AS lake")
    for table in STATIC:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS lake.{quote(table.schema)}")
        con.execute(create_table_sql(table, database="lake").replace(" NOT NULL", ""))
    con.execute(SOUND)
    return con


def broken(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return {result.invariant.name: result.violations for result in check_invariants(con) if not result.passed}


def test_a_sound_lake_breaks_none(con: duckdb.DuckDBPyConnection) -> None:
    assert broken(con) == {}


@pytest.mark.parametrize("name", [invariant.name for invariant in INVARIANTS])
def test_its_own_fault_breaks_it(con: duckdb.DuckDBPyConnection, name: str) -> None:
    con.execute(FAULTS[name])
    assert broken(con)[name] >= 1


def test_a_broken_invariant_tells_table_sentence_and_count(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(FAULTS["tickets_are_conserved"])
    (told,) = [str(result) for result in check_invariants(con) if not result.passed]
    assert told == (
        "published.tickets: tickets_are_conserved (there are as many tickets as conformed, but 1 rows break it)"
    )
