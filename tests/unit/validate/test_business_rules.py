"""Rules that a company writes itself: each row is in exactly one output, read from one evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.errors import AuditRefused, ConfigurationError
from dataflow.observe.rule_looks import look_at_rules
from dataflow.publish.table_rules import check_table_rules, compile_table_rules
from dataflow.settings import load_settings
from dataflow.tables.declared import declared_tables
from dataflow.validate.plan import plan_objects
from lakehouse.table import column_list, literal
from tests.lib.small_company import CONFIG, START, Company, company_settings, opened_company, person, purchase

RULES = """
[rules.total_is_plausible]
on = "shop.purchase"
holds = "total >= 0 AND total < 1000"
when_null = "fail"
reason = "total is missing, negative, or not below 1000"
owner = "finance"
passes = [{ total = 3 }]
fails = [{ total = -1 }, {}]

[rules.total_is_usual]
on = "shop.purchase"
holds = "total < 100"
severity = "warn"
reason = "total is 100 or more"
passes = [{ total = 3 }]
fails = [{ total = 100 }]

[rules.buyer_is_known]
on = "shop.purchase"
holds = "is_key_of(person, 'shop.person')"
reason = "person is not one of shop.person"
keys = ["7"]
passes = [{ person = 7 }]
fails = [{ person = 8 }]
"""
BLOCK = """
[rules.no_free_purchase]
on = "shop.purchase"
holds = "total > 0"
severity = "block"
reason = "total is 0"
owner = "finance"
passes = [{ total = 1 }]
fails = [{ total = 0 }]
"""
ONLY_OURS = CONFIG.replace('checks = [{ rule = "refers_to", field = "person", object = "shop.person" }]\n', "")


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with opened_company(company_settings(tmp_path, ONLY_OURS + RULES)) as opened:
        yield opened


def dead(company: Company) -> dict[str, list[str]]:
    """The rules that the waiting dead letters broke, by key."""
    rows = company.rows("SELECT _record_key, rules FROM lake.ops.dead_letters WHERE status = 'open'")
    return {str(key): list(rules) for key, rules in rows}


def valid(company: Company) -> set[str]:
    return {str(key) for (key,) in company.rows("SELECT _record_key FROM lake.valid.shop_purchase")}


def test_rows_are_set_aside_counted_and_named(company: Company) -> None:
    company.land("person", person(1))
    company.land(
        "purchase", purchase(1, of=1), purchase(2, of=1, total=None), purchase(3, of=9), purchase(4, of=1, total="500")
    )
    report = company.validate()["shop.purchase"]
    assert valid(company) == {"1", "4"}
    assert dead(company) == {"2": ["total_is_plausible"], "3": ["buyer_is_known"]}
    assert report.facts["warned"] == {"total_is_usual": 1}
    assert "1 rows of shop.purchase break total_is_usual: total is 100 or more" in report.facts["notes"]
    # The parent comes later: its child is judged again by itself, as of a short form.
    company.land("person", person(9))
    company.validate()
    assert valid(company) == {"1", "3", "4"}


def test_a_rule_that_blocks_refuses_the_publication(tmp_path: Path) -> None:
    open_total = '[sources.shop.objects.purchase.personal]\ntotal = "none"\n'
    with opened_company(company_settings(tmp_path, ONLY_OURS + open_total + BLOCK)) as company:
        company.land("purchase", purchase(1, of=1), purchase(2, of=1, total="0"))
        before = company.snapshot()
        with pytest.raises(AuditRefused, match=r"shop\.purchase: no_free_purchase \(total is 0; 1 rows\)") as refused:
            company.validate()
        assert company.snapshot() == before
        [broken] = refused.value.broken
        assert (broken.rule, broken.on, broken.owner) == ("no_free_purchase", "shop.purchase", "finance")
        [check] = refused.value.checks
        assert (check.column, check.rows, check.categories) == ("total", 1, (('"0.00"', 1),))
        assert 'shop.purchase: total has "0.00" (1). To settle it, dataflow.toml:' in str(refused.value)
        company.land("purchase", purchase(2, of=1, day=2))
        assert "blocked" not in company.validate()["shop.purchase"].facts


def test_a_changed_rule_judges_all_rows_again_and_a_rule_that_warns_none(tmp_path: Path) -> None:
    with opened_company(company_settings(tmp_path, ONLY_OURS + RULES)) as company:
        company.land("person", person(1))
        company.land("purchase", purchase(1, of=1), purchase(2, of=1, total="2000"))
        company.validate()
        assert valid(company) == {"1"}
    warned = RULES.replace('holds = "total < 100"', 'holds = "total < 200"')
    with opened_company(company_settings(tmp_path, ONLY_OURS + warned)) as company:
        assert company.validate()["shop.purchase"].rows_in == 0
    with opened_company(
        company_settings(tmp_path, ONLY_OURS + RULES.replace("total < 1000", "total < 5000"))
    ) as company:
        company.validate()
        assert valid(company) == {"1", "2"}
        assert dead(company) == {}


def test_rows_from_before_a_rule_are_not_judged_by_it(tmp_path: Path) -> None:
    since = BLOCK.replace('severity = "block"', "since = 2026-03-02")
    with opened_company(company_settings(tmp_path, ONLY_OURS + since)) as company:
        company.land("purchase", purchase(1, of=1, total="0", day=1), purchase(2, of=1, total="0", day=2))
        company.validate()
        assert (valid(company), set(dead(company))) == ({"1"}, {"2"})


VALUES = st.fixed_dictionaries(
    {
        "total": st.sampled_from([None, "-1", "0", "3", "99.99", "100", "1000", "x"]),
        "person": st.sampled_from([None, "1", "2", "77"]),
    }
)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(VALUES, min_size=1, max_size=40), short=st.sampled_from(["", "warn", "fail"]))
def test_each_landed_row_is_valid_or_a_dead_letter_and_never_both(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[dict[str, Any]], short: str
) -> None:
    option = {"": "", "warn": ', severity = "warn"', "fail": ', when_null = "fail"'}[short]
    checks = f'checks = [{{ rule = "at_least", field = "total", value = 1{option} }}]\n'
    text = CONFIG.replace('checks = [{ rule = "refers_to", field = "person", object = "shop.person" }]\n', checks)
    with opened_company(company_settings(tmp_path_factory.mktemp("rows"), text + RULES)) as company:
        company.land("person", person(1), person(2))
        company.land("purchase", *(purchase(n, of=1) | one for n, one in enumerate(drawn)))
        report = company.validate()["shop.purchase"]
        good, bad = valid(company), set(dead(company))
        assert good | bad == {str(number) for number in range(len(drawn))}
        assert good & bad == set()
        assert (report.rows_out, report.set_aside) == (len(good), len(bad))
        assert good == {str(n) for n, one in enumerate(drawn) if _is_good(one, short)}


def _is_good(row: dict[str, Any], short: str) -> bool:
    """The same by a plain rule."""
    if row["total"] in (None, "x") or row["person"] == "77":
        return False
    total = float(row["total"])
    return 0 <= total < 1000 and (total >= 1 or short == "warn")


OF_A_TABLE = BLOCK.replace("shop.purchase", "published.orders").replace("total > 0", "amount > 0")
WITHOUT_CONDITION = """
[rules.buyers]
on = "shop.purchase"
unique = ["person"]
reason = "person is not unique"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULES.replace("total >= 0", "totl >= 0"), "shop.toml:2: There is no field totl. Did you mean total?"),
        (
            RULES.replace("shop.purchase", "shop.purchases"),
            "shop.toml:2: There is no object or table shop.purchases. Did you mean shop.purchase?",
        ),
        (
            RULES.replace('"fail"', '"maybe"'),
            "shop.toml:2: rules.total_is_plausible.when_null: Input should be 'pass' or 'fail'",
        ),
        (RULES.replace("fails = [{ total = -1 }, {}]", ""), "needs examples"),
        (RULES.replace("owner", "onwer"), "There is no setting onwer. Did you mean owner?"),
        (
            RULES.replace("'shop.person'", "'shop.persons'"),
            "There is no object shop.persons. Did you mean shop.person?",
        ),
        (RULES.replace('total < 100"', 'total"'), "one that is true or false"),
        (RULES + "[lake]\n", "shop.toml has lake; a file of rules has"),
        (WITHOUT_CONDITION, "is an object, whose rules have holds"),
        (OF_A_TABLE.replace('"block"', '"reject"'), "a rule of a table cannot set rows aside"),
        (OF_A_TABLE.replace("amount > 0", "amont > 0"), "There is no field amont. Did you mean amount?"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "dataflow.toml").write_text(ONLY_OURS)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        found = load_settings(tmp_path / "dataflow.toml", home=tmp_path)
        tables = declared_tables(found)
        plan_objects(found, tables)
        compile_table_rules(found, tables, now=START)
    assert said in str(refused.value)
    assert "rules/shop.toml" in str(refused.value)


