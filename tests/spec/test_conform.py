"""How valid rows become our model: what a change in one row changes, and what a wrong mapping is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.conform.mapping import compile_mappings
from dataflow.conform.step import conform
from dataflow.errors import MappingError
from dataflow.settings import Settings, load_settings
from dataflow.tables.declared import declared_tables
from dataflow.validate.step import validate
from dataflow.workspace.report import StepReport, list_notes
from lakehouse import Lake
from tests.lib.raw_rows import commit, land_rows, opened_lake, workspace

SCHEMAS = ("raw", "valid", "conformed", "ops")
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
[sources.shop.objects.person.fields]
id = "BIGINT"
kind = "VARCHAR"
name = "VARCHAR"
age = "VARCHAR"
changed = "TIMESTAMP"
gone = "TIMESTAMP"

[sources.shop.objects.address]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
deleted_when_set = "gone"
[sources.shop.objects.address.fields]
id = "BIGINT"
person = "BIGINT"
town = "VARCHAR"
changed = "TIMESTAMP"
gone = "TIMESTAMP"

[sources.shop.objects.case]
format = "csv"
path = "{date}.csv"
key = "id"
cursor = "changed"
deleted_when_set = "gone"
[sources.shop.objects.case.fields]
id = "BIGINT"
mail = "VARCHAR"
name = "VARCHAR"
place = "VARCHAR"
changed = "TIMESTAMP"
gone = "TIMESTAMP"

[mappings.person]
table = "customer_record"
object = "shop.person"
[mappings.person.joins.home]
object = "shop.address"
on = { person = "id" }
prefer = ["-changed"]
[mappings.person.fields]
entity_type = "kind"
full_name = "name"
city = "home.town"
updated_at = "changed"

[mappings.writer]
table = "customer_record"
object = "shop.case"
record_object = "writer"
group_by = ["mail", "name"]
[mappings.writer.fields]
entity_type = { value = "person" }
full_name = "name"
email = "mail"
city = { latest = "place" }
updated_at = { latest = "changed" }

[mappings.case]
table = "ticket"
object = "shop.case"
[mappings.case.fields]
record_id = { group = "writer" }
subject = "place"
"""
DAY_1, DAY_2, DAY_3 = (f"2026-03-0{day} 10:00:00" for day in (1, 2, 3))


def configured(folder: Path, text: str = CONFIG) -> Settings:
    path = folder / "dataflow.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, home=folder / "home")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configured(tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with opened_lake(settings, schemas=SCHEMAS) as lake:
        yield lake


def person(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "kind": "person", "name": f"Person {number}", "changed": DAY_1} | fields


def address(number: int, owner: int, town: str, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "person": str(owner), "town": town, "changed": DAY_1} | fields


def case(number: int, mail: str, place: str, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "mail": mail, "name": "W", "place": place, "changed": DAY_1} | fields


class Company:
    """Lands rows and publishes, run by run."""

    def __init__(self, lake: Lake, settings: Settings) -> None:
        self.lake = lake
        self.settings = settings
        self.runs = 0

    def deliver(self, name: str, *payloads: dict[str, Any]) -> None:
        land_rows(self.lake, self.settings, f"shop.{name}", payloads)

    def publish(self) -> dict[str, StepReport]:
        self.runs += 1
        with workspace(self.lake, self.settings, self.settings.home, run_id=f"run-{self.runs}", schemas=SCHEMAS) as ws:
            validate(ws, self.settings)
            reports = conform(ws, self.settings)
            commit(ws)
        return {report.subject.removeprefix("conformed."): report for report in reports}

    def records(self, column: str = "city") -> dict[str, Any]:
        found = self.lake.con.execute(
            f"SELECT coalesce(email, record_id), {column} FROM lake.conformed.customer_record"
        ).fetchall()
        return dict(found)

    def writers(self, column: str = "_run_id") -> set[Any]:
        return {
            row[0] for row in self.lake.con.execute(f"SELECT {column} FROM lake.conformed.customer_record").fetchall()
        }


