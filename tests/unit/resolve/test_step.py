"""The resolve step over a lake: what it stages, and what it does not change."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.resolve.records.normaliser import FOLDING_VERSION, RULES_VERSION
from dataflow.resolve.step import resolve
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.resolved import EDGE, EPOCH, GOLDEN_CUSTOMER, IDENTITY_EVENT, REDIRECT, TERM_FREQUENCY, XREF
from lakehouse import Lake
from tests.lib.identities import Record, company, person, population
from tests.lib.resolving import resolve_day, rows, settings, stage_records
from tests.lib.tables import NOW, small_lake, workspace

CHANCE = random.Random(11)
ANN = person(CHANCE, 8001)
ANN_CRM: Record = {**ANN, "record_id": "salesforce|contact|ann", "_source": "salesforce"}
ANN_SHOP: Record = {**ANN, "record_id": "mysql|customers|ann", "_source": "mysql", "street": None}
BOB: Record = {**person(CHANCE, 8002), "record_id": "mysql|customers|bob", "_source": "mysql"}
ACME: Record = {**company(CHANCE, 8003), "record_id": "salesforce|account|acme", "_source": "salesforce"}
PEOPLE = [record for _, record in population(3, people=60).values()]


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake where the population, Ann twice and Bob are resolved; Bob's employer is not known yet."""
    folder = tmp_path_factory.mktemp("first-day")
    with small_lake(folder) as lake:
        resolve_day(lake, folder, [*PEOPLE, ANN_CRM, ANN_SHOP, {**BOB, "parent_record_id": ACME["record_id"]}], day=1)
    return folder


@pytest.fixture
def lake(first_day: Path, tmp_path: Path) -> Iterator[Lake]:
    """A copy of that lake."""
    shutil.copytree(first_day, tmp_path, dirs_exist_ok=True)
    with small_lake(tmp_path) as lake:
        yield lake


def customer_of(lake: Lake, record: Record) -> str | None:
    found = rows(lake, f"SELECT customer_id FROM lake.resolved.xref WHERE record_id = '{record['record_id']}'")
    return str(found[0][0]) if found else None


def redirects(lake: Lake) -> dict[str, str | None]:
    return dict(rows(lake, "SELECT customer_id, to_customer_id FROM lake.resolved.redirect"))


def test_first_run_links_and_conserves(lake: Lake, tmp_path: Path) -> None:
    assert customer_of(lake, ANN_CRM) == customer_of(lake, ANN_SHOP) != customer_of(lake, BOB)
    with workspace(lake, tmp_path) as ws:
        report = resolve(ws, settings())
        assert not {table for table in ws.staged if ws.changes(ws.staged[table]).changed}
    assert report.rows_in == len(PEOPLE) + 3
    assert report.changed == 0
    assert report.facts["events"] == {}
    assert sum(count for _, _, count in report.facts["weights"]) == len(rows(lake, "FROM lake.resolved.edge"))
    assert sum(size * count for _, size, count in report.facts["cluster_sizes"]) == report.rows_in


def test_a_golden_value_names_the_record_it_came_from(lake: Lake) -> None:
    golden = rows(
        lake,
        "SELECT street, date_of_birth::VARCHAR, sources, record_count, provenance FROM lake.resolved.golden_customer "
        f"WHERE customer_id = '{customer_of(lake, ANN_CRM)}'",
    )
    street, born, sources, count, provenance = golden[0]
    assert (street, sources, count) == (ANN["street"], ["mysql", "salesforce"], 2)
    assert born == ANN["date_of_birth"]
    assert provenance["street"] == ANN_CRM["record_id"]
    assert set(provenance.values()) <= {ANN_CRM["record_id"], ANN_SHOP["record_id"]}
    assert "company_name" not in provenance


def test_a_parent_that_comes_later_is_shown_as_a_customer(lake: Lake, tmp_path: Path) -> None:
    bob = f"FROM lake.resolved.golden_customer WHERE customer_id = '{customer_of(lake, BOB)}'"
    assert rows(lake, f"SELECT parent_customer_id {bob}") == [(None,)]
    resolve_day(lake, tmp_path, [ACME], day=2)
    assert rows(lake, f"SELECT parent_customer_id {bob}") == [(customer_of(lake, ACME),)]


def test_the_same_run_again_gives_the_same_rows(lake: Lake, tmp_path: Path) -> None:
    tables = (EPOCH, TERM_FREQUENCY, EDGE, XREF, GOLDEN_CUSTOMER, IDENTITY_EVENT)
    found = []
    for attempt in ("killed", "run"):
        with small_lake(tmp_path / attempt) as fresh, workspace(fresh, tmp_path / attempt, run_id="same") as ws:
            stage_records(ws, [*PEOPLE, ANN_CRM, ANN_SHOP])
            resolve(ws, settings())
            found.append([ws.con.execute(f"FROM {table.sql_name} ORDER BY ALL").fetchall() for table in tables])
    assert found[0] == found[1]


def test_an_edit_that_takes_the_evidence_away_undoes_the_merge(lake: Lake, tmp_path: Path) -> None:
    before = customer_of(lake, ANN_CRM)
    somebody = {**person(random.Random(12), 8004), "record_id": ANN_SHOP["record_id"], "_source": "mysql"}
    resolve_day(lake, tmp_path, [somebody], day=2)
    after = {customer_of(lake, ANN_CRM), customer_of(lake, ANN_SHOP)}
    assert len(after) == 2
    assert before in after
    assert redirects(lake) == {}
    kinds = rows(lake, "SELECT kind FROM lake.resolved.identity_event WHERE _run_id = 'run2'")
    assert kinds == [("split",)]


