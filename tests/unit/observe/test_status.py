"""What `dataflow status` says of an object that is held back."""

from datetime import UTC, datetime
from pathlib import Path

from dataflow.access.pipeline import open_published
from dataflow.observe.status import read_status
from tests.lib.small_company import company_settings, opened_company, person, purchase

NOW = datetime(2026, 3, 20, tzinfo=UTC)


def test_an_object_that_is_held_back_is_a_gap_until_it_is_published(tmp_path: Path) -> None:
    settings = company_settings(tmp_path)
    with opened_company(settings) as company:
        company.land("person", person(1))
        company.publish()
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
