"""What becomes of a received row: valid, a dead letter, or merged into a newer version. None is lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigurationError
from dataflow.settings import Settings, load_settings
from dataflow.settings.model import ValidateSettings
from dataflow.tables.declared import declared_tables
from dataflow.validate.plan import plan_objects
from dataflow.validate.step import validate
from dataflow.workspace.report import StepReport, list_gaps
from lakehouse import Lake
from tests.lib.raw_rows import NOW, commit, land_rows, opened_lake, workspace

CONFIG = """
[sources.shop]
adapter = "files"
root = "unused"

[sources.shop.objects.person]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
deleted_when_set = "gone"
checks = [
  { rule = "required", field = "name" },
  { rule = "email", field = "mail" },
]
[sources.shop.objects.person.fields]
id = "BIGINT"
name = "VARCHAR"
mail = "VARCHAR"
age = "BIGINT"
changed = "TIMESTAMP"
gone = "TIMESTAMP"

[sources.shop.objects.purchase]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
checks = [
  { rule = "refers_to", field = "person", object = "shop.person" },
  { rule = "at_least", field = "total", value = 0 },
  { rule = "has_rate", field = "currency" },
]
[sources.shop.objects.purchase.fields]
id = "BIGINT"
person = "BIGINT"
total = "DECIMAL(12,2)"
currency = "VARCHAR"
changed = "TIMESTAMP"

