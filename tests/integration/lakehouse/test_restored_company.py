"""A restore of the pipeline's lake on every kind of lake: what landed after the target is validated again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dataflow.govern.restore import restore
from dataflow.tables.declared import declared_objects
from dataflow.workspace.position import needed_after
from lakehouse import LakeLocation, clean_up, expire
from tests.lib.small_company import Company, company_settings, opened_company, person, purchase

_THE_END = datetime.max.replace(tzinfo=UTC)


def validated(company: Company) -> dict[str, list[tuple[Any, ...]]]:
    return company.state("raw", "valid")


def test_restored_expired_and_run_again(location: LakeLocation, tmp_path: Path) -> None:
    settings = company_settings(tmp_path / "company")
    with opened_company(settings, location) as company:
        company.land("person", person(1), person(2))
        company.validate()
        first = company.snapshot()
        company.land("person", person(1, day=2, given="Ann"))
        company.land("purchase", purchase(1, of=1, day=2))
        company.validate()
        never_restored, positions = validated(company), company.positions()

        restore(company.lake, settings, first)
        assert company.positions()["person"] < positions["person"]
        expire(company.lake, older_than=_THE_END, needed_after=needed_after(company.lake, declared_objects(settings)))
        clean_up(company.lake)
        assert company.validate()["shop.person"].rows_in == 1
        assert validated(company) == never_restored

        target = company.snapshot()
        company.land("person", person(3, day=3))
        company.validate()
        never_restored = validated(company)
        expire(company.lake, older_than=_THE_END, keep=[target])
        restore(company.lake, settings, target)
        assert company.validate()["shop.person"].rows_in == 4, "all of raw, where the feed is no longer whole"
        assert validated(company) == never_restored
