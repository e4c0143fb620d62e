"""Data contracts: import, export, import ends where it began; pyodcs takes each export; the rest is refused."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import ConfigurationError
from dataflow.govern.contracts.contract import Contract, contract_of_settings, require_as_declared, write_toml
from dataflow.govern.contracts.exporting import document_of, export_contract
from dataflow.govern.contracts.importing import import_contract
from dataflow.settings import ObjectSettings, RuleSettings
from tests.lib.small_company import CONFIG, company_settings
from tests.lib.tool_environments import tool_environment

RULES = """
[rules.total_is_plausible]
on = "shop.purchase"
holds = "total > 0 AND (person <> 7 OR total < 1000)"
reason = "total is not plausible"
when_null = "fail"
severity = "warn"
owner = "finance"
since = 2026-01-01
passes = [{ total = 1 }]
fails = [{ total = 0 }]
"""
EXTERNAL = """
apiVersion: v3.1.0
kind: DataContract
id: of-another-tool
version: 2.0.0
status: active
schema:
  - name: shop.item
    properties:
      - {name: id, logicalType: integer, primaryKey: true, quality: [{metric: nullValues, mustBe: 0}]}
      - {name: state, logicalType: string, quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [a]}}]}
      - {name: code, logicalType: string, logicalTypeOptions: {pattern: "[A-Z]+"}, unique: true}
      - {name: price, logicalType: number, logicalTypeOptions: {minimum: 0, maximum: 9.5}}
    quality:
      - name: price_is_positive
        type: sql
        query: SELECT COUNT(*) FROM ${table} WHERE NOT (price > 0) AND (state = 'a')
        mustBe: 0
        severity: error
        description: price is not above 0
        customProperties:
          - {property: passes, value: [{price: 1, state: a}]}
          - {property: fails, value: [{price: 0, state: a}]}
