"""Any declaration can be printed, and the reference in the tree is what the declarations say."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataflow.cli.main import run
from dataflow.observe.describe import KINDS, describe, find_kind
from dataflow.observe.describe.settings import variable_of
from dataflow.observe.reference import FILE_NAME, write_reference
from dataflow.settings import load_settings

ROOT = Path(__file__).parents[3]
# Text, counts and paths; every other number says its unit in its name.
WITHOUT_UNIT = {
    "lake.threads",
    "alerts.NAME.messages_per_hour",
    "prefect.retries",
    "prefect.source_concurrency",
    "resolve.id_churn_budget",
    "resolve.link_threshold",
    "resolve.processes",
    "resolve.review_threshold",
    "roles.NAME.smallest_group",
    "rules.NAME.rows.at_least",
    "rules.NAME.rows.at_most",
    "rules.NAME.sum.tolerance",
    "slo.target",
    "sources.NAME.mysql.port",
    "sources.NAME.salesforce.attempts",
    "sources.NAME.salesforce.downloads",
    "sources.NAME.trust",
    "warehouse.bigquery.maximum_bytes_billed",  # BigQuery's own name, with the unit inside
    "validation.dead_letter_limit_floor",
}


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """What a command says in JSON."""
    assert run([*arguments, "-o", "json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_declaration_of_a_kind_has_a_name_of_its_own_and_a_meaning(kind: Any) -> None:
    found = kind.found(load_settings())
    assert found
    names = [one.name for one in found]
    assert len(names) == len(set(names))
    assert [one.name for one in found if not one.meaning.strip()] == []
    assert {one.name for one in kind.found(None)} <= set(names)
    for one in found:
        assert describe(kind, one.name, load_settings()) == [one]
    if kind.where != "dataflow.toml":
        assert (ROOT / kind.where).exists()


def test_without_arguments_the_kinds_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {row["kind"]: row["count"] for row in answer(capsys, "describe")}
    assert list(counts) == list(KINDS)
    assert counts["rule"] == len(find_kind("rule").found(None))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("table", "published.segments"), {"key": ["customer_id", "segment_code"], "owner": "analytics"}),
        (("TABLE", "segments"), {"name": "published.segments"}),
        (("table", "valid.mysql_orders"), {"name": "valid.mysql_orders"}),
        (("object", "mysql.orders"), {"key": "id", "table": "valid.mysql_orders"}),
        (
            ("rule", "at_least"),
            {"arguments": [{"argument": "field", "type": "text"}, {"argument": "value", "type": "decimal"}]},
        ),
        (("operator", "join"), {"takes": "a list of fields or expressions"}),
        (("kpi", "revenue"), {"unit": "base currency", "adds up over days": True}),
        (("segment", "loyal"), {"title": "Loyal"}),
        (
            ("setting", "lake.threads"),
            {"type": "whole number, at least 0, at most 1024", "default": 0, "variable": "DATAFLOW_LAKE__THREADS"},
        ),
        (("setting", "sources.mine.mysql.password"), {"secret": True, "type": "secret text", "default": "(required)"}),
        (("setting", "resolve.link_threshold"), {"type": "number, above 0, below 1", "default": None}),
        (("setting", "prefect.retry_delay_seconds"), {"unit": "seconds"}),
        (("error", "SinkTimeout"), {"exit code": 1, "a retry helps": False, "who acts": "engineer"}),
        (("error", "LakeLocked"), {"a retry helps": True, "who acts": "caller"}),
        (("source", "mysql"), {"required": ["host", "user", "password", "database"], "used by": []}),
        (("source", "files"), {"used by": ["salesforce", "mysql", "tickets"]}),
        (("sink", "warehouse"), {"section": "warehouse", "on": True}),
        (("vocabulary", "free mail"), {"name": "free mail"}),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_one_of_each_kind(capsys: pytest.CaptureFixture[str], asked: tuple[str, str], expected: dict[str, Any]) -> None:
    told = answer(capsys, "describe", *asked)
    assert {label: told[label] for label in expected} == expected


def test_the_values_that_a_column_may_have_stand_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    columns = {row["column"]: row for row in answer(capsys, "describe", "table", "conformed.ticket")["columns"]}
    assert columns["priority"]["values"] == ["low", "normal", "high", "urgent", "other"]
    assert columns["subject"]["class"] == "free_text"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("customer_360", "published.customer_360"),
        ("published.customer_360", "published.customer_360"),
        ("high_value", "high_value"),
        ("SinkError", "SinkError"),
        ("lake.threads", "lake.threads"),
    ],
)
def test_a_name_alone_is_found_in_any_kind(capsys: pytest.CaptureFixture[str], name: str, found: str) -> None:
    assert answer(capsys, "describe", name)["name"] == found


def test_a_segment_has_its_condition_and_an_enrichment_its_expiry(capsys: pytest.CaptureFixture[str]) -> None:
    condition = answer(capsys, "describe", "segment", "at_risk_high_value")["condition"]
    assert condition == "lifecycle_stage = 'at_risk' AND order_amount >= 500"
    assert answer(capsys, "describe", "enrichment", "lifecycle")["expires"] == "on the day that the provider gives"


def test_a_section_stands_for_all_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert [one["name"] for one in answer(capsys, "describe", "setting", "currency")] == [
        "currency.base",
        "currency.rates",
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("tabel",), "There is no kind or declaration tabel. Did you mean table? There are: comparison,"),
        (("rule", "one-of"), "There is no rule one-of. Did you mean one_of? There are: any_required,"),
        (("setting", "lake.thread"), "Did you mean lake.threads?"),
        (("error", "Sinkerror"), "Did you mean SinkError?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_the_list(
    capsys: pytest.CaptureFixture[str], asked: tuple[str, ...], message: str
) -> None:
    assert run(["describe", *asked]) == 2
    assert message in capsys.readouterr().err


def test_it_answers_where_dataflow_toml_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dataflow.toml").write_text("[lake]\nthreds = 2\n")
    assert run(["describe", "setting", "lake.threads"]) == 0
    told = capsys.readouterr()
    assert "DATAFLOW_LAKE__THREADS" in told.out
    assert "Declarations of dataflow.toml are left out" in told.err


def test_a_description_is_no_csv_and_a_list_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["describe", "kpi", "revenue", "-o", "csv"]) == 2
    assert run(["describe", "kpi", "-o", "csv"]) == 0
    assert capsys.readouterr().out.startswith("name,meaning\norders,")


def test_every_setting_has_a_variable_that_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable_of(("lake", "snapshot_retention_days")), "7")
    monkeypatch.setenv(variable_of(("sources", "mysql", "trust")), "9")
    settings = load_settings()
    assert (settings.lake.snapshot_retention_days, settings.sources["mysql"].trust) == (7, 9)


def test_a_number_says_its_unit() -> None:
    found = find_kind("setting").found(None)
    numbers = {one.name for one in found if str(one.facts["type"]).startswith(("whole number", "number"))}
    assert {one.name for one in found if one.facts["unit"]} | WITHOUT_UNIT == numbers


def test_the_reference_in_the_tree_is_what_the_declarations_say(tmp_path: Path) -> None:
    assert run(["docs", "--out", str(tmp_path / "new folder")]) == 0
    written = (tmp_path / "new folder" / FILE_NAME).read_text(encoding="utf-8")
    assert written == write_reference()
    assert len(written.encode()) <= 512 * 1024
    kept = (ROOT / ".github" / FILE_NAME).read_text(encoding="utf-8")
    assert written == kept, "run `make fix`: a declaration has changed since .github/reference.md was written"
