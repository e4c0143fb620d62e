"""A record's key is its typed value: however it is written, it is one record, or a dead letter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.conform.step import conform
from dataflow.settings import Settings, load_settings
from dataflow.validate.step import validate
from dataflow.workspace.report import StepReport
from lakehouse import Lake
from tests.lib.raw_rows import commit, land_rows, opened_lake, workspace

SCHEMAS = ("raw", "valid", "conformed", "ops")
CONFIG = """
[currency]
base = "EUR"

[sources.shop]
adapter = "files"
root = "unused"
[sources.shop.objects.person]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
[sources.shop.objects.person.fields]
id = "BIGINT"
name = "VARCHAR"
changed = "TIMESTAMP"
[sources.shop.objects.purchase]
format = "csv"
path = "{date}.csv"
key = "number"
cursor = "changed"
checks = [
  { rule = "refers_to", field = "buyer", object = "shop.person" },
  { rule = "refers_to", field = "contact", object = "crm.contact" },
]
[sources.shop.objects.purchase.fields]
number = "VARCHAR"
buyer = "VARCHAR"
contact = "VARCHAR"
changed = "TIMESTAMP"
[sources.shop.objects.address]
format = "csv"
path = "{date}.csv"
key = "number"
cursor = "changed"
[sources.shop.objects.address.fields]
number = "VARCHAR"
owner = "VARCHAR"
city = "VARCHAR"
changed = "TIMESTAMP"

[sources.crm]
adapter = "files"
root = "unused"
[sources.crm.objects.contact]
format = "csv"
path = "{date}.csv"
key = "Id"
cursor = "SystemModstamp"
[sources.crm.objects.contact.fields]
Id = "SALESFORCE_ID"
AccountId = "SALESFORCE_ID"
Name = "VARCHAR"
SystemModstamp = "TIMESTAMPTZ"

[mappings.people]
table = "customer_record"
object = "shop.person"
[mappings.people.joins.home]
object = "shop.address"
on = { owner = "id" }
[mappings.people.fields]
entity_type = { value = "person" }
full_name = "name"
city = "home.city"
[mappings.contacts]
table = "customer_record"
object = "crm.contact"
[mappings.contacts.fields]
entity_type = { value = "person" }
full_name = "Name"
[mappings.purchases]
table = "customer_order"
object = "shop.purchase"
[mappings.purchases.fields]
record_id = { first_of = [{ record = "shop.person", key = "buyer" }, { record = "crm.contact", key = "contact" }] }
order_number = "number"
ordered_at = "changed"
currency_code = { value = "EUR" }

