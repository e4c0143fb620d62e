"""Examples of rules, rules tried on valid rows, and rules suggested from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dataflow.cli.main import run
from dataflow.errors import ConfigurationError, UsageError
from dataflow.govern.rules import Tried, run_examples, suggest_rules, try_rules
from dataflow.settings import rules_of_file
from dataflow.tables.declared import declared_tables
from tests.lib.small_company import CONFIG, START, Company, company_settings, opened_company, person, purchase

RULE = """
[rules.total_is_usual]
on = "shop.purchase"
holds = "total < 100 AND is_key_of(person, 'shop.person')"
since = 2026-01-01
owner = "finance"
reason = "total is 100 or more, or person is unknown"
keys = ["7"]
passes = [{ total = 3, person = 7 }, {}]
fails = [{ total = 100.5, person = 7 }, { total = 1, person = 8 }]
"""
OPEN = '[sources.shop.objects.purchase.personal]\ntotal = "none"\n'


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Three purchases: one of an unknown person, one of a large amount."""
    text = CONFIG.replace("[enrich]", OPEN + "[enrich]")
    with opened_company(company_settings(tmp_path_factory.mktemp("rules"), text)) as made:
        made.land("person", person(1), person(2))
        made.land("purchase", purchase(1, of=1), purchase(2, of=1, total="200"), purchase(3, of=2))
        made.validate()
        yield made


def test_a_rule_is_tried_on_the_valid_rows_of_a_month(company: Company, tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text(RULE)
    rules = rules_of_file(tmp_path / "new.toml")
    before = company.snapshot()
    read_at = company.rows("SELECT max(_extracted_at) FROM lake.valid.shop_purchase")[0][0]

    def tried(days: int) -> list[Tried]:
        now = read_at + timedelta(days=days)
        return try_rules(company.lake.con, rules, company.settings, company.tables, now=now)

    expected = {"rule": "total_is_usual", "on": "shop.purchase", "severity": "reject"}
    assert tried(1) == [Tried(**expected, rows=3, broken=1, categories=("total = 200.00: 1",))]  # type: ignore[arg-type]
    assert tried(31) == [Tried(**expected, rows=0, broken=0)]  # type: ignore[arg-type]
    assert company.snapshot() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE.replace("total < 100", "totl < 100"), "There is no field totl"),
        (RULE.replace("reason", "raeson"), "raeson"),
        (RULE + "[lake]\n", "a file of rules has"),
        ("[rules", "is not valid TOML"),
    ],
)
def test_a_file_that_holds_no_rule_is_refused(company: Company, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "new.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        try_rules(company.lake.con, rules_of_file(tmp_path / "new.toml"), company.settings, company.tables, now=START)


def test_suggestions_show_values_only_of_fields_that_are_not_personal(company: Company) -> None:
    found = suggest_rules(company.lake.con, "shop.purchase", company.settings, company.tables)
    assert '{ rule = "at_most", field = "total", value = 200.00 }' in found
    assert '{ rule = "required", field = "person" }' in found
    assert 'field = "id", value' not in found
    found = suggest_rules(company.lake.con, "shop.person", company.settings, company.tables)
    assert "Ada" not in found
    assert '{ rule = "required", field = "surname" }' in found
    with pytest.raises(UsageError, match=r"no object shop\.persons\. Did you mean shop\.person"):
        suggest_rules(company.lake.con, "shop.persons", company.settings, company.tables)


def test_examples_do_what_their_rule_says(tmp_path: Path) -> None:
    settings = company_settings(tmp_path, CONFIG + RULE)
    found = run_examples(settings, declared_tables(settings))
    assert [(one.expected, one.found) for one in found] == [("passes", "passes")] * 2 + [("fails", "fails")] * 2


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    company_settings(tmp_path, CONFIG)
    (tmp_path / "rules").mkdir()
    place = tmp_path / "rules" / "shop.toml"
    place.write_text(RULE)
    known = ["--config", str(tmp_path / "dataflow.toml"), "--home", str(tmp_path)]
    assert run([*known, "rules", "list", "-o", "json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["place"], listed["owner"]) == ("rules/shop.toml:2", "finance")
    assert run([*known, "rules", "show", "total_is_usual"]) == 0
    assert "total < 100 AND" in capsys.readouterr().out
    assert run([*known, "rules", "show", "total"]) == 2
    assert run([*known, "rules", "test"]) == 0
    assert "1 rules, 4 examples, 0 wrong." in capsys.readouterr().err
    # An inverted condition is found by its examples before it sets a good row aside.
    place.write_text(RULE.replace("total < 100", "NOT total < 100"))
    assert run([*known, "rules", "test"]) == 2
    told = capsys.readouterr()
    assert "rules/shop.toml:2: total_is_usual: the example 1 of passes fails." in told.out
    place.write_text(RULE.replace("total = 3", 'total = "three"'))
    assert run([*known, "rules", "test"]) == 2
    assert "the example 1 of passes has a value that does not fit" in capsys.readouterr().err
    place.write_text(RULE.replace("total = 3", "totl = 3"))
    assert run([*known, "rules", "test"]) == 2
    assert "There is no field totl. Did you mean total?" in capsys.readouterr().err
