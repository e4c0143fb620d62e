"""New code publishes the same rows beside the lake; readers go over to it where it changes no more than a budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.access.pipeline import open_published
from dataflow.cli.running import perform
from dataflow.errors import AuditRefused, UsageError
from dataflow.publish.change_budget import clock_of_shadow
from dataflow.run.record import RunOutcome
from dataflow.settings import Settings, load_settings
from tests.lib.small_company import CONFIG, company_settings, opened_company, person, purchase


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Settings]:
    """The settings of a company that has published, and then maps every order to another status."""
    settings = company_settings(tmp_path)
    with opened_company(settings) as made:
        made.land("person", *(person(number) for number in range(6)))
        made.land("purchase", *(purchase(number, of=number) for number in range(6)))
        made.publish()
    changed = CONFIG.replace('status = { value = "placed" }', 'status = { value = "cancelled" }')
    (tmp_path / "dataflow.toml").write_text(changed, encoding="utf-8")
    return load_settings(tmp_path / "dataflow.toml", home=settings.home)


def statuses(settings: Settings) -> set[str]:
    with open_published(settings) as con:
        return {str(status) for (status,) in con.execute("SELECT DISTINCT status FROM published.orders").fetchall()}


def customers_of(settings: Settings) -> list[str]:
    with open_published(settings) as con:
        return sorted(str(one) for (one,) in con.execute("SELECT customer_id FROM published.customer_360").fetchall())


def publish_shadow(settings: Settings, *, budget: float) -> RunOutcome:
    """Publish as `dataflow deploy --shadow` does."""
    return perform(settings, "publish", {"change_budget": budget}, now=clock_of_shadow(settings).isoformat())


def test_a_shadow_beyond_its_budget_is_not_committed_and_one_within_is(company: Settings) -> None:
    before, customers = statuses(company), customers_of(company)
    with pytest.raises(AuditRefused, match=r"published\.orders: 6 of 6 rows \(100\.00%\)"):
        publish_shadow(company, budget=0.5)
    assert statuses(company) == before
    assert publish_shadow(company, budget=1.0).status == "published"
    assert statuses(company) == {"cancelled"} != before
    assert customers_of(company) == customers


def test_before_the_first_publication_there_is_nothing_to_compare(tmp_path: Path) -> None:
    settings = company_settings(tmp_path)
    with opened_company(settings), pytest.raises(UsageError, match="nothing has been published yet"):
        clock_of_shadow(settings)