[validation]
dead_letter_limit_share = 1.0
"""

SHORT, LONG = "0035Y00003bQXZp", "0035Y00003bQXZpQAO"


class Company:
    """Lands rows and publishes the first two stages, run by run."""

    def __init__(self, lake: Lake, settings: Settings) -> None:
        self.lake = lake
        self.settings = settings
        self.runs = 0

    def deliver(self, name: str, *payloads: dict[str, Any], **given: Any) -> None:
        land_rows(self.lake, self.settings, name, payloads, **given)

    def publish(self) -> dict[str, StepReport]:
        self.runs += 1
        run_id = f"run-{self.runs}"
        with workspace(self.lake, self.settings, self.settings.home, run_id=run_id, schemas=SCHEMAS) as ws:
            reports = [*validate(ws, self.settings), *conform(ws, self.settings)]
            commit(ws)
        return {report.subject: report for report in reports}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.lake.con.execute(query).fetchall()

    def people(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT _record_key, id, name FROM lake.valid.shop_person ORDER BY 1")

    def dead_letters(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT _record_key, rule, reason, status FROM lake.ops.dead_letters ORDER BY ALL")


def configured(folder: Path) -> Settings:
    path = folder / "dataflow.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return load_settings(path, home=folder / "home")


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    settings = configured(tmp_path)
    with opened_lake(settings, schemas=SCHEMAS) as lake:
        yield Company(lake, settings)


def person(key: Any, name: str, *, hour: int = 10) -> dict[str, Any]:
    return {"id": key, "name": name, "changed": f"2026-03-01 {hour:02}:00:00"}


def purchase(number: str, buyer: str | None, *, contact: str | None = None) -> dict[str, Any]:
    return {"number": number, "buyer": buyer, "contact": contact, "changed": "2026-03-01 10:00:00"}


def contact(key: str, name: str, *, hour: int = 10) -> dict[str, Any]:
    return {"Id": key, "Name": name, "SystemModstamp": f"2026-03-01T{hour:02}:00:00"}


def test_one_number_written_in_seven_ways_is_one_record(company: Company) -> None:
    spellings = ["7", "007", " 7", "7.0", "+7", "7e0", "0007.000"]
    rows = [person(text, text, hour=hour) for hour, text in enumerate(spellings)]
    company.deliver("shop.person", *rows, person("1E5", "first"), person("100000", "last", hour=11))
    report = company.publish()["shop.person"]
    assert (report.rows_in, report.rows_out, report.merged, report.set_aside) == (9, 2, 7, 0)
    assert company.people() == [("100000", 100000, "last"), ("7", 7, "0007.000")]


def test_a_number_that_was_whole_and_comes_as_a_fraction_stays_one_record(company: Company) -> None:
    company.deliver("shop.person", person(7, "seven"), person(8, "eight"))
    company.publish()
    rows = [person(7.0, "seven2", hour=11), person(8.0, "eight2", hour=11), person(None, "none", hour=11)]
    company.deliver("shop.person", *rows[:2])
    company.deliver("shop.person", rows[2], _defect="no key")
    report = company.publish()["shop.person"]
    assert (report.updated, report.inserted, report.set_aside) == (2, 0, 1)
    assert company.people() == [("7", 7, "seven2"), ("8", 8, "eight2")]


def test_a_key_that_is_no_value_of_its_type_is_a_dead_letter_in_a_deletion_too(company: Company) -> None:
    company.deliver("shop.person", person("7.5", "half"), person("seven", "word"), person(" ", "blank"))
    company.deliver("shop.person", person("x7", "gone"), _is_deleted=True)
    company.publish()
    assert company.people() == []
    assert company.dead_letters() == [
        (key, "type", "id is not a BIGINT", "open") for key in (" ", "7.5", "seven", "x7")
    ]


def test_a_deletion_and_a_late_version_find_the_record_however_they_write_it(company: Company) -> None:
    company.deliver("shop.person", person("7", "seven"))
    company.publish()
    company.deliver("shop.person", {"id": "7.0"}, _is_deleted=True, _changed_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert company.publish()["shop.person"].deleted == 1
    company.deliver("shop.person", person("007", "late", hour=11))
    company.publish()
    assert company.people() == []


def test_references_links_and_joins_find_their_record(company: Company) -> None:
    company.deliver("shop.person", person("7", "seven"))
    company.deliver("shop.address", {"number": "1", "owner": "007.0", "city": "Kiel", "changed": "2026-03-01 10:00:00"})
    company.deliver("shop.purchase", purchase("A", "007"), purchase("B", " 7.0"), purchase("C", "7.5"))
    company.publish()
    linked = company.rows("SELECT order_number, record_id FROM lake.conformed.customer_order ORDER BY ALL")
    assert linked == [("A", "shop|person|7"), ("B", "shop|person|7")]
    assert [key for key, *_ in company.dead_letters()] == ["C"]
    assert company.rows("SELECT record_id, city FROM lake.conformed.customer_record") == [("shop|person|7", "Kiel")]
    # A joined row that changes is found as well.
    moved = {"number": "1", "owner": "+7", "city": "Lund", "changed": "2026-03-01 11:00:00"}
    company.deliver("shop.address", moved)
    company.publish()
    assert company.rows("SELECT record_id, city FROM lake.conformed.customer_record") == [("shop|person|7", "Lund")]


def test_a_reference_waits_for_its_record_and_is_valid_when_it_comes(company: Company) -> None:
    company.deliver("shop.purchase", purchase("A", "007"), purchase("B", None, contact=SHORT))
    company.publish()
    assert [(key, status) for key, _, _, status in company.dead_letters()] == [("A", "open"), ("B", "open")]
    company.deliver("shop.person", person("7", "seven"))
    company.deliver("crm.contact", contact(LONG.upper(), "Ann"))
    company.publish()
    assert [(key, status) for key, _, _, status in company.dead_letters()] == [("A", "resolved"), ("B", "resolved")]


def test_salesforce_ids_of_any_length_and_case_are_one_record_and_join(company: Company) -> None:
    company.deliver("crm.contact", contact(SHORT, "first", hour=9), contact(LONG, "second"))
    company.deliver("crm.contact", contact(LONG.upper(), "third", hour=11) | {"AccountId": "001A0000006VM9U"})
    company.deliver("shop.purchase", *(purchase(text, None, contact=text) for text in (SHORT, LONG, LONG.lower())))
    company.publish()
    found = company.rows("SELECT _record_key, Id, Name, AccountId FROM lake.valid.crm_contact")
    assert found == [(LONG, LONG, "third", "001A0000006VM9UIAW")]
    assert company.rows("SELECT DISTINCT record_id FROM lake.conformed.customer_order") == [(f"crm|contact|{LONG}",)]
    # In capitals, 15 characters have lost which of them were: another id, and no record.
    company.deliver("shop.purchase", purchase("lost", None, contact=SHORT.upper()))
    company.publish()
    assert [(key, rule) for key, rule, _, _ in company.dead_letters()] == [("lost", "refers_to")]


def test_a_text_that_is_no_salesforce_id_is_a_dead_letter(company: Company) -> None:
    company.deliver("crm.contact", contact("0035Y", "short"), contact(LONG, "good") | {"AccountId": "ACME"})
    company.publish()
    assert company.dead_letters() == [
        ("0035Y", "type", "Id is not a SALESFORCE_ID", "open"),
        (LONG, "type", "AccountId is not a SALESFORCE_ID", "open"),
    ]


def test_a_lake_of_keys_as_received_becomes_one_record_each_and_keeps_decisions(company: Company) -> None:
    company.deliver("shop.person", person("7", "seven"), person("007", "", hour=11), person("x", "bad", hour=12))
    company.publish()
    # What earlier code left behind: a record and a dead letter under keys as received, computed by other settings.
    for statement in (
        "UPDATE lake.ops.fingerprint SET fingerprint = 'former'",
        "INSERT INTO lake.valid.shop_person SELECT * REPLACE ('007' AS _record_key, 'older' AS name)"
        " FROM lake.valid.shop_person",
        "INSERT INTO lake.ops.dead_letters SELECT d.* REPLACE ('former' AS dead_letter_id, '007' AS _record_key,"
        " r._row_hash AS _row_hash, 'discarded' AS status) FROM lake.ops.dead_letters d, lake.raw.shop_person r"
        " WHERE r._record_key = '007'",
    ):
        company.lake.con.execute(statement)
    company.publish()
    # The version that was discarded stays out: the older one is the newest.
    assert company.people() == [("7", 7, "seven")]
    assert [(key, status) for key, _, _, status in company.dead_letters()] == [("007", "discarded"), ("x", "open")]
    assert company.rows("SELECT record_id FROM lake.conformed.customer_record") == [("shop|person|7",)]


_VALUES = st.integers(1, 4)
_SPELLINGS = st.sampled_from(["{}", "0{}", " {} ", "{}.0", "+{}", "{}e0", "{}.5", "{}x"])
_ROWS = st.lists(st.tuples(_VALUES, _SPELLINGS, st.integers(0, 23)), min_size=1, max_size=8)


@hypothesis_settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(days=st.lists(_ROWS, min_size=1, max_size=2))
def test_every_typed_key_is_one_record_and_no_row_is_lost(
    tmp_path_factory: pytest.TempPathFactory, days: list[list[tuple[int, str, int]]]
) -> None:
    settings = configured(tmp_path_factory.mktemp("company"))
    with opened_lake(settings, schemas=SCHEMAS) as lake:
        company = Company(lake, settings)
        for day in days:
            company.deliver("shop.person", *(person(form.format(value), form, hour=hour) for value, form, hour in day))
            report = company.publish()["shop.person"]
            assert report.rows_in == len(day)
        good = {value for day in days for value, form, _ in day if form not in ("{}.5", "{}x")}
        bad = {(form.format(value), hour) for day in days for value, form, hour in day if form in ("{}.5", "{}x")}
        assert {(key, number) for key, number, _ in company.people()} == {(str(value), value) for value in good}
        assert len(company.people()) == len(good)
        assert len(company.dead_letters()) == len(bad)