[currency.rates]
EUR = 1.1
"""

SCHEMAS = ("raw", "valid", "ops")
DAY_1, DAY_2, DAY_3 = (f"2026-03-0{day} 10:00:00" for day in (1, 2, 3))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configured(tmp_path)


def configured(folder: Path, text: str = CONFIG) -> Settings:
    path = folder / "dataflow.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, home=folder / "home")


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with opened_lake(settings, schemas=SCHEMAS) as lake:
        yield lake


def person(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "name": "N", "mail": "n@example.org", "age": "30", "changed": DAY_1} | fields


def purchase(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "person": "1", "total": "9.90", "currency": "EUR", "changed": DAY_1} | fields


class Company:
    """Lands rows and publishes, day by day."""

    def __init__(self, lake: Lake, settings: Settings) -> None:
        self.lake = lake
        self.settings = settings
        self.runs = 0

    def deliver(self, name: str, *payloads: dict[str, Any] | str, **given: Any) -> None:
        land_rows(self.lake, self.settings, name, payloads, **given)

    def publish(self, settings: Settings | None = None) -> dict[str, StepReport]:
        self.runs += 1
        with workspace(self.lake, self.settings, self.settings.home, run_id=f"run-{self.runs}", schemas=SCHEMAS) as ws:
            reports = validate(ws, settings or self.settings)
            commit(ws)
        return {report.subject: report for report in reports}

    def valid(self, name: str, column: str = "name") -> dict[str, Any]:
        rows = self.lake.con.execute(f"SELECT _record_key, {column} FROM lake.valid.shop_{name}").fetchall()
        return dict(rows)

    def dead_letters(self) -> list[tuple[Any, ...]]:
        return self.lake.con.execute(
            "SELECT _record_key, rules, status, attempts FROM lake.ops.dead_letters"
            " ORDER BY _object, _record_key, _row_hash"
        ).fetchall()

    def mark(self, status: str) -> None:
        self.lake.con.execute(f"UPDATE lake.ops.dead_letters SET status = '{status}' WHERE status = 'open'")


@pytest.fixture
def company(lake: Lake, settings: Settings) -> Company:
    return Company(lake, settings)


def test_good_rows_become_valid_and_bad_rows_dead_letters(company: Company) -> None:
    company.deliver("shop.person", person(1), person(2, name=""), person(3, mail="nowhere", age="old"))
    report = company.publish()["shop.person"]
    assert (report.rows_in, report.rows_out, report.set_aside, report.merged) == (3, 1, 2, 0)
    assert company.valid("person") == {"1": "N"}
    assert company.dead_letters() == [("2", ["required"], "open", 1), ("3", ["type"], "open", 1)]
    assert report.facts["dead_letters"] == {"required": 1, "type": 1}


LENIENT = CONFIG.replace(
    "checks = [\n", 'invalid = { mail = "null", age = "null" }\njson_schema = "person.json"\nchecks = [\n', 1
)


def test_an_invalid_value_of_a_lenient_field_costs_the_value(tmp_path: Path, company: Company) -> None:
    (tmp_path / "person.json").write_text('{"properties": {"mail": {"maxLength": 20}}}', encoding="utf-8")
    lenient = configured(tmp_path, LENIENT)
    company.deliver(
        "shop.person",
        person(1, age="9" * 3),
        person(2, mail="nowhere", age="old"),
        person(3, mail="a-very-long-name@example.org", age="3.7"),
        person(4, mail="nowhere", name=""),
    )
    assert company.publish()["shop.person"].rows_out == 1
    report = company.publish(lenient)["shop.person"]
    assert (report.rows_out, report.set_aside) == (3, 1)
    assert company.valid("person", "(mail, age)") == {
        "1": ("n@example.org", 999), "2": (None, None), "3": (None, None),
    }  # fmt: skip
    assert report.facts["invalid_values"] == {"age": {"type": 2}, "mail": {"email": 1, "schema.maxLength": 1}}
    assert "age of 2 rows of shop.person is invalid (type) and null in valid" in report.facts["notes"]
    assert [row[:2] for row in company.dead_letters() if row[2] == "open"] == [("4", ["required"])]
    [(kept,)] = company.lake.con.execute(
        "SELECT payload->>'mail' FROM lake.raw.shop_person WHERE _record_key = '2'"
    ).fetchall()
    assert kept == "nowhere"


@pytest.mark.parametrize("field", ["nickname", "id", "changed", "gone", "name"])
def test_a_field_that_cannot_be_lenient_is_refused(field: str, tmp_path: Path) -> None:
    text = CONFIG.replace("checks = [\n", f'invalid = {{ {field} = "null" }}\nchecks = [\n', 1)
    with pytest.raises(ConfigurationError, match="invalid"):
        plan_objects(configured(tmp_path, text), declared_tables(configured(tmp_path)))


def test_a_reason_names_the_field_and_no_value(company: Company) -> None:
    company.deliver("shop.person", person(1, name=None, mail="secret@@value"), person(2, age="secret"))
    company.publish()
    reasons = company.lake.con.execute("SELECT reason FROM lake.ops.dead_letters ORDER BY _record_key").fetchall()
    assert reasons == [("name is missing; mail is not an e-mail address",), ("age is not a BIGINT",)]


def test_a_value_is_cast_without_loss_or_set_aside(company: Company) -> None:
    texts = ["30", "30.0", " 7 ", "", None, "3.7", "many", "9" * 30]
    company.deliver("shop.person", *(person(number, age=text) for number, text in enumerate(texts)))
    company.publish()
    assert company.valid("person", "age") == {"0": 30, "1": 30, "2": 7, "3": None, "4": None}
    assert [(key, rules) for key, rules, _, _ in company.dead_letters()] == [(key, ["type"]) for key in ("5", "6", "7")]


def test_the_newest_version_stands_however_they_arrive(company: Company) -> None:
    company.deliver("shop.person", person(1, name="second", changed=DAY_2), person(1, name="first"))
    report = company.publish()["shop.person"]
    assert (report.rows_out, report.merged) == (1, 1)
    company.deliver("shop.person", person(1, name="late", changed=DAY_1))
    report = company.publish()["shop.person"]
    assert (report.rows_in, report.rows_out, report.merged) == (1, 0, 1)
    company.deliver("shop.person", person(1, name="third", changed=DAY_3))
    assert company.publish()["shop.person"].updated == 1
    assert company.valid("person") == {"1": "third"}


def test_a_bad_newest_version_leaves_the_last_good_one(company: Company) -> None:
    company.deliver("shop.person", person(1), person(1, name="", changed=DAY_2))
    company.publish()
    assert company.valid("person") == {"1": "N"}
    assert company.dead_letters() == [("1", ["required"], "open", 1)]


def test_a_later_good_version_supersedes_the_dead_letter(company: Company) -> None:
    company.deliver("shop.person", person(1, name=""), person(2, name=""), person(2, changed=DAY_2))
    company.publish()
    assert [status for _, _, status, _ in company.dead_letters()] == ["open", "superseded"]
    company.deliver("shop.person", person(1, changed=DAY_2))
    report = company.publish()["shop.person"]
    assert report.facts["superseded"] == 1
    assert [status for _, _, status, _ in company.dead_letters()] == ["superseded", "superseded"]


def test_a_deletion_removes_the_record_and_a_late_row_does_not_bring_it_back(company: Company) -> None:
    company.deliver("shop.person", person(1), person(2))
    company.publish()
    company.deliver("shop.person", person(1, changed=DAY_3, gone=DAY_3))
    report = company.publish()["shop.person"]
    assert (report.deleted, report.facts["deleted_at_source"]) == (1, 1)
    company.deliver("shop.person", person(1, name="late", changed=DAY_2))
    assert company.publish()["shop.person"].merged == 1
    assert company.valid("person") == {"2": "N"}
    company.deliver("shop.person", person(1, name="back", changed="2026-03-04 10:00:00"))
    company.publish()
    assert company.valid("person") == {"1": "back", "2": "N"}


def test_a_tombstone_needs_nothing_but_key_and_time(company: Company) -> None:
    company.deliver("shop.person", person(1))
    company.publish()
    company.deliver("shop.person", {"id": "1"}, _changed_at=datetime(2026, 3, 5, tzinfo=UTC), _is_deleted=True)
    report = company.publish()["shop.person"]
    assert (report.deleted, report.set_aside) == (1, 0)


def test_rows_that_the_reader_could_not_shape_are_dead_letters_of_landing(company: Company) -> None:
    company.deliver("shop.person", '{"line": "1;2"}', _defect="8 fields where the header has 6")
    company.deliver("shop.person", "no json")
    company.deliver("shop.person", {"id": "5", "name": "N"})
    assert company.publish()["shop.person"].set_aside == 3
    rows = company.lake.con.execute("SELECT stage, rule, reason FROM lake.ops.dead_letters ORDER BY ALL").fetchall()
    assert rows == [
        ("land", "unreadable", "8 fields where the header has 6"),
        ("land", "unreadable", "the row is not JSON"),
        ("validate", "required", "changed is missing or is not a timestamp: the row has no version"),
    ]


def test_a_row_received_twice_is_one_dead_letter(company: Company) -> None:
    company.deliver("shop.person", person(1, name=""), person(1, name=""))
    report = company.publish()["shop.person"]
    assert (report.rows_in, report.set_aside, report.merged) == (2, 1, 1)


def test_nothing_new_costs_nothing_and_changes_nothing(company: Company) -> None:
    company.deliver("shop.person", person(1), person(2, name=""))
    company.publish()
    report = company.publish()["shop.person"]
    assert (report.rows_in, report.changed) == (0, 0)


def test_a_row_waits_for_the_record_it_refers_to(company: Company) -> None:
    company.deliver("shop.purchase", purchase(1), purchase(2, person="2"))
    company.deliver("shop.person", person(1, name=""))
    assert company.publish()["shop.purchase"].set_aside == 2
    company.deliver("shop.person", person(1, changed=DAY_2))
    report = company.publish()["shop.purchase"]
    assert (report.rows_in, report.rows_out, report.facts["tried_again"], report.facts["resolved"]) == (1, 1, 1, 1)
    assert company.valid("purchase", "person") == {"1": 1}
    assert [(key, status) for key, _, status, _ in company.dead_letters()] == [
        ("1", "superseded"),
        ("1", "resolved"),
        ("2", "open"),
    ]


def test_a_purchase_outlives_its_person(company: Company) -> None:
    company.deliver("shop.person", person(1), person(1, changed=DAY_2, gone=DAY_2))
    company.deliver("shop.purchase", purchase(1))
    assert company.publish()["shop.purchase"].rows_out == 1


def test_replay_after_the_cause_is_gone_resolves(company: Company, tmp_path: Path) -> None:
    company.deliver("shop.person", person(1))
    company.deliver("shop.purchase", purchase(1, currency="GBP"), purchase(2, total="-1"))
    company.publish()
    assert [rules for _, rules, _, _ in company.dead_letters()] == [["has_rate"], ["at_least"]]
    company.mark("replaying")
    with_rate = configured(tmp_path, CONFIG + "GBP = 1.3\n")
    report = company.publish(with_rate)["shop.purchase"]
    assert (report.rows_in, report.rows_out, report.set_aside) == (2, 1, 1)
    assert [(status, attempts) for _, _, status, attempts in company.dead_letters()] == [("resolved", 2), ("open", 2)]
    first, last = company.lake.con.execute(
        "SELECT count(DISTINCT first_seen_at), count(*) FROM lake.ops.dead_letters"
    ).fetchall()[0]
    assert (first, last) == (1, 2)


def test_discarded_dead_letters_are_left_alone(company: Company) -> None:
    company.deliver("shop.purchase", purchase(1))
    company.publish()
    company.mark("discarded")
    company.deliver("shop.person", person(1))
    assert company.publish()["shop.purchase"].rows_in == 0


@pytest.mark.parametrize(("bad", "held"), [(99, False), (100, True)])
def test_an_object_with_too_many_bad_rows_is_held_back(company: Company, bad: int, held: bool) -> None:
    company.deliver("shop.person", person(5000, name="before"))
    company.publish()
    company.deliver("shop.person", *(person(number, name="" if number < bad else "N") for number in range(1000)))
    company.deliver("shop.purchase", purchase(1, person="5000"), purchase(2, person="999"))
    reports = company.publish()
    gaps = list_gaps(reports.values())
    if not held:
        assert (gaps, reports["shop.person"].set_aside) == ({}, bad)
        assert company.valid("purchase", "id") == {"1": 1, "2": 2}
        return
    assert list(gaps) == ["shop.person"]
    assert "100 of 1,000 new rows break a rule (required: name is missing, 100 rows)" in gaps["shop.person"]
    assert company.valid("person") == {"5000": "before"}
    # What refers to a record of the object waits for it; the rest is there.
    assert company.valid("purchase", "id") == {"1": 1}
    assert [(key, status) for key, _, status, _ in company.dead_letters()] == [("2", "open")]

    company.deliver("shop.person", *(person(number, name="late", changed=DAY_2) for number in range(100)))
    raised = ValidateSettings(dead_letter_limit_share=0.2)
    reports = company.publish(company.settings.model_copy(update={"validation": raised}))
    assert list_gaps(reports.values()) == {}
    assert len(company.valid("person")) == 1001
    assert company.valid("purchase", "id") == {"1": 1, "2": 2}


def test_rows_that_only_lack_a_parent_that_is_held_back_hold_nothing_back(company: Company) -> None:
    company.deliver("shop.person", *(person(number, name="") for number in range(200)))
    company.deliver("shop.purchase", *(purchase(number, person=str(number)) for number in range(200)))
    reports = company.publish()
    assert list(list_gaps(reports.values())) == ["shop.person"]
    assert reports["shop.purchase"].set_aside == 200


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('rule = "email"', 'rule = "e_mail"', "There are: any_required"),
        ('field = "mail"', 'field = "male"', "names male; the object has: age, changed, gone, id, mail, name"),
        (
            'object = "shop.person"',
            'object = "shop.persons"',
            "names shop.persons; there are: shop.person, shop.purchase",
        ),
        ('cursor = "changed"\nchecks', 'cursor = "changed"\njson_schema = "own.json"\nchecks', "own.json"),
    ],
)
def test_a_wrong_check_is_refused_before_rows_are_read(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert_refused(configured(tmp_path, CONFIG.replace(before, after, 1)), message)


def test_references_in_a_circle_are_refused(tmp_path: Path) -> None:
    circle = '{ rule = "refers_to", field = "age", object = "shop.purchase" },\n  { rule = "email"'
    assert_refused(configured(tmp_path, CONFIG.replace('{ rule = "email"', circle, 1)), "form a circle: shop.person")


def assert_refused(settings: Settings, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        plan_objects(settings, declared_tables(settings))
    assert message in str(caught.value)


def test_records_received_with_one_version_and_different_values_are_named(company: Company) -> None:
    later = NOW + timedelta(microseconds=1)
    company.deliver("shop.person", person(1, mail="z@example.org"), person(2), person(3, age="1"), person(4))
    company.deliver("shop.person", person(1, mail="a@example.org"), person(3, age="2"), _extracted_at=later)
    # The same values in another order of fields, or spelling, are the same row.
    company.deliver("shop.person", dict(reversed(person(2, age="030").items())), person(4), _extracted_at=later)
    report = company.publish()["shop.person"]
    assert company.valid("person", "mail")["1"] == "a@example.org"
    assert report.merged == 4
    assert report.facts["notes"] == [
        "2 records of shop.person were received with the same changed and different values of mail, age: the rows of "
        "the latest window count. Where they are different records, the key id is not unique: declare one that is"
    ]
    company.deliver("shop.person", person(5), person(5, changed=DAY_2, name="M"))
    assert "notes" not in company.publish()["shop.person"].facts


def test_records_stamped_after_the_clock_are_named_unless_that_is_declared(company: Company, tmp_path: Path) -> None:
    ahead = f"{NOW + timedelta(days=400):%Y-%m-%d} 10:30:00"
    company.deliver("shop.person", person(1, changed=ahead), person(2), person(3, changed=f"{NOW:%Y-%m-%d} 23:00:00"))
    assert company.publish()["shop.person"].facts["notes"] == [
        f"changed of 1 record of shop.person is after the run's clock, up to {ahead[:-3]} UTC: a change of them that "
        "is stamped earlier does not count. Correct the source, or declare ahead_hours"
    ]
    believed = CONFIG.replace('cursor = "changed"', 'cursor = "changed"\nahead_hours = 10000', 1)
    company.deliver("shop.person", person(4, changed=ahead))
    assert "notes" not in company.publish(configured(tmp_path, believed))["shop.person"].facts


def test_a_changed_check_is_applied_to_all_of_raw(company: Company, tmp_path: Path) -> None:
    company.deliver("shop.person", person(1, age="70"), person(2, age="20"), person(3, name=""))
    company.publish()
    stricter = CONFIG.replace(
        '{ rule = "email"', '{ rule = "at_most", field = "age", value = 60 },\n  { rule = "email"'
    )
    report = company.publish(configured(tmp_path, stricter))["shop.person"]
    assert (report.rows_in, report.rows_out, report.set_aside, report.deleted) == (3, 1, 2, 1)
    assert [(rules, status) for _, rules, status, _ in company.dead_letters()] == [
        (["at_most"], "open"),
        (["required"], "open"),
    ]
    lenient = CONFIG.replace('{ rule = "required", field = "name" },', "")
    report = company.publish(configured(tmp_path, lenient))["shop.person"]
    assert (report.rows_out, report.facts["resolved"]) == (3, 2)
    assert company.valid("person", "age") == {"1": 70, "2": 20, "3": 30}
    assert company.publish(configured(tmp_path, lenient))["shop.person"].rows_in == 0