"""


def refused(change: Any) -> str:
    document = yaml.safe_load(EXTERNAL)
    change(document)
    with pytest.raises(ConfigurationError) as found:
        import_contract(yaml.safe_dump(document), source="a.yaml")
    return str(found.value)


def test_a_contract_of_another_tool_becomes_toml_that_says_the_same() -> None:
    contract = import_contract(EXTERNAL, source="a.yaml")
    assert import_contract(export_contract(contract), source="again.yaml") == contract
    written = tomllib.loads(write_toml(contract))
    made = written["sources"]["shop"]["objects"]["item"]
    assert (made["key"], made["fields"]["price"]) == (["id"], "DOUBLE")
    ObjectSettings.model_validate({**made, "cursor": "id"})
    rule = RuleSettings.model_validate(written["rules"]["price_is_positive"])
    # The brackets of the first part are not those of the whole condition.
    assert rule.holds == "NOT (NOT (price > 0) AND (state = 'a'))"
    assert sorted(check["rule"] for check in made["checks"]) == [
        "at_least",
        "at_most",
        "matches",
        "one_of",
        "required",
        "unique",
    ]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.update(servers=[]), "a.yaml: servers: is not read"),
        (lambda d: d.update(apiVersion="v3.0.2"), "apiVersion: is 'v3.0.2'"),
        (lambda d: d["schema"].append({}), "schema: is not a list of 1"),
        (lambda d: d["schema"][0]["properties"][1].update(encryptedName="x"), "schema[0].properties[1].encryptedName"),
        (lambda d: d["schema"][0]["properties"][0].update(logicalType="array"), "properties[0].logicalType"),
        (lambda d: d["schema"][0]["properties"][1].update(name="id"), "properties[1].name: id is the name of another"),
        (lambda d: d["schema"][0]["properties"][2]["logicalTypeOptions"].update(format="email"), "Options.format"),
        (lambda d: d["schema"][0]["properties"][0]["quality"][0].update(mustBe=3), "properties[0].quality[0]"),
        (lambda d: d["schema"][0]["properties"][0]["quality"][0].update(unit="percent"), "properties[0].quality[0]"),
        (lambda d: d["schema"][0]["quality"][0].update(type="text"), "schema[0].quality[0]: is of type 'text'"),
        (lambda d: d["schema"][0]["quality"][0].update(query="SELECT 1"), "schema[0].quality[0].query"),
        (
            lambda d: d["schema"][0]["quality"][0].update(query="SELECT COUNT(*) FROM ${table} WHERE getenv('X') = ''"),
            "schema[0].quality[0]",
        ),
        (lambda d: d["schema"][0]["quality"][0].pop("customProperties"), "needs examples"),
    ],
)
def test_what_is_not_of_the_subset_is_refused_with_its_place(change: Any, place: str) -> None:
    assert place in refused(change)


NAMES = st.sampled_from(["id", "name", "amount", "at", "flag"])
TYPES = {"id": "BIGINT", "name": "VARCHAR", "amount": "DECIMAL(18,2)", "at": "TIMESTAMPTZ", "flag": "BOOLEAN"}
CHECKS = st.one_of(
    st.fixed_dictionaries({"rule": st.sampled_from(["required", "unique", "email"]), "field": NAMES}),
    st.fixed_dictionaries(
        {"rule": st.just("one_of"), "field": NAMES, "values": st.lists(st.text(max_size=5), max_size=3)}
    ),
    st.fixed_dictionaries({"rule": st.just("matches"), "field": NAMES, "pattern": st.text(max_size=8)}),
    st.fixed_dictionaries(
        {"rule": st.sampled_from(["at_least", "at_most"]), "field": NAMES, "value": st.integers(-9, 9)}
    ),
    st.just({"rule": "in_order", "fields": ["at", "at"], "severity": "warn"}),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CHECKS, max_size=6), st.sampled_from(["", "finance"]), st.lists(NAMES, unique=True, max_size=2))
def test_export_and_import_are_inverse(checks: list[dict[str, Any]], owner: str, key: list[str]) -> None:
    contract = Contract(on="shop.item", owner=owner, fields=TYPES, key=tuple(key), checks=checks).ordered()
    assert import_contract(export_contract(contract), source="a.yaml") == contract


def test_declared_objects_and_tables_are_exported_and_read_again(tmp_path: Path) -> None:
    configured = company_settings(tmp_path, CONFIG + RULES)
    for name in ("shop.purchase", "shop.person", "published.orders", "published.customer_360"):
        contract = contract_of_settings(name, configured)
        again = import_contract(export_contract(contract), source=name)
        assert again == contract
        if name == "shop.purchase":
            rule = tomllib.loads(write_toml(again))["rules"]["total_is_plausible"]
            assert RuleSettings.model_validate(rule) == configured.rules["total_is_plausible"]
        if not contract.is_of_object:
            require_as_declared(again, configured)
            other = Contract(**{**vars(again), "fields": {**again.fields, "more": "VARCHAR"}})
            with pytest.raises(ConfigurationError, match="differs from the table in fields"):
                require_as_declared(other, configured)


def validated(file: Path) -> subprocess.CompletedProcess[str]:
    program = tool_environment("pyodcs-0.9.1", "pyodcs==0.9.1") / "pyodcs"
    return subprocess.run([str(program), "validate", str(file)], capture_output=True, text=True, check=False)


def test_pyodcs_takes_what_is_exported(tmp_path: Path) -> None:
    configured = company_settings(tmp_path, CONFIG + RULES)
    files = []
    for name in ("shop.purchase", "published.orders", "published.customer_360"):
        files.append(tmp_path / f"{name}.odcs.yaml")
        files[-1].write_text(export_contract(contract_of_settings(name, configured)), encoding="utf-8")
    files.append(tmp_path / "other.yaml")
    files[-1].write_text(EXTERNAL)
    for file in files:
        ended = validated(file)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    document = document_of(contract_of_settings("shop.purchase", configured))
    document["schema"][0]["properties"][0]["logicalType"] = "nonsense"
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(document))
    assert validated(broken).returncode != 0
