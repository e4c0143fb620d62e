"""What a value costs that our model does not accept: its field or its row, never the publication of the others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.conform.mapping import compile_mappings
from dataflow.errors import MappingError
from dataflow.tables.declared import declared_tables
from dataflow.workspace.report import GAP_FACT, list_notes
from tests.lib.small_company import CONFIG, Company, company_settings, opened_company

MORE = """
[sources.shop.objects.request]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
[sources.shop.objects.request.fields]
id = "BIGINT"
person = "BIGINT"
state = "VARCHAR"
urgency = "VARCHAR"
opened = "TIMESTAMP"
closed = "TIMESTAMP"
changed = "TIMESTAMP"

[mappings.requests]
table = "ticket"
object = "shop.request"
[mappings.requests.fields]
record_id = { record = "shop.person", key = "person" }
status = "state"
priority = { map = { "1" = "urgent" }, of = "urgency" }
opened_at = "opened"
closed_at = "closed"
"""
OWN = (
    CONFIG.replace('total = "DECIMAL(12,2)"', 'total = "DECIMAL(12,2)"\ncurrency = "VARCHAR"\nstate = "VARCHAR"')
    .replace('gone = "TIMESTAMP"\n[', 'gone = "TIMESTAMP"\nkind = "VARCHAR"\n[')
    .replace('entity_type = { value = "person" }', 'entity_type = "kind"')
    .replace('status = { value = "placed" }', 'status = "state"')
    .replace('currency_code = { value = "EUR" }', 'currency_code = "currency"')
    + MORE
)


def person(number: int, kind: str | None = "person") -> dict[str, Any]:
    return {"id": str(number), "given": "Ada", "surname": f"Lind{number}", "kind": kind} | {"changed": "2026-03-01"}


def purchase(number: int, total: str = "9.50", currency: str = "EUR", state: str = "paid") -> dict[str, Any]:
    row = {"id": str(number), "person": "1", "total": total, "currency": currency, "state": state}
    return row | {"changed": f"2026-03-0{number} 11:00:00"}


def request(number: int, **fields: Any) -> dict[str, Any]:
    row = {"id": str(number), "person": "1", "opened": "2026-03-01 08:00:00", "changed": "2026-03-01 09:00:00"}
    return row | fields


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with opened_company(company_settings(tmp_path, OWN)) as company:
        company.land("person", person(1))
        yield company


def declare(company: Company, old: str, new: str) -> None:
    assert old in OWN
    company.settings = company_settings(company.settings.home.parent, OWN.replace(old, new, 1))


def dead_letters(company: Company) -> list[tuple[Any, ...]]:
    return company.rows("SELECT _record_key, rule, reason FROM lake.ops.dead_letters WHERE status = 'open' ORDER BY 1")


def test_a_new_state_is_kept_as_other_and_named_with_the_line_to_add(company: Company) -> None:
    company.land("purchase", purchase(1), purchase(2, state="On Hold"), purchase(3, state="On Hold"))
    company.land("request", request(1, state="open", urgency="1"), request(2, state="parked", urgency="P4"))
    reports = company.publish()
    orders = company.rows("SELECT _record_key, status FROM lake.conformed.customer_order ORDER BY 1")
    assert orders == [("1", "paid"), ("2", "other"), ("3", "other")]
    tickets = company.rows("SELECT status, priority FROM lake.published.tickets ORDER BY ticket_id")
    assert tickets == [("open", "urgent"), ("other", "other")]
    assert reports["conformed.customer_order"].facts["values_outside"] == {"purchases.status": 2}
    (order,) = [note for note in list_notes(reports.values()) if "mappings.purchases" in note]
    assert order == (
        "2 records of mappings.purchases have other in its place: status is not one of placed, paid, shipped, "
        'delivered, cancelled, refunded: "On Hold" (2). To map them, in [mappings.purchases.fields] write status = '
        '{ map = { "On Hold" = "…" }, of = "state" }'
    )
    (urgency,) = [note for note in list_notes(reports.values()) if "priority" in note]
    assert urgency.endswith('to the map of priority in [mappings.requests.fields] add "P4" = "…"')
    assert dead_letters(company) == []
    assert company.rows("SELECT order_count, open_ticket_count FROM lake.published.customer_360") == [(3, 2)]


def test_a_state_that_sets_its_row_aside_is_a_dead_letter_until_it_is_mapped(company: Company) -> None:
    declare(company, 'table = "customer_order"', 'table = "customer_order"\nother = { status = "set_aside" }')
    company.land("purchase", purchase(1), purchase(2, state="On Hold"))
    reports = company.publish()
    assert [letter[:2] for letter in dead_letters(company)] == [("2", "one_of")]
    (note,) = list_notes(reports.values())
    assert note.startswith("1 rows of shop.purchase are set aside (one_of): status of mappings.purchases is not one of")
    assert '"On Hold" (1). To map them, in [mappings.purchases.fields]' in note
    declare(company, 'status = "state"', 'status = { map = { "On Hold" = "placed" }, of = "state" }')
    company.publish()
    assert dead_letters(company) == []
    assert company.rows("SELECT status FROM lake.published.orders ORDER BY order_id") == [("paid",), ("placed",)]


def test_a_declared_state_stands_for_all_others(company: Company) -> None:
    declare(company, 'table = "ticket"', 'table = "ticket"\nother = { status = "pending", priority = "keep" }')
    company.land("request", request(1, state="Waiting", urgency="7"))
    reports = company.publish()
    assert company.rows("SELECT status, priority FROM lake.published.tickets") == [("pending", "other")]
    assert list_notes(reports.values()) == [], "both are declared"


def test_a_third_kind_of_customer_costs_its_row(company: Company) -> None:
    kinds = ("organisation", None, " ")
    company.land(
        "person", *(person(number, kind) for number, kind in enumerate(kinds, start=2)), person(5, " Company ")
    )
    company.publish()
    records = company.rows("SELECT _record_key, entity_type FROM lake.conformed.customer_record ORDER BY 1")
    assert records == [("1", "person"), ("5", "company")]
    expected = "entity_type of mappings.people is not one of person, company"
    assert dead_letters(company) == [(key, "one_of", expected) for key in ("2", "3", "4")]


def test_a_kind_that_is_absent_for_a_day_costs_nothing(company: Company) -> None:
    company.publish()
    hidden = {name: value for name, value in person(1).items() if name != "kind"}
    company.land("person", hidden | {"changed": "2026-03-02", "surname": "Ruiz"})
    window = {"source": "'shop'", "object": "'person'", "keys": "''", "comparison": "'landing'", "source_count": "1"}
    window |= {"window_from": "TIMESTAMPTZ '2026-03-02 00:00:00+00'", "checked_at": "now()", "_run_id": "'run'"}
    window |= {"window_until": "TIMESTAMPTZ '2026-03-03 00:00:00+00'", "absent_fields": "['kind']", "raw_count": "1"}
    window |= {"source_fingerprint": "''", "raw_fingerprint": "''", "appended_count": "1"}
    earlier = window | {"window_from": "TIMESTAMPTZ '2026-03-01 00:00:00+00'", "absent_fields": "NULL"}
    for row in (earlier, window):
        company.lake.con.execute(
            f"INSERT INTO lake.ops.completeness ({', '.join(row)}) VALUES ({', '.join(row.values())})"
        )
    company.publish()
    assert dead_letters(company) == []
    assert company.rows("SELECT surname, entity_type FROM lake.conformed.customer_record") == [("Ruiz", "person")]


def test_one_refund_and_one_strange_currency_cost_their_rows(company: Company) -> None:
    company.land(
        "purchase", purchase(1), purchase(2, total="-30"), purchase(3, currency="$"), purchase(4, currency=" usd")
    )
    reports = company.publish()
    assert [letter[:2] for letter in dead_letters(company)] == [("2", "at_least"), ("3", "currency")]
    published = company.rows("SELECT amount, currency_code FROM lake.published.orders ORDER BY order_id")
    assert [(float(amount), code) for amount, code in published] == [(9.5, "EUR"), (9.5, "USD")]
    currency, refund = list_notes(reports.values())
    assert refund.endswith('In [mappings.purchases], if these rows are refunds, add other = { amount = "refund" }')
    assert currency.endswith(
        'in [mappings.purchases.fields] write currency_code = { map = { "$" = "…" }, of = "currency" }'
    )


def test_a_number_that_no_amount_holds_costs_its_row(company: Company) -> None:
    declare(company, 'total = "DECIMAL(12,2)"', 'total = "DOUBLE"')
    company.land("purchase", purchase(1), purchase(2, total="1e17"), purchase(3, total="9.3e18"))
    company.publish()
    expected = "amount of mappings.purchases is not a number that DECIMAL(20,4) holds"
    assert dead_letters(company) == [("2", "type", expected), ("3", "type", expected)]
    assert company.rows("SELECT amount::DOUBLE FROM lake.published.orders") == [(9.5,)]


def test_a_declared_refund_is_one_and_not_an_order(company: Company) -> None:
    declare(company, 'table = "customer_order"', 'table = "customer_order"\nother = { amount = "refund" }')
    rows = [purchase(1, total="50"), purchase(2, total="-20"), purchase(3, total="-5", state="cancelled")]
    company.land("purchase", *rows, purchase(4, total="7", state="refund"))
    company.publish()
    orders = company.rows("SELECT status, amount::DOUBLE FROM lake.published.orders ORDER BY order_id")
    assert orders == [("paid", 50), ("refund", -20), ("cancelled", -5), ("other", 7)], "no refund without its amount"
    kpis = "SELECT kpi_code, sum(value) FROM lake.published.kpi_daily GROUP BY 1"
    figures = dict(company.rows(kpis))
    assert (figures["orders"], figures["revenue"]) == (2, 37)
    assert figures["average_order_value"] == 57, "50 on one day and 7 on another"
    assert figures["cancelled_order_share"] == 1
    assert company.rows("SELECT order_count, order_amount::DOUBLE FROM lake.published.customer_360") == [(2, 57)]


def test_a_ticket_that_is_closed_before_it_is_opened_costs_its_row(company: Company) -> None:
    company.land("request", request(1, closed="2026-03-01 07:59:59"), request(2, closed="2026-03-01 08:00:00"))
    company.publish()
    expected = "closed_at of mappings.requests is not at or after opened_at"
    assert dead_letters(company) == [("1", "in_order", expected)]
    assert company.rows("SELECT resolution_hours FROM lake.published.tickets") == [(0,)]


def test_an_order_without_its_time_is_counted_and_published(company: Company) -> None:
    declare(company, 'ordered_at = "changed"', "")
    company.land("purchase", purchase(1))
    company.publish()
    assert company.rows("SELECT order_count, first_order_at FROM lake.published.customer_360") == [(1, None)]


def test_an_object_over_its_limit_is_held_back_and_says_why(company: Company) -> None:
    company.settings = company_settings(
        company.settings.home.parent,
        OWN + "[validation]\ndead_letter_limit_floor = 1\ndead_letter_limit_share = 0.1\n",
    )
    company.land("purchase", purchase(1), purchase(2, currency="$"))
    reports = company.publish()
    assert (
        "currency: currency_code of mappings.purchases is not a currency code"
        in reports["shop.purchase"].facts[GAP_FACT]
    )
    assert company.rows("SELECT count(*) FROM lake.published.customer_360") == [(1,)]


def test_values_that_are_no_words_are_counted_and_not_shown(company: Company) -> None:
    company.land("purchase", purchase(1, state="ada@example.org"), purchase(2, state="+49 30 1234567"))
    (note,) = list_notes(company.publish().values())
    assert note == (
        "2 records of mappings.purchases have other in its place: status is not one of placed, paid, shipped, "
        "delivered, cancelled, refunded"
    )


def test_values_of_a_personal_field_are_not_shown(company: Company) -> None:
    declare(
        company, 'checks = [{ rule = "refers_to"', 'personal = { state = "identity" }\nchecks = [{ rule = "refers_to"'
    )
    company.land("purchase", purchase(1, state="Lind"))
    (note,) = list_notes(company.publish().values())
    assert "Lind" not in note


def test_a_value_of_a_joined_object_leaves_the_record_out(company: Company) -> None:
    joined = (
        '[mappings.people.joins.bought]\nobject = "shop.purchase"\non = { person = "id" }\n[mappings.people.fields]'
    )
    text = OWN.replace("[mappings.people.fields]", joined).replace('"kind"', '"bought.state"')
    company.settings = company_settings(company.settings.home.parent, text.replace('"bought.state" = "VARCHAR"', ""))
    company.land("person", person(2))
    company.land("purchase", purchase(1, state="robot"), purchase(2, state="person") | {"person": "2"})
    reports = company.publish()
    assert reports["conformed.customer_record"].set_aside == 1
    assert company.rows("SELECT _record_key FROM lake.conformed.customer_record") == [("2",)]
    assert any("1 records of mappings.people are left out" in note for note in list_notes(reports.values()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('table = "ticket"', 'table = "ticket"\nother = { subject = "keep" }', "it takes: closed_at, priority, status"),
        ('table = "ticket"', 'table = "ticket"\nother = { status = "done" }', "it can be keep, set_aside, open"),
        ('table = "customer_order"', 'table = "customer_order"\nother = { currency_code = "$" }', "or a currency code"),
        ('table = "customer_record"', 'table = "customer_record"\nother = { entity_type = "keep" }', "person, company"),
        ('entity_type = "kind"', 'entity_type = { value = "robot" }', "gives 'robot'; it can give: person, company"),
        ('map = { "1" = "urgent" }', 'map = { "1" = "urgnt" }', "gives 'urgnt'; it can give: low"),
        ('status = "state"', 'status = { map = { a = "refund" }, of = "state" }', "gives 'refund'"),
    ],
)
def test_a_wrong_declaration_is_refused_before_anything_is_read(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    settings = company_settings(tmp_path, OWN.replace(old, new))
    with pytest.raises(MappingError, match=message):
        compile_mappings(settings, declared_tables(settings))
