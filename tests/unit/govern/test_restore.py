"""A restored lake runs on as if the runs after its target had never happened: no row is lost or doubled."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import UsageError
from dataflow.govern.restore import Restored, restore
from dataflow.tables.declared import declared_objects
from dataflow.workspace.position import needed_after
from lakehouse import LakeLocked, SnapshotNotFound, TableNotFound, clean_up, expire
from tests.lib.small_company import Company, company_settings, opened_company, person, purchase

_THE_END = datetime.max.replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company that has validated two people, an order, an order of an unknown person, a person without a name."""
    folder = tmp_path_factory.mktemp("first")
    with opened_company(company_settings(folder)) as company:
        company.land("person", person(1), person(2), person(3, surname=""))
        company.land("purchase", purchase(1, of=1), purchase(2, of=7))
        company.validate()
    return folder


@pytest.fixture(scope="module")
def second_day(first_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same company a day later: a change, a deletion, the person that was unknown, a name that is given now."""
    folder = tmp_path_factory.mktemp("second")
    with copied(first_day, folder) as company:
        land_second_day(company)
        company.validate()
    return folder


def land_second_day(company: Company) -> None:
    company.land("person", person(1, day=2, given="Ann"), person(2, day=2, gone="2026-03-02 10:00:00"))
    company.land("person", person(7, day=2), person(3, day=2))
    company.land("purchase", purchase(3, of=7, day=2))


def copied(template: Path, folder: Path) -> Any:
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return opened_company(company_settings(folder))


@pytest.fixture
def one(first_day: Path, tmp_path: Path) -> Iterator[Company]:
    """A copy of `first_day`."""
    with copied(first_day, tmp_path) as company:
        yield company


@pytest.fixture
def two(second_day: Path, tmp_path: Path) -> Iterator[Company]:
    """A copy of `second_day`."""
    with copied(second_day, tmp_path) as company:
        yield company


def went_back(company: Company, to: int, **options: Any) -> Restored:
    return restore(company.lake, company.settings, to, **options)


def publication(company: Company, number: int) -> int:
    """The snapshot of the first publication (0), or the second (1)."""
    return [snapshot.id for snapshot in company.lake.snapshots() if snapshot.message == "publish"][number]


def validated(company: Company) -> dict[str, list[tuple[Any, ...]]]:
    return company.state("raw", "valid", "ops")


def everything_but(company: Company, *, keep: int) -> None:
    """Expire and remove what can be, as another tool might."""
    expire(company.lake, older_than=_THE_END, keep=[keep])
    clean_up(company.lake)


@pytest.mark.parametrize("expired", [False, True], ids=["whole history", "expired in between"])
def test_what_landed_after_the_target_is_validated_again(two: Company, expired: bool) -> None:
    first, never_restored = publication(two, 0), validated(two)
    if expired:
        everything_but(two, keep=first)
    done = went_back(two, first)
    assert (done.target.id, done.objects_behind, done.decisions_kept) == (first, 2, 0)
    assert two.rows("SELECT _record_key, given FROM lake.valid.shop_person ORDER BY 1") == [("1", "Ada"), ("2", "Ben")]
    assert two.state("raw").items() <= never_restored.items()
    reports = two.validate()
    assert validated(two) == never_restored
    assert reports["shop.person"].rows_in == (7 if expired else 4), "all of raw only where the feed is no longer whole"
    assert two.validate()["shop.person"].rows_in == 0


def test_runs_stay_on_record_and_the_restore_is_one(two: Company) -> None:
    two.validate()
    first = publication(two, 0)
    done = went_back(two, first)
    assert sorted(two.runs()) == [("publish", "unchanged"), ("restore", "restored")]
    [(run_id, message)] = two.rows("SELECT run_id, message FROM lake.ops.run WHERE kind = 'restore'")
    assert run_id == done.run_id == two.lake.snapshot().run_id
    assert f"the lake restored to snapshot {first} of 2" in message


def test_records_of_landing_and_decisions_of_people_stay(one: Company) -> None:
    first, now = one.snapshot(), "TIMESTAMPTZ '2026-03-11'"
    window, seen = f"'shop', 'person', {now}, {now}", f"'open', 1, {now}, {now}, NULL"
    rows = {
        "watermark": f"'shop', 'person', {now}, {now}, 'r'",
        "landed_file": f"'shop', 'person', 'a.csv', 'f', 1, {now}, 1, {now}, 'r'",
        "completeness": f"{window}, '', 'landing', 1, '', 1, '', 1, {now}, NULL, 'r'",
        "gap": f"'g', {window}, '', true, 'failed', '', 1, {seen}, 'r'",
        "judgement": f"'j', 'a', 'b', 'same', 'ann', {now}, 'why', false, NULL, NULL, 'r'",
    }
    for table, values in rows.items():
        one.rows(f"INSERT INTO lake.ops.{table} VALUES ({values})")
    went_back(one, first)
    for table in rows:
        assert one.rows(f"SELECT count(*) FROM lake.ops.{table}") == [(1,)], table


@pytest.mark.parametrize("to", ["the beginning", "the first landing"])
def test_before_the_first_publication(two: Company, to: str) -> None:
    never_restored = validated(two)
    went_back(two, 0 if to == "the beginning" else publication(two, 0) - 2)
    assert two.positions() == {}
    assert two.rows("FROM lake.valid.shop_person") == []
    assert set(two.lake.tables()) >= set(two.tables), "the lake has its tables, for readers and for runs"
    two.validate()
    after = validated(two)
    # An order whose person came later was set aside for a day; validated together with that person it never is.
    never_resolved = [row for row in never_restored.pop("ops.dead_letters") if "resolved" not in row]
    assert after.pop("ops.dead_letters") == never_resolved
    assert after == never_restored


def test_restored_twice_and_undone(two: Company) -> None:
    first, second = publication(two, 0), publication(two, 1)
    never_restored, positions = validated(two), two.positions()
    went_back(two, first)
    went_back(two, first)
    two.validate()
    assert validated(two) == never_restored
    went_back(two, first)
    went_back(two, second)
    assert (validated(two), two.positions()) == (never_restored, positions)
    assert {report.rows_in for report in two.validate().values()} == {0}


def test_maintenance_keeps_what_the_next_run_reads(two: Company) -> None:
    never_restored = validated(two)
    went_back(two, publication(two, 0))
    needed = needed_after(two.lake, declared_objects(two.settings))
    assert needed == min(two.positions().values())
    expire(two.lake, older_than=_THE_END, needed_after=needed)
    clean_up(two.lake)
    assert two.validate()["shop.person"].rows_in == 4
    assert validated(two) == never_restored


def dead_letters(company: Company) -> dict[str, str]:
    return dict(company.rows("SELECT _object || ' ' || _record_key, status FROM lake.ops.dead_letters"))


def discard_purchases(company: Company) -> None:
    """What a run does that takes such a decision from the inbox."""
    company.rows("""
        UPDATE lake.ops.dead_letters SET status = 'discarded', decided_by = 'ann', decision_reason = 'of a test'
        WHERE _object = 'purchase' AND status IN ('open', 'replaying')
    """)


class TestDecisionsOnDeadLetters:
    def test_what_was_discarded_since_stays_out(self, one: Company) -> None:
        first = one.snapshot()
        discard_purchases(one)
        assert went_back(one, first).decisions_kept == 1
        assert dead_letters(one) == {"person 3": "open", "purchase 2": "discarded"}
        decided = "SELECT decided_by, decision_reason FROM lake.ops.dead_letters WHERE _object = 'purchase'"
        assert one.rows(decided) == [("ann", "of a test")]
        land_second_day(one)
        one.validate()
        assert dead_letters(one) == {"person 3": "superseded", "purchase 2": "discarded"}
        assert one.rows("SELECT _record_key FROM lake.valid.shop_purchase ORDER BY 1") == [("1",), ("3",)]

    def test_what_was_discarded_before_it_was_set_aside_stays_out(self, one: Company) -> None:
        discard_purchases(one)
        went_back(one, 0)
        assert dead_letters(one) == {"purchase 2": "discarded"}
        one.validate()
        assert dead_letters(one) == {"person 3": "open", "purchase 2": "discarded"}

    def test_a_row_that_was_resolved_since_is_tried_again(self, two: Company) -> None:
        assert dead_letters(two)["purchase 2"] == "resolved"
        never_restored = validated(two)
        assert went_back(two, publication(two, 0)).decisions_kept == 0
        assert dead_letters(two) == {"person 3": "open", "purchase 2": "replaying"}
        two.validate()
        assert validated(two) == never_restored

    def test_a_discard_that_was_taken_back_since_stays_taken_back(self, one: Company) -> None:
        discard_purchases(one)
        discarded = one.snapshot()
        one.rows("UPDATE lake.ops.dead_letters SET status = 'replaying' WHERE status = 'discarded'")
        one.validate()
        assert dead_letters(one)["purchase 2"] == "open"
        assert went_back(one, discarded).decisions_kept == 1
        assert dead_letters(one)["purchase 2"] == "replaying"
        one.validate()
        assert dead_letters(one)["purchase 2"] == "open"

    def test_a_row_that_was_valid_at_the_target_and_discarded_since_leaves(self, two: Company) -> None:
        second = publication(two, 1)
        went_back(two, publication(two, 0))
        discard_purchases(two)
        went_back(two, second)
        assert dead_letters(two)["purchase 2"] == "discarded"
        assert set(two.positions()) == {"person"}, "purchases are read whole"
        two.validate()
        assert two.rows("SELECT _record_key FROM lake.valid.shop_purchase ORDER BY 1") == [("1",), ("3",)]


class TestOneTable:
    def test_a_valid_table_is_brought_up_to_date_by_the_next_run(self, two: Company) -> None:
        first, never_restored, second = publication(two, 0), validated(two), two.positions()
        done = went_back(two, first, table="valid.shop_purchase")
        assert done.objects_behind == 1
        assert two.rows("SELECT _record_key FROM lake.valid.shop_purchase") == [("1",)]
        assert two.positions() == {"person": second["person"], "purchase": first - 1}
        reports = two.validate()
        assert (reports["shop.person"].rows_in, reports["shop.purchase"].rows_in) == (0, 2)
        assert validated(two) == never_restored
        [(message,)] = two.rows("SELECT message FROM lake.ops.run WHERE kind = 'restore'")
        assert message.startswith(f"valid.shop_purchase restored to snapshot {first} ")

    def test_a_valid_table_comes_with_the_fingerprint_of_its_rows(self, one: Company) -> None:
        fingerprints = dict(one.rows("SELECT table_name, fingerprint FROM lake.ops.fingerprint"))
        first = one.snapshot()
        one.rows("UPDATE lake.ops.fingerprint SET fingerprint = 'another'")
        went_back(one, first, table="valid.shop_purchase")
        found = dict(one.rows("SELECT table_name, fingerprint FROM lake.ops.fingerprint"))
        assert found == fingerprints | {"valid.shop_person": "another"}

    def test_a_conformed_table_is_computed_again(self, one: Company) -> None:
        one.rows("INSERT INTO lake.ops.fingerprint VALUES ('conformed.customer_order', 'f', 'r')")
        went_back(one, publication(one, 0), table="conformed.customer_order")
        assert one.rows("FROM lake.ops.fingerprint WHERE table_name = 'conformed.customer_order'") == []

    @pytest.mark.parametrize(
        ("table", "told"),
        [
            ("raw.shop_person", "raw and ops record what was received"),
            ("ops.position", "raw and ops record what was received"),
            ("ops.dead_letters", "raw and ops record what was received"),
            ("valid.shop_house", "Name one of valid.shop_person, valid.shop_purchase"),
            ("nonsense", "only tables of valid, conformed"),
        ],
    )
    def test_some_are_not_restored_by_themselves(self, one: Company, table: str, told: str) -> None:
        before = one.snapshot()
        with pytest.raises(UsageError, match=told):
            went_back(one, before, table=table)
        assert one.snapshot() == before

    def test_a_table_that_did_not_exist_then(self, one: Company) -> None:
        with pytest.raises(TableNotFound, match=r"published\.segments"):
            went_back(one, 0, table="published.segments")


def test_a_snapshot_that_is_not_there(one: Company) -> None:
    with pytest.raises(SnapshotNotFound, match="snapshot 99"):
        went_back(one, 99)


def test_only_alone(one: Company) -> None:
    one.lake.is_alone = False
    with pytest.raises(LakeLocked, match="alone"):
        went_back(one, 0)


def test_a_lake_from_before_positions(two: Company) -> None:
    """Its runs named the number for all objects: those of the target count, and not those that stay on record."""
    first, never_restored = publication(two, 0), validated(two)
    two.rows("ALTER TABLE lake.ops.run ADD COLUMN raw_snapshot_id BIGINT")
    two.rows("INSERT INTO lake.ops.run VALUES ('r1', 'publish', 'published', now(), now(), '[]', '', 0)")
    two.rows(f"UPDATE lake.ops.run SET raw_snapshot_id = {first - 1}")
    two.rows("DROP TABLE lake.ops.position")
    former = two.snapshot()
    two.rows(f"UPDATE lake.ops.run SET raw_snapshot_id = {former - 1}")
    went_back(two, former)
    assert two.positions() == {"person": first - 1, "purchase": first - 1}
    assert {report.rows_in for report in two.validate().values()} == {4, 1}
    assert validated(two) == never_restored


def test_what_readers_were_shown_stays_in_history(tmp_path: Path) -> None:
    with opened_company(company_settings(tmp_path)) as company:
        company.land("person", person(1))
        company.publish()
        first = company.snapshot()
        company.land("person", person(1, day=2, given="Ann"), person(2, day=2))
        company.land("purchase", purchase(1, of=1, day=2))
        company.publish()
        second = company.snapshot()
        shown = "SELECT given_name, valid_from, valid_to FROM lake.published.customer_history ORDER BY 2, 1"
        names = "SELECT given_name FROM lake.published.customer_360 ORDER BY 1"
        before, entered = company.rows(shown), entries(company)
        assert [name for name, *_ in before] == ["Ada", "Ann", "Ben"]
        went_back(company, first)
        assert company.rows(names) == [("Ada",)]
        after = company.rows(shown)
        # Each state that was shown is there; those of the second day have ended, that of the first is shown again.
        assert [row[:2] for row in after[:3]] == [row[:2] for row in before]
        assert [(name, until) for name, _, until in after[3:]] == [("Ada", None)]
        [again] = {row[2] for row in after if row[0] in ("Ann", "Ben")}
        assert again == after[3][1]
        company.publish()
        assert (company.rows(names), entries(company)) == ([("Ann",), ("Ben",)], entered)
        assert company.rows("FROM lake.ops.segment_entry") == []
        went_back(company, first)
        went_back(company, second)
        assert (company.rows(names), entries(company)) == ([("Ann",), ("Ben",)], entered)
        open_states = "SELECT given_name FROM lake.published.customer_history WHERE valid_to IS NULL ORDER BY 1"
        assert company.rows(open_states) == [("Ann",), ("Ben",)]
        with pytest.raises(UsageError, match="what readers were shown"):
            went_back(company, first, table="published.customer_history")


def entries(company: Company) -> list[tuple[Any, ...]]:
    """When customers entered their segments, by the customer's name."""
    return company.rows("""
        SELECT given_name, segment_code, entered_at FROM lake.published.segments
        JOIN lake.published.customer_360 USING (customer_id) ORDER BY ALL
    """)