@pytest.fixture
def company(lake: Lake, settings: Settings) -> Company:
    return Company(lake, settings)


def changed(report: StepReport) -> tuple[int, int, int]:
    return report.inserted, report.updated, report.deleted


def test_only_what_changed_is_computed(company: Company) -> None:
    company.deliver("person", person(1), person(2))
    assert changed(company.publish()["customer_record"]) == (2, 0, 0)
    company.deliver("person", person(2, name="Other", changed=DAY_2))
    report = company.publish()["customer_record"]
    assert (report.rows_in, *changed(report)) == (1, 0, 1, 0)
    report = company.publish()["customer_record"]
    assert (report.rows_in, *changed(report)) == (0, 0, 0, 0)


def test_a_deleted_row_takes_its_record_along(company: Company) -> None:
    company.deliver("person", person(1), person(2))
    company.publish()
    company.deliver("person", person(1, changed=DAY_2, gone=DAY_2))
    assert changed(company.publish()["customer_record"]) == (0, 0, 1)
    assert company.records() == {"shop|person|2": None}


def test_a_change_of_the_joined_row_changes_the_record(company: Company) -> None:
    company.deliver("person", person(1), person(2))
    company.deliver("address", address(1, 1, "Kiel"), address(2, 2, "Lund"))
    company.publish()
    company.deliver("address", address(3, 1, "Bonn", changed=DAY_2))
    report = company.publish()["customer_record"]
    assert (report.rows_in, *changed(report)) == (1, 0, 1, 0)
    company.deliver("address", address(3, 2, "Bonn", changed=DAY_3))
    assert changed(company.publish()["customer_record"]) == (0, 2, 0)
    assert company.records() == {"shop|person|1": "Kiel", "shop|person|2": "Bonn"}
    company.deliver("address", address(1, 1, "Kiel", changed=DAY_2, gone=DAY_2))
    company.publish()
    assert company.records() == {"shop|person|1": None, "shop|person|2": "Bonn"}


def test_a_group_is_one_record_and_goes_with_its_last_row(company: Company) -> None:
    company.deliver(
        "case", case(1, "a@x.org", "Kiel"), case(2, "a@x.org", "Bonn", changed=DAY_2), case(3, "b@x.org", "Lund")
    )
    report = company.publish()["customer_record"]
    assert (report.rows_in, report.rows_out, report.merged) == (3, 2, 1)
    assert company.records() == {"a@x.org": "Bonn", "b@x.org": "Lund"}
    company.deliver("case", case(2, "a@x.org", "Bonn", changed=DAY_3, gone=DAY_3))
    report = company.publish()["customer_record"]
    assert (report.rows_in, *changed(report)) == (1, 0, 1, 0)
    assert company.records() == {"a@x.org": "Kiel", "b@x.org": "Lund"}
    company.deliver("case", case(1, "b@x.org", "Rome", changed=DAY_3))
    assert changed(company.publish()["customer_record"]) == (0, 1, 1)
    assert company.records() == {"b@x.org": "Rome"}


def test_a_latest_value_is_that_of_the_last_row_that_has_one(company: Company) -> None:
    company.deliver("case", case(1, "a@x.org", "Kiel"), case(2, "a@x.org", "", changed=DAY_2))
    company.publish()
    assert company.records() == {"a@x.org": "Kiel"}
    assert company.records("CAST(updated_at AS DATE)::VARCHAR") == {"a@x.org": "2026-03-02"}


def test_rows_without_any_grouping_field_make_no_record(company: Company) -> None:
    company.deliver("case", case(1, "", "Kiel", name=""))
    reports = company.publish()
    assert (reports["customer_record"].rows_in, reports["ticket"].rows_out) == (0, 1)
    assert company.lake.con.execute("SELECT record_id FROM lake.conformed.ticket").fetchall() == [(None,)]


