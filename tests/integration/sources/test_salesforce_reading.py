"""What the adapter reads of an org over HTTPS: windows, both APIs, deletions, drift, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from dataflow.errors import ConfigurationError, SchemaDrift, SourceMissing, UsageError
from dataflow.sources import ListsKeys, ObjectState, PlannedWindow, Source, Surveys, Window
from dataflow.sources.protocol import BATCH_SCHEMA, BEGINNING
from dataflow.sources.salesforce import SalesforceSource
from dataflow.sources.salesforce.connection import Connection
from tests.lib.servers.salesforce import Simulator
from tests.lib.servers.salesforce_org import CONTACT, NOON, source_settings

STAMP = "%Y-%m-%dT%H:%M:%S.000+0000"
MANY_FIELDS = {
    **CONTACT["fields"],
    "FirstName": "VARCHAR",
    "Account.Name": "VARCHAR",
    "Birthdate": "DATE",
    "Score__c": "DOUBLE",
    "IsVip__c": "BOOLEAN",
    "LastCall__c": "TIMESTAMPTZ",
    "Notes__c": "VARCHAR",
    "Rating__c": "DOUBLE",
}


def contact(**given: Any) -> dict[str, Any]:
    return {"contact": {**CONTACT, **given}}


def source(served: Simulator, objects: dict[str, Any] | None = None, **section: Any) -> SalesforceSource:
    return SalesforceSource("sf", source_settings(served, objects=objects or contact(on_drift="set_aside"), **section))


def rows(batches: Iterable[pa.RecordBatch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


def read(
    reader: Source, planned: PlannedWindow | None = None, state: ObjectState | None = None
) -> list[dict[str, Any]]:
    windows = [planned] if planned else reader.plan("contact", state or ObjectState())
    return [row for window in windows for row in rows(reader.fetch(window).batches)]


def since(timestamp: datetime) -> ObjectState:
    return ObjectState(watermark=timestamp)


def test_it_does_what_the_protocol_and_the_nightly_check_ask(salesforce: Simulator) -> None:
    made = source(salesforce)
    assert isinstance(made, Surveys)
    assert isinstance(made, ListsKeys)
    with pytest.raises(UsageError, match="has no object lead"):
        made.plan("lead", ObjectState())


def test_a_row_as_it_is_landed(salesforce: Simulator) -> None:
    key = salesforce.org.insert("Contact", LastName="Ünal", Email="a@b.c")
    salesforce.org.clock.advance(1)
    reader = source(salesforce, contact(on_drift="evolve"))
    [planned] = reader.plan("contact", ObjectState())
    got = reader.fetch(planned)
    batches = list(got.batches)
    assert [batch.schema for batch in batches] == [BATCH_SCHEMA]
    [row] = rows(batches)
    assert (row["record_key"], row["changed_at"], row["is_deleted"], row["defect"]) == (key, NOON, False, None)
    payload = json.loads(row["payload"])
    assert list(payload) == [
        *CONTACT["fields"], "IsVip__c", "LastCall__c", "Notes__c", "Rating__c", "Score__c"
    ]  # fmt: skip
    assert payload["LastName"] == "Ünal"
    assert payload["SystemModstamp"] == NOON.strftime(STAMP)
    assert "attributes" not in payload
    assert (got.report.rows, got.report.promised) == (1, 1)


def fill(served: Simulator, count: int) -> None:
    org = served.org
    parent = org.insert("Account", Name='Tyrell "& Sons"')
    account = org.insert("Account", Name="Acme, Inc.\nDept. 5", ParentId=parent)
    for number in range(count):
        org.insert(
            "Contact",
            LastName=f"Name {number}",
            FirstName=None if number % 3 else "Zoë",
            Email=f"{number}@example.com",
            AccountId=account if number % 2 else None,
            Birthdate=NOON.date() if number % 5 else None,
            Score__c=number * 1_234_567 / 8 if number % 7 else None,
            IsVip__c=number % 2 == 0,
            LastCall__c=NOON - timedelta(seconds=number) if number % 4 else None,
            Notes__c='line one\r\nline "two", and a comma' if number % 3 else None,
        )
        if number % 10 == 0:
            org.clock.advance(1)
    org.clock.advance(60)


@pytest.mark.parametrize("api_version", ["60.0", "57.0"])
def test_rest_and_bulk_bring_the_same_rows(salesforce: Simulator, api_version: str) -> None:
    fill(salesforce, 95)
    salesforce.api.page_rows = 20
    salesforce.bulk.page_rows = 7
    objects = contact(fields=MANY_FIELDS)
    by_rest = read(source(salesforce, objects))
    section = {"bulk_from_rows": 10, "bulk_page_rows": 9, "downloads": 3, "api_version": api_version}
    by_bulk = read(source(salesforce, objects, **section))
    assert any("jobs/query" in call for call in salesforce.calls)
    assert len(by_rest) == 95
    assert {row["record_key"]: row for row in by_rest} == {row["record_key"]: row for row in by_bulk}
    payload = json.loads(by_rest[1]["payload"])
    assert payload["Account.Name"] == "Acme, Inc.\nDept. 5"
    assert payload["Score__c"] == 1_234_567 / 8


def test_bulk_pages_are_fetched_side_by_side_and_handed_on_in_order(salesforce: Simulator) -> None:
    fill(salesforce, 60)
    salesforce.bulk.page_rows = 5
    reader = source(salesforce, bulk_from_rows=1, downloads=4)
    found = [row["record_key"] for row in read(reader)]
    assert found == sorted(found)
    assert sum("resultPages" in call for call in salesforce.calls) == 3
    assert sum("/results?" in call for call in salesforce.calls) == 12


def test_a_job_that_is_not_read_to_its_end_is_aborted_or_complete(salesforce: Simulator) -> None:
    fill(salesforce, 20)
    salesforce.bulk.page_rows = 5
    reader = source(salesforce, bulk_from_rows=1)
    [planned] = reader.plan("contact", ObjectState())
    batches = reader.fetch(planned).batches
    next(iter(batches))
    batches.close()  # type: ignore[attr-defined]
    assert {job.state for job in salesforce.bulk.jobs.values()} == {"JobComplete"}


def test_a_window_is_closed_at_the_orgs_clock_and_reads_the_look_back(salesforce: Simulator) -> None:
    org = salesforce.org
    keys = [org.insert("Contact", LastName="early")]
    org.clock.advance(700)
    keys.append(org.insert("Contact", LastName="at the watermark less the look-back"))
    org.clock.advance(600)
    watermark = org.clock.now()
    keys.append(org.insert("Contact", LastName="at the watermark"))
    org.clock.advance(10)
    keys.append(org.insert("Contact", LastName="in the second of planning"))
    reader = source(salesforce)
    [planned] = reader.plan("contact", since(watermark))
    assert planned.window == Window(watermark - timedelta(seconds=600), org.clock.now())
    assert [row["record_key"] for row in read(reader, planned)] == keys[1:3]
    org.clock.advance(1)
    assert [row["record_key"] for row in read(reader, state=since(watermark))] == keys[1:]


def test_a_row_committed_late_is_found_by_the_look_back(salesforce: Simulator) -> None:
    org = salesforce.org
    late = org.insert("Contact", LastName="late", commit_after=500)
    org.clock.advance(30)
    org.insert("Contact", LastName="on time")
    org.clock.advance(30)
    reader = source(salesforce)
    first = read(reader)
    assert [json.loads(row["payload"])["LastName"] for row in first] == ["on time"]
    org.clock.advance(500)
    found = {row["record_key"]: row["changed_at"] for row in read(reader, state=since(first[0]["changed_at"]))}
    assert found[late] == NOON


def test_deleted_rows_are_seen_whatever_became_of_them(salesforce: Simulator) -> None:
    org = salesforce.org
    bin_, purged, hard, loser, winner, back = (org.insert("Contact", LastName=str(number)) for number in range(6))
    org.clock.advance(3600)
    org.delete("Contact", bin_)
    org.delete("Contact", purged)
    org.delete("Contact", back)
    org.hard_delete("Contact", hard)
    org.merge("Contact", winner, loser)
    org.clock.advance(60)
    org.purge("Contact", purged)
    org.undelete("Contact", back)
    org.clock.advance(60)
    reader = source(salesforce)
    [planned] = reader.plan("contact", since(NOON + timedelta(seconds=3600)))
    fetch = reader.fetch(planned)
    found = {row["record_key"]: row["is_deleted"] for row in rows(fetch.batches)}
    assert found == {bin_: True, purged: True, hard: True, loser: True, winner: False, back: False}
    assert fetch.report.promised == fetch.report.rows == 6
    gone = rows(reader.deletions(planned))
    assert {row["record_key"] for row in gone} == {bin_, purged, hard, loser}
    tombstone = next(row for row in gone if row["record_key"] == hard)
    assert json.loads(tombstone["payload"]) == {
        "id": hard,
        "deletedDate": (NOON + timedelta(seconds=3600)).strftime(STAMP),
    }


def test_what_the_log_forgot_is_a_note_and_is_found_by_the_keys(salesforce: Simulator) -> None:
    org = salesforce.org
    keys = sorted(org.insert("Contact", LastName=str(number)) for number in range(5))
    org.clock.advance(3600)
    org.hard_delete("Contact", keys[0])
    org.delete("Contact", keys[1])
    org.clock.advance(3 * 3600)
    org.purge_log(org.clock.now())
    reader = source(salesforce)
    [planned] = reader.plan("contact", since(NOON))
    fetch = reader.fetch(planned)
    assert [row["record_key"] for row in rows(fetch.batches)] == keys[1:]
    assert fetch.report.notes == {"Contact": "the log of deletions reaches back to 2026-03-01 16:00 only"}
    assert list(reader.missing_keys("contact", iter(keys))) == [keys[0]]


def test_the_anti_join_reads_keys_by_bulk_as_well(salesforce: Simulator) -> None:
    keys = sorted(salesforce.org.insert("Contact", LastName=str(number)) for number in range(30))
    salesforce.org.hard_delete("Contact", keys[7])
    salesforce.bulk.page_rows = 8
    assert list(source(salesforce, bulk_from_rows=10).missing_keys("contact", iter(keys))) == [keys[7]]


def test_a_log_with_too_many_ids_is_read_in_halves(salesforce: Simulator) -> None:
    org = salesforce.org
    salesforce.api.log_ids = 3
    keys = []
    for number in range(10):
        keys.append(org.insert("Contact", LastName=str(number)))
        org.clock.advance(300)
        org.hard_delete("Contact", keys[-1])
        org.clock.advance(300)
    reader = source(salesforce)
    [planned] = reader.plan("contact", since(NOON))
    assert {row["record_key"] for row in rows(reader.deletions(planned))} == set(keys)


@pytest.mark.parametrize("days", [0, 1, 40])
def test_when_nothing_changed_an_object_costs_three_calls(salesforce: Simulator, days: int) -> None:
    fill(salesforce, 5)
    watermark = salesforce.org.clock.now()
    salesforce.org.clock.advance(days * 86_400 + 300)
    read(source(salesforce), state=since(watermark))
    assert len(salesforce.calls) == 3
    salesforce.org.clock.advance(300)
    read(source(salesforce), state=since(watermark))
    assert len(salesforce.calls) == 6
    assert salesforce.door.logins == 1


def test_formulas_are_read_again_on_schedule(salesforce: Simulator) -> None:
    org = salesforce.org
    org.insert("Contact", LastName="x", Score__c=10)
    org.clock.advance(3600)
    reader = source(salesforce, contact(reread_every_hours=24, fields=MANY_FIELDS))

    def ratings(state: ObjectState) -> list[Any]:
        return [json.loads(row["payload"])["Rating__c"] for row in read(reader, state=state)]

    assert ratings(ObjectState()) == [10]
    began = org.clock.now()
    org.clock.advance(3600)
    org.parameters["rate"] = 3
    assert ratings(ObjectState(watermark=began, read_whole_at=began)) == []
    org.clock.advance(24 * 3600)
    assert ratings(ObjectState(watermark=began, read_whole_at=began)) == [30]


def test_a_big_first_load_is_cut_into_windows_that_cover_it(salesforce: Simulator) -> None:
    fill(salesforce, 100)
    reader = source(salesforce, slice_rows=30)
    planned = reader.plan("contact", ObjectState())
    assert len(planned) >= 4
    assert planned[0].window.start == BEGINNING
    assert planned[-1].window.until == salesforce.org.clock.now()
    found = [row["record_key"] for window in planned for row in read(reader, window)]
    assert len(found) == len(set(found)) == 100
    assert len({window.fingerprint for window in planned}) == len(planned)


def test_a_requested_range_is_read_whatever_the_watermark(salesforce: Simulator) -> None:
    fill(salesforce, 100)
    reader = source(salesforce)
    start, until = NOON + timedelta(seconds=3), NOON + timedelta(seconds=5)
    [planned] = reader.plan("contact", since(salesforce.org.clock.now()), since=start, until=until)
    assert planned.window == Window(start, until)
    assert {row["changed_at"] for row in read(reader, planned)} == {start, start + timedelta(seconds=1)}


def test_counting_and_halving_for_the_nightly_check(salesforce: Simulator) -> None:
    fill(salesforce, 50)
    salesforce.org.delete("Contact", next(iter(salesforce.org.records["Contact"])))
    reader = source(salesforce)
    [planned] = reader.plan("contact", ObjectState(), since=NOON)
    assert reader.survey(planned).count == 49
    assert reader.survey(planned).fingerprint == ""
    halves = reader.halve(planned)
    assert [half.window.until for half in halves][-1] == planned.window.until
    assert halves[0].window.until == halves[1].window.start
    assert sum(reader.survey(half).count for half in halves) == 49
    second = PlannedWindow("sf", "contact", Window(NOON, NOON + timedelta(seconds=1)), (), "x")
    assert reader.halve(second) == []


def test_rows_stamped_ahead_of_the_orgs_clock_are_counted_and_read_where_that_is_declared(
    salesforce: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(salesforce, 3)
    reader = source(salesforce)
    before = reader.count_ahead("contact")
    [main, believed] = source(salesforce, contact(ahead_hours=2)).plan("contact", ObjectState())
    assert believed.window == Window(main.window.until, main.window.until + timedelta(hours=2))
    assert (main.moves_watermark, believed.moves_watermark) == (True, False)
    monkeypatch.setattr(Connection, "now", lambda _: NOON - timedelta(hours=1))
    after = reader.count_ahead("contact")
    assert before is not None and after is not None
    assert (before.count, after.count) == (0, 3)


def test_measuring_reads_the_window_again(salesforce: Simulator) -> None:
    fill(salesforce, 20)
    reader = source(salesforce)
    [planned] = reader.plan("contact", ObjectState())
    one = reader.measure(planned)
    assert one.count == 20
    assert reader.measure(planned) == one
    salesforce.org.parameters["rate"] = 2
    assert reader.measure(planned) == one


def test_discovery_lists_what_is_declared_and_what_is_not(salesforce: Simulator) -> None:
    found = source(salesforce).discover()
    assert [(one.name, one.is_declared) for one in found] == [("contact", True), ("Account", False), ("Lead", False)]
    assert ("Score__c", "DOUBLE") in {(field.name, field.type) for field in found[0].fields}


def test_a_revoked_field_is_drift_and_the_policy_decides(salesforce: Simulator) -> None:
    fill(salesforce, 1)
    salesforce.org.revoke("Contact", "Email")
    reader = source(salesforce, contact(on_drift="evolve"))
    [planned] = reader.plan("contact", ObjectState())
    fetch = reader.fetch(planned)
    [row] = rows(fetch.batches)
    assert "Email" not in json.loads(row["payload"])
    assert fetch.report.drift.gone == ("Email",)
    [row] = read(source(salesforce, contact(on_drift="set_aside")))
    assert "gone Email" in row["defect"]
    with pytest.raises(SchemaDrift, match="gone Email"):
        read(source(salesforce, contact(on_drift="freeze")))


def test_a_field_revoked_between_plan_and_fetch_is_drift_too(salesforce: Simulator) -> None:
    fill(salesforce, 1)
    reader = source(salesforce)
    [planned] = reader.plan("contact", ObjectState())
    salesforce.org.revoke("Contact", "Email")
    with pytest.raises(SchemaDrift, match="the user may not read it"):
        read(reader, planned)


def test_an_object_that_is_not_there(salesforce: Simulator) -> None:
    with pytest.raises(SourceMissing, match="NOT_FOUND"):
        source(salesforce, contact(remote="Kontakt")).plan("contact", ObjectState())
    with pytest.raises(ConfigurationError, match="is not a name"):
        source(salesforce, contact(remote="../Contact")).plan("contact", ObjectState())