def test_two_rules_of_one_name_are_refused_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "dataflow.toml").write_text(ONLY_OURS + RULES)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "more.toml").write_text(RULES)
    with pytest.raises(
        ConfigurationError, match=r"rules/more.toml:2: there is another rule total_is_plausible, dataflow\.toml:"
    ):
        load_settings(tmp_path / "dataflow.toml", home=tmp_path)


SETS = """
[rules.numbers_are_unique]
on = "published.orders"
unique = ["order_number"]
severity = "block"
reason = "order_number is not unique"
[rules.orders_have_customers]
on = "published.orders"
refers = { field = "customer_id", to = "published.customer_360.customer_id" }
severity = "block"
reason = "customer_id is not a customer"
[rules.enough_orders]
on = "published.orders"
rows = { at_least = 2 }
severity = "warn"
reason = "fewer than 2 orders"
[rules.orders_are_fresh]
on = "published.orders"
fresh = { field = "ordered_at", within_hours = 48 }
severity = "warn"
reason = "no order within 48 hours"
[rules.amounts_agree]
on = "published.orders"
sum = { field = "amount", equals = "conformed.customer_order.amount", tolerance = 0.01 }
severity = "block"
reason = "amounts of orders differ from those that were read"
[rules.amounts_are_positive]
on = "published.orders"
holds = "amount > 0"
when_null = "fail"
severity = "warn"
reason = "amount is missing or 0"
passes = [{ amount = 1 }]
fails = [{ amount = 0 }, {}]
"""