def test_a_link_that_appears_merges_and_leaves_a_redirect(lake: Lake, tmp_path: Path) -> None:
    apart = {**person(random.Random(13), 8005), "record_id": "tickets|requester|x", "_source": "tickets"}
    resolve_day(lake, tmp_path, [apart], day=2)
    retired, kept = customer_of(lake, apart), customer_of(lake, ANN_CRM)
    assert retired != kept
    resolve_day(lake, tmp_path, [{**ANN, "record_id": apart["record_id"], "_source": "tickets"}], day=3)
    assert customer_of(lake, apart) == kept
    assert redirects(lake) == {retired: kept}


def test_deleted_records_retire_their_customer_until_they_come_back(lake: Lake, tmp_path: Path) -> None:
    customer = customer_of(lake, BOB)
    resolve_day(lake, tmp_path, [], gone=[BOB["record_id"]], day=2)
    assert customer_of(lake, BOB) is None
    assert redirects(lake) == {customer: None}
    assert rows(lake, f"FROM lake.resolved.match_record WHERE record_id = '{BOB['record_id']}'") == []
    resolve_day(lake, tmp_path, [BOB], day=3)
    assert customer_of(lake, BOB) == customer
    assert redirects(lake) == {}


def test_a_customer_follows_its_record_from_a_key_as_received_to_the_typed_one(lake: Lake, tmp_path: Path) -> None:
    """Lakes of earlier versions hold records by their keys as received: 007 is 7 since."""
    plain, padded, other = (f"mysql|customers|{key}" for key in ("7", "007", "7.0"))
    carl = {**person(random.Random(14), 8006), "_source": "mysql"}
    dora = {**person(random.Random(15), 8007), "record_id": other, "_source": "mysql"}
    resolve_day(lake, tmp_path, [{**carl, "record_id": padded}], day=2)
    before = rows(lake, f"SELECT customer_id, linked_at FROM lake.resolved.xref WHERE record_id = '{padded}'")
    resolve_day(lake, tmp_path, [{**carl, "record_id": plain}], gone=[padded], day=3)
    assert rows(lake, f"SELECT customer_id, linked_at FROM lake.resolved.xref WHERE record_id = '{plain}'") == before
    assert rows(lake, "FROM lake.resolved.identity_event WHERE _run_id = 'run3'") == []
    # Two records that turn out to be one: the customer of the one that goes leads to that of the other.
    resolve_day(lake, tmp_path, [dora], day=4)
    second = customer_of(lake, dora)
    assert second != before[0][0]
    resolve_day(lake, tmp_path, [], gone=[other], day=5)
    assert customer_of(lake, {"record_id": plain}) == before[0][0]
    assert redirects(lake) == {second: before[0][0]}


def test_a_change_that_means_nothing_for_identity_touches_one_golden_row(lake: Lake, tmp_path: Path) -> None:
    with workspace(lake, tmp_path, now=NOW) as ws:
        stage_records(ws, [{**ANN_CRM, "crm_status": "Customer"}])
        report = resolve(ws, settings())
        assert ws.changes(CUSTOMER_RECORD).changed == 1
        assert ws.changes(XREF).changed == ws.changes(EDGE).changed == ws.changes(REDIRECT).changed == 0
    assert (report.updated, report.changed) == (1, 1)


@pytest.mark.parametrize(("version", "models"), [(f"{RULES_VERSION}.other lists", 1), ("other rules", 2)])
def test_other_lists_keep_the_model_other_rules_train_it_again_and_ids_stay(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, models: int
) -> None:
    owners = rows(lake, "SELECT record_id, customer_id FROM lake.resolved.xref ORDER BY ALL")
    for module in ("epoch", "epochs"):
        monkeypatch.setattr(f"dataflow.resolve.training.{module}.FOLDING_VERSION", version)
    monkeypatch.setattr("dataflow.resolve.records.normaliser.RULES_VERSION", version.split(".")[0])
    one_more = {
        **BOB,
        "record_id": "mysql|customers|zoe",
        "email_canonical": "zoe@nine.example",
        "given_name": "Zoe",
        "full_name": "Zoe Lopez",
    }
    resolve_day(lake, tmp_path, [one_more], day=2)
    persons = "FROM lake.resolved.epoch WHERE entity_type = 'person'"
    versions = rows(lake, f"SELECT DISTINCT normaliser_version {persons} ORDER BY ALL")
    assert versions == sorted([(FOLDING_VERSION,), (version,)])
    assert rows(lake, f"SELECT count(DISTINCT model_json) {persons}") == [(models,)]
    assert rows(lake, "SELECT count(DISTINCT epoch_id) FROM lake.resolved.term_frequency") == [(2,)]
    now = rows(lake, "SELECT record_id, customer_id FROM lake.resolved.xref ORDER BY ALL")
    assert [row for row in now if row[0] != one_more["record_id"]] == owners


def test_an_empty_lake_resolves_to_nothing(tmp_path: Path) -> None:
    with small_lake(tmp_path) as lake, workspace(lake, tmp_path) as ws:
        report = resolve(ws, settings())
        assert (report.rows_in, report.rows_out, report.merged) == (0, 0, 0)


def test_one_company_alone_is_a_customer(tmp_path: Path) -> None:
    with small_lake(tmp_path) as lake:
        report = resolve_day(lake, tmp_path, [ACME])
        assert (report.rows_in, report.rows_out) == (1, 1)
