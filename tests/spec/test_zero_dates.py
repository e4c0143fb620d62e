"""Dates that software writes for none: no value, counted by field; and the calendar that one date must not stretch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataflow.validate.cast import zero_date_sql
from dataflow.workspace.report import list_notes
from tests.lib.small_company import CONFIG, Company, company_settings, opened_company, person

OWN = CONFIG.replace('total = "DECIMAL(12,2)"', 'total = "DECIMAL(12,3)"\nbought = "TIMESTAMP"').replace(
    'ordered_at = "changed"', 'ordered_at = "bought"'
)


def purchase(number: int, bought: str, total: str = "1.500") -> dict[str, Any]:
    row = {"id": str(number), "person": "0", "total": total, "bought": bought}
    return row | {"changed": f"2026-03-01 11:00:0{number}"}


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with opened_company(company_settings(tmp_path, OWN)) as company:
        company.land("person", person(0))
        yield company


def days(company: Company) -> list[tuple[Any, ...]]:
    return company.rows("SELECT min(kpi_date)::VARCHAR, max(kpi_date)::VARCHAR FROM lake.published.kpi_daily")


def test_a_zero_date_is_missing_and_counted(company: Company) -> None:
    company.land("purchase", purchase(1, "2026-03-01 10:00:00"), purchase(2, "1899-12-30 00:00:00"))
    company.land("purchase", purchase(3, "0001-01-01T00:00:00"), purchase(4, "0000-00-00 00:00:00"))
    reports = company.publish()
    assert reports["shop.purchase"].facts["zero_dates"] == {"bought": 3}
    assert list_notes(reports.values()) == [
        "bought of 3 rows of shop.purchase is a zero date, which stands for none: it is missing in valid"
    ]
    orders = company.rows("SELECT ordered_at IS NULL, amount::VARCHAR FROM lake.published.orders ORDER BY order_id")
    assert orders == [(False, "1.5000"), (True, "1.5000"), (True, "1.5000"), (True, "1.5000")]
    customer = "SELECT order_count, first_order_at::DATE::VARCHAR FROM lake.published.customer_360"
    assert company.rows(customer) == [(4, "2026-03-01")]
    assert days(company) == [("2026-03-01", "2026-03-01")]


@pytest.mark.parametrize(
    "bought",
    [
        "1969-12-31 19:00:00", "1970-01-01T01:00:00", "1970-01-01 05:30:00", "1970-01-01", "1900-01-01",
        "1601-01-01 00:00:00",
    ],
)  # fmt: skip
def test_the_zero_of_a_clock_is_one_in_every_time_zone(bought: str) -> None:
    con = duckdb.connect()
    assert con.execute(f"SELECT {zero_date_sql('?', 'TIMESTAMP')}", [bought] * 4).fetchall() == [(True,)]
    near = "1970-01-01 01:00:01"
    assert con.execute(f"SELECT {zero_date_sql('?', 'TIMESTAMP')}", [near] * 4).fetchall() == [(False,)]


def test_a_required_zero_date_is_a_dead_letter(company: Company) -> None:
    required = 'checks = [{ rule = "required", field = "bought" }, { rule = "refers_to"'
    company.settings = company_settings(
        company.settings.home.parent, OWN.replace('checks = [{ rule = "refers_to"', required)
    )
    company.land("purchase", purchase(1, "1899-12-30"))
    company.publish()
    assert company.rows("SELECT rule, reason FROM lake.ops.dead_letters") == [("required", "bought is missing")]


def test_the_calendar_begins_after_a_gap_of_years_and_grows_back_when_it_is_filled(company: Company) -> None:
    company.land("purchase", purchase(1, "2026-02-27 10:00:00"), purchase(2, "1026-02-27 10:00:00"))
    reports = company.publish()
    assert days(company) == [("2026-01-01", "2026-02-27")]
    assert list_notes(reports.values()) == [
        "2 timestamps are before 2026-01-01, more than 10 years before the next: the key figures begin there; correct "
        "them at the source"
    ]
    company.land("purchase", purchase(2, "2025-12-30 10:00:00") | {"changed": "2026-03-02 11:00:00"})
    assert list_notes(company.publish().values()) == []
    assert days(company)[0][0] == "2025-12-30"
    orders = company.rows("SELECT sum(value) FROM lake.published.kpi_daily WHERE kpi_code = 'orders'")
    assert orders == [(2.0,)]


def test_a_date_far_ahead_is_noted(company: Company) -> None:
    company.land("purchase", purchase(1, "2026-02-27 10:00:00"), purchase(2, "2062-02-27 10:00:00"))
    reports = company.publish()
    assert list_notes(reports.values()) == [
        "1 timestamps are more than a year after this run: the key figures end on its day; correct them at the source"
    ]