def test_what_holds_of_all_rows_of_a_table(tmp_path: Path) -> None:
    found = company_settings(tmp_path, CONFIG + SETS)
    with opened_company(found) as company:
        rules = compile_table_rules(found, company.tables, now=START)

        def counts(*changed: str) -> dict[str, int]:
            results = check_table_rules(company.lake.con, rules, changed or ("published.orders",))
            return {one.rule.name: one.count for one in results if not one.passed}

        assert counts() == {"enough_orders": 1, "orders_are_fresh": 1}
        assert counts("published.segments") == {"orders_are_fresh": 1}
        table = company.tables["published.orders"]
        for number, (key, order, customer, amount) in enumerate(
            [("1", "n1", "ann", "5"), ("2", "n1", "bob", None), ("3", None, "ann", "0")]
        ):
            values = {
                "order_id": literal(key),
                "order_number": "NULL" if order is None else literal(order),
                "customer_id": literal(customer),
                "amount": amount or "NULL",
                "ordered_at": f"TIMESTAMPTZ '2026-03-10 0{number}:00:00Z'",
            }
            needed = [one for one in table.columns if not one.nullable and one.name not in values]
            values |= {one.name: _ANYTHING.get(one.type.partition("(")[0], "'x'") for one in needed}
            company.lake.con.execute(
                f"INSERT INTO {table.in_lake} ({column_list(values)}) VALUES ({', '.join(values.values())})"
            )
        assert counts() == {
            "numbers_are_unique": 2,
            "orders_have_customers": 3,
            "amounts_agree": 1,
            "amounts_are_positive": 2,
        }


_ANYTHING = {
    "BIGINT": "1", "DECIMAL": "1", "DOUBLE": "1", "BOOLEAN": "false", "TIMESTAMPTZ": "now()",
    "DATE": "DATE '2026-03-10'", "VARCHAR[]": "[]",
}  # fmt: skip


def test_doctor_runs_the_examples(tmp_path: Path) -> None:
    assert look_at_rules(company_settings(tmp_path, CONFIG + RULES)).endswith("rules are judged as they say")
    wrong = BLOCK.replace("passes = [{ total = 1 }]", "passes = [{ total = 0 }]")
    with pytest.raises(ConfigurationError, match=r"dataflow\.toml:\d+: example 1 of passes of no_free_purchase"):
        look_at_rules(company_settings(tmp_path, CONFIG + wrong))
