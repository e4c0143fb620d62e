"""What `dataflow status` says of objects that are held back, and of orders without a customer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from dataflow.access.pipeline import open_published
from dataflow.observe.status import read_status
from tests.lib.small_company import CONFIG, company_settings, opened_company, person, purchase

NOW = datetime(2026, 3, 20, tzinfo=UTC)


def test_an_object_that_is_held_back_is_a_gap_until_it_is_published(tmp_path: Path) -> None:
    referring = 'checks = [{ rule = "refers_to", field = "person", object = "shop.person" }]\n'
    settings = company_settings(tmp_path, CONFIG.replace(referring, ""))
    with opened_company(settings) as company:
        company.land("person", person(1))
        company.land("purchase", purchase(2, of=404), purchase(3, of=405), purchase(4, of=1, person=""))
        company.publish()
    with open_published(settings) as con:
        found = read_status(con, settings=settings, now=NOW)
    assert (found["published"][0]["orders"], found["published"][0]["orders_without_customer"]) == (3, 3)
    assert [(row["stage"], row["subject"], row["note"]) for row in found["notes"]] == [
        (
            "publish",
            "published.orders",
            "2 orders of shop.purchase have no customer: the record they name is not among the customer records",
        ),
        ("publish", "published.orders", "1 orders of shop.purchase have no customer: they name none"),
    ]
    with opened_company(settings) as company:
        company.now = NOW - timedelta(days=3)
        company.land("person", *(person(number, surname="") for number in range(2, 202)))
        company.land("purchase", purchase(1, of=1))
        company.publish()
    with open_published(settings) as con:
        [gap] = read_status(con, settings=settings, now=NOW)["gaps"]
    assert list(gap) == [
        "source",
        "object",
        "from",
        "until",
        "keys",
        "reason",
        "missing",
        "attempts",
        "since",
        "detail",
    ]
    assert (gap["source"], gap["object"], gap["reason"], gap["missing"]) == ("shop", "person", "held back", 200)
    assert "required: surname is missing, 200 rows" in gap["detail"]
    with opened_company(settings) as company:
        company.now = NOW
        company.land("person", *(person(number, day=2) for number in range(300, 5000)))
        company.publish()
    with open_published(settings) as con:
        assert read_status(con, settings=settings, now=NOW)["gaps"] == []
