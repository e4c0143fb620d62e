"""Drift opens a proposal, one command takes it into dataflow.toml, and nothing of the file is lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataflow.cli.main import run
from dataflow.settings import load_settings
from tests.lib.deliveries import deliver_pages, person

TOML = """\
# The company's own words: they stay.
[sources.crm]
adapter = "files"
root = "${home}/crm"

[sources.crm.objects.person]
format = "rest-json"
path = "Person/{date}/page-*.json"
key = "Id"
cursor = "SystemModstamp" # moves with each change
[sources.crm.objects.person.fields]
Id = "VARCHAR"
Name = "VARCHAR" # as on the card
SystemModstamp = "TIMESTAMPTZ"
IsDeleted = "BOOLEAN"

[mappings.crm_person]
table = "customer_record"
object = "crm.person"
[mappings.crm_person.fields]
full_name = "Name"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dataflow.toml").write_text(TOML)
    records = [person(str(number), Shoe=number, FullName="Grace") for number in range(3)]
    for record in records:
        del record["Name"]
    deliver_pages(tmp_path / "crm", records)
    return tmp_path


def dataflow(home: Path, *words: str) -> int:
    return run(["--config", str(home / "dataflow.toml"), "--home", str(home), *words])


def proposed(home: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert dataflow(home, "drift", "list", "-o", "json") == 0
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return told


def test_the_plan_shows_types_and_no_value(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dataflow(home, "plan", "-o", "json") == 0
    told = capsys.readouterr()
    [window] = json.loads(told.out)
    assert window["drift"] == "renamed Name → FullName VARCHAR; new Shoe BIGINT"
    assert "drift accept" in told.err
    assert "Grace" not in told.out + told.err


def test_one_command_takes_it_in_and_keeps_the_rest(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [change["kind"] for change in proposed(home, capsys)] == ["renamed", "new"]
    assert dataflow(home, "drift", "accept", "crm", "person") == 0
    text = (home / "dataflow.toml").read_text()
    for comment in ("# The company's own words", "# moves with each change", "# as on the card"):
        assert comment in text
    settings = load_settings(home / "dataflow.toml", home=home)
    declared = settings.sources["crm"].objects["person"]
    assert (declared.fields["Shoe"], declared.fields["FullName"]) == ("BIGINT", "VARCHAR")
    # Rows that were landed before still bear the old name.
    assert declared.optional == ["Name"]
    assert settings.mappings["crm_person"].fields["full_name"] == {"first_of": ["FullName", "Name"]}
    assert proposed(home, capsys) == []
    assert dataflow(home, "drift", "accept", "crm", "person") == 2
    assert [file.name for file in home.glob(".dataflow.toml*")] == []


def test_one_field_of_several(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dataflow(home, "drift", "accept", "crm", "person", "--field", "Shoe") == 0
    assert [change["kind"] for change in proposed(home, capsys)] == ["renamed"]


def test_a_result_that_would_not_load_leaves_the_file_as_it_was(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "dataflow.toml"
    file.write_text(TOML + 'no_such_target = "Name"\n')
    before = file.read_text()
    assert dataflow(home, "drift", "accept", "crm", "person") == 2
    assert file.read_text() == before
    assert [other.name for other in home.glob(".dataflow.toml*")] == []
    assert "no_such_target" in capsys.readouterr().err


def test_a_new_field_that_differs_from_a_declared_one_by_case_only_is_not_accepted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "dataflow.toml"
    file.write_text(file.read_text().replace('Name = "VARCHAR"', 'Name = "VARCHAR"\nshoe = "BIGINT"'))
    before = file.read_text()
    assert dataflow(home, "drift", "accept", "crm", "person", "--field", "Shoe") == 2
    assert file.read_text() == before
    assert "shoe and Shoe differ by case only" in capsys.readouterr().err


def test_the_packaged_default_is_not_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dataflow.errors import UsageError
    from dataflow.govern.accept_drift import accept_changes

    settings = load_settings(home=tmp_path)
    with pytest.raises(UsageError, match="dataflow init"):
        accept_changes(settings, "tickets", "ticket", [])
