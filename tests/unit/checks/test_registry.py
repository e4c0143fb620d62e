"""Every registry refuses a duplicate where it is declared and an unknown name where it is used."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from checks.errors import CheckDeclarationError
from checks.registry import Registry
from checks.rules import RULES
from dataflow.conform.operators import OPERATORS
from dataflow.enrich import BY_TABLE
from dataflow.errors import ConfigurationError
from dataflow.observe.describe import KINDS
from dataflow.publish.build import BUILDER_OF
from dataflow.publish.kpis import KPIS
from dataflow.publish.segments import SEGMENTS
from dataflow.resolve.comparisons import PERSON
from dataflow.resolve.customers.survivorship import RULES as SURVIVORSHIP_RULES
from dataflow.resolve.customers.survivorship import index_rules
from dataflow.settings.adapters import ADAPTERS
from dataflow.sinks import SINKS
from dataflow.sinks.views import VIEWS
from dataflow.tables import published

REGISTRIES = [RULES, OPERATORS, KPIS, SEGMENTS, VIEWS, SINKS, ADAPTERS, BY_TABLE, BUILDER_OF, KINDS]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_it_keeps_the_order_finds_by_name_and_names_the_nearest(registry: Registry[object]) -> None:
    first = next(iter(registry))
    assert len(registry) == len(list(registry.values())) > 0
    assert registry.find(first) is registry[first]
    with pytest.raises(CheckDeclarationError, match=rf"There is no {registry.kind} {first}x\. Did you mean {first}\?"):
        registry.find(f"{first}x")


def test_each_duplicate_is_named() -> None:
    with pytest.raises(CheckDeclarationError, match=r"Declared twice: word a, c\."):
        Registry("word", ["a", "b", "a", "c", "c", "c"], name=str)


def test_an_empty_registry_says_so() -> None:
    with pytest.raises(CheckDeclarationError, match=r"There is no word a\. There are: none\."):
        Registry("word", list[str](), name=str).find("a")


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            lambda: replace(KPIS["orders"], timestamp="ordered"),
            "Key figure orders: There is no column ordered. Did you mean",
        ),
        (
            lambda: replace(KPIS["orders"], unit="counts"),
            "Key figure orders: There is no unit counts. Did you mean count?",
        ),
        (
            lambda: replace(PERSON, comparisons=(*PERSON.comparisons, PERSON.comparisons[0])),
            "Declared twice: comparison",
        ),
        (lambda: replace(PERSON, wide=PERSON.wide[:1] * 2), "Declared twice: wide blocking rule of person"),
        (lambda: index_rules((*SURVIVORSHIP_RULES, SURVIVORSHIP_RULES[0])), "Declared twice: golden field full_name"),
        (
            lambda: index_rules((replace(SURVIVORSHIP_RULES[0], fields=("fullname",)),)),
            "There is no golden field fullname. Did you mean full_name?",
        ),
    ],
)
def test_what_a_declaration_refers_to_must_be_there(declare: Callable[[], object], message: str) -> None:
    with pytest.raises((CheckDeclarationError, ConfigurationError)) as caught:
        declare()
    assert message in str(caught.value)


def test_every_published_table_has_one_builder() -> None:
    assert set(BUILDER_OF) == {table.full_name for table in published.TABLES}