def test_a_record_is_a_person_or_a_company(company: Company) -> None:
    company.deliver("person", person(1, kind="robot"), person(2))
    company.publish()
    assert company.records("entity_type") == {"shop|person|2": "person"}


def test_values_that_say_nothing_are_counted_not_kept(company: Company) -> None:
    company.deliver("case", case(1, "test@test.com", "unknown"), case(2, "info@x.org", "Kiel"))
    report = company.publish()["customer_record"]
    assert report.facts == {"values_dropped": {"email": {"placeholder": 1}, "city": {"placeholder": 1}}}
    assert company.records("email_canonical") == {
        "info@x.org": None,
        **{k: None for k in company.records() if "|" in k},
    }


def test_values_that_cannot_be_read_are_counted_by_reason_and_noted(company: Company) -> None:
    company.deliver("case", case(1, "bob at x.org", "Kiel"), case(2, "a@@b", "Bonn"), case(3, "n/a", "Ulm"))
    report = company.publish()["customer_record"]
    assert report.facts["values_dropped"] == {"email": {"placeholder": 1, "unreadable": 2}}
    assert list_notes([report]) == ["email of 2 records cannot be read and is null in conformed.customer_record"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('table = "ticket"', 'table = "tickets"', "mappings.case.table names 'tickets'; there are: customer_record,"),
        ('object = "shop.case"', 'object = "shop.cases"', "names 'shop.cases'; the declared objects are"),
        ('city = "home.town"', 'town = "home.town"', "mappings.person.fields names 'town'; there are: entity_type,"),
        ('"home.town"', '"home.twon"', "fields.city names 'home.twon'; there are: id, kind, name, age, changed, gone"),
        ('"home.town"', '"house.town"', "home.town"),
        ('"home.town"', '{ fist_of = ["name"] }', "exactly one operator of earliest, first_of, group"),
        ('"home.town"', '{ first_of = [] }', "first_of takes a list"),
        ('"home.town"', '{ value = "x", with = "y" }', "value does not take with; it takes no further argument"),
        ('"home.town"', '{ map = {}, of = "name" }', "map takes a table"),
        ('"home.town"', '{ record = "shop.address", key = "id" }', "names the object 'shop.address'; mapped are"),
        ('"home.town"', '{ group = "writer" }', "the mappings of shop.person with group_by are: none"),
        ('"home.town"', '{ latest = "name" }', "latest of 'name' needs a mapping with group_by"),
        ('{ latest = "place" }', '"place"', "names 'place', which can differ within a group (group_by is mail, name)"),
        ('updated_at = "changed"', 'employee_count = "age"', "Declare the source field with a type that fits"),
        ("on = { person = ", "on = { owner = ", "mappings.person.joins.home.on names 'owner'; shop_address has: id"),
        ('prefer = ["-changed"]', 'prefer = ["-age"]', "mappings.person.joins.home.prefer names 'age'"),
        ('on = { person = "id" }', "on = {}", "mappings.person.joins.home.on is empty"),
        ('group_by = ["mail", "name"]', 'group_by = ["email"]', "mappings.writer.group_by names 'email'; there are:"),
        ('object = "shop.person"\n', 'object = "shop.person"\nwhere = { sort = "x" }\n', "person.where names 'sort'"),
        ('object = "shop.person"\n', 'object = "shop.person"\ngroup_by = ["name"]\n', "both group_by and joins"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_told_what_exists(tmp_path: Path, before: str, after: str, told: str) -> None:
    assert before in CONFIG
    settings = configured(tmp_path, CONFIG.replace(before, after, 1))
    with pytest.raises(MappingError) as caught:
        compile_mappings(settings, declared_tables(settings))
    assert told in str(caught.value)


TWO_OVER_ONE = """
[mappings.firm]
table = "customer_record"
object = "shop.person"
record_object = "firm"
where = { kind = "company" }
[mappings.firm.fields]
entity_type = { value = "company" }
company_name = "name"

[mappings.letter]
table = "ticket"
object = "shop.address"
[mappings.letter.fields]
record_id = { record = "%s", key = "person" }
subject = "town"
"""


@pytest.mark.parametrize(("named", "record_id"), [("person", "shop|person|7"), ("firm", "shop|firm|7")])
def test_of_two_mappings_over_one_object_the_one_that_is_named_is_referred_to(
    tmp_path: Path, named: str, record_id: str
) -> None:
    settings = configured(tmp_path, CONFIG + TWO_OVER_ONE % named)
    with opened_lake(settings, schemas=SCHEMAS) as lake:
        company = Company(lake, settings)
        company.deliver("address", address(1, 7, "Kiel"))
        company.publish()
        assert lake.con.execute("SELECT record_id FROM lake.conformed.ticket").fetchall() == [(record_id,)]


def test_an_object_that_two_mappings_make_records_of_is_no_reference(tmp_path: Path) -> None:
    settings = configured(tmp_path, CONFIG + TWO_OVER_ONE % "shop.person")
    with pytest.raises(MappingError, match=r"mappings make records of it: firm, person\. Name the mapping"):
        compile_mappings(settings, declared_tables(settings))


def test_two_mappings_that_make_the_same_records_are_refused(tmp_path: Path) -> None:
    same = CONFIG + (TWO_OVER_ONE % "person").replace('record_object = "firm"\n', "")
    settings = configured(tmp_path, same)
    with pytest.raises(MappingError, match=r"\.person and mappings\.firm both make the records shop\|person\|…"):
        compile_mappings(settings, declared_tables(settings))
    apart = same.replace('object = "shop.person"\n', 'object = "shop.person"\nwhere = { kind = "person" }\n', 1)
    settings = configured(tmp_path, apart)
    assert {"person", "firm"} <= set(compile_mappings(settings, declared_tables(settings)))


def test_a_changed_mapping_makes_its_tables_anew(company: Company, tmp_path: Path) -> None:
    company.deliver("person", person(1), person(2))
    company.deliver("address", address(1, 1, "Kiel"))
    company.publish()
    company.settings = configured(tmp_path, CONFIG.replace('"home.town"', '{ first_of = ["home.town", "name"] }'))
    report = company.publish()["customer_record"]
    assert (report.rows_in, *changed(report)) == (2, 0, 1, 0)
    assert company.records() == {"shop|person|1": "Kiel", "shop|person|2": "Person 2"}
    assert changed(company.publish()["customer_record"]) == (0, 0, 0)


def test_a_mapping_taken_out_takes_its_records_along(company: Company, tmp_path: Path) -> None:
    company.deliver("person", person(1))
    company.deliver("case", case(1, "a@x.org", "Kiel"))
    company.publish()
    writer = CONFIG[CONFIG.index("[mappings.writer]") : CONFIG.index("[mappings.case]")]
    company.settings = configured(
        tmp_path, CONFIG.replace(writer, "").replace('{ group = "writer" }', '{ value = "w" }')
    )
    assert changed(company.publish()["customer_record"]) == (0, 0, 1)
    assert company.records() == {"shop|person|1": None}


def test_characters_that_nobody_sees_are_dropped_from_names_and_not_from_keys(company: Company) -> None:
    company.deliver("person", person(1, name="\u202aAnn\x1b Le\u200be\u202c"), person(2, name="علی\u200cرضا"))
    company.deliver("address", address(1, 1, "Ki\x07el\x9b"), address(2, 2, "\ufeff\u200e"))
    company.deliver("case", case(1, "a@x.org\u202c", "Bonn\x00", name="B\x1fc"), case(2, "a@x.org", "Bonn", name="Bc"))
    company.publish()
    assert company.records() == {
        "shop|person|1": "Kiel",
        "shop|person|2": None,
        "a@x.org": "Bonn",
    }
    assert company.records("full_name")["shop|person|1"] == "Ann Lee"
    assert company.records("full_name")["shop|person|2"] == "علی\u200cرضا"
