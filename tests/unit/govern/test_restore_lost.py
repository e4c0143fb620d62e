"""A lake that has lost files continues from the rest: sources deliver the missing rows again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.govern.restore_lost import go_on_without_lost, plan_without_lost
from lakehouse import LakeDamaged, SnapshotNotFound, expire
from lakehouse.damage import require_whole
from tests.lib.damages import data_files, remove
from tests.lib.small_company import Company, company_settings, opened_company, person, purchase


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company that was validated on two days."""
    folder = tmp_path_factory.mktemp("template")
    with opened_company(company_settings(folder)) as company:
        company.land("person", person(1), person(2, surname=""))
        company.land("purchase", purchase(1, of=1))
        company.validate()
        company.land("purchase", *second_day())
        company.validate()
    return folder


def second_day() -> list[dict[str, str]]:
    return [purchase(2, of=1, day=2), purchase(3, of=1, day=2)]


@pytest.fixture
def company(template: Path, tmp_path: Path) -> Iterator[Company]:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    with opened_company(company_settings(tmp_path)) as company:
        yield company


def lose(company: Company, table: str, *, number: int = -1) -> None:
    remove(data_files(company.lake.location, table)[number])
    with pytest.raises(LakeDamaged, match=table):
        require_whole(company.lake.con, company.lake.location)


def go_on(company: Company) -> None:
    go_on_without_lost(company.lake, company.settings, plan_without_lost(company.lake, company.settings))
    require_whole(company.lake.con, company.lake.location)


def test_received_rows_that_are_lost_are_taken_in_again(company: Company) -> None:
    before = company.state("raw", "valid")
    lose(company, "raw.shop_purchase")
    go_on(company)
    assert company.rows("SELECT count(*) FROM lake.raw.shop_purchase") == [(1,)]
    assert company.state("valid") == {name: rows for name, rows in before.items() if name.startswith("valid.")}
    # as the run does that follows a check
    company.land("purchase", *second_day())
    company.validate()
    assert company.state("raw", "valid") == before


@pytest.mark.parametrize("table", ["valid.shop_purchase", "ops.position", "ops.dead_letters"])
def test_tables_that_runs_compute_are_computed_again(table: str, company: Company) -> None:
    before = company.state("raw", "valid", "ops")
    lose(company, table)
    go_on(company)
    company.validate()
    assert company.state("raw", "valid", "ops") == before


def test_killed_in_between_it_does_the_rest(company: Company) -> None:
    before = company.state("raw", "valid")
    lose(company, "valid.shop_purchase")
    lose(company, "raw.shop_purchase")
    plan = plan_without_lost(company.lake, company.settings)
    assert set(plan.tables) == {"raw.shop_purchase"}
    for name, version in plan.tables.items():
        company.lake.restore_table(name, version, author="test", run_id="killed")
    again = plan_without_lost(company.lake, company.settings)
    assert (again.tables, again.derived) == ({}, plan.derived)
    go_on(company)
    company.land("purchase", *second_day())
    company.validate()
    assert company.state("raw", "valid") == before


def test_nothing_is_done_to_a_whole_lake(company: Company) -> None:
    snapshot = company.snapshot()
    go_on(company)
    assert company.snapshot() == snapshot


def test_without_a_snapshot_to_go_back_to_only_a_backup_helps(company: Company) -> None:
    lose(company, "valid.shop_person", number=0)
    expire(company.lake, older_than=company.lake.snapshot().at)
    with pytest.raises(SnapshotNotFound, match=r"valid\.shop_person.*from a backup"):
        plan_without_lost(company.lake, company.settings)
