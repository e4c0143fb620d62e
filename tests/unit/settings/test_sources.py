"""The required settings of a source depend on its adapter."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dataflow.errors import ConfigurationError
from dataflow.settings import MySQLSettings, ObjectSettings, SalesforceSettings, SourceSettings

COLUMNS: dict[str, Any] = {"key": "id", "cursor": "at", "fields": {"id": "VARCHAR", "at": "TIMESTAMPTZ"}}
ORG: dict[str, Any] = {"domain": "acme.my.salesforce.com", "client_id": "c", "client_secret": "s"}


@pytest.mark.parametrize("adapter", ["files", "s3"])
def test_a_source_of_files_names_what_it_lacks(adapter: str) -> None:
    with pytest.raises(ValidationError, match=r"needs root, objects\.a\.format, objects\.a\.path, objects\.b\.path"):
        SourceSettings.model_validate(
            {"adapter": adapter, "objects": {"a": COLUMNS, "b": {**COLUMNS, "format": "csv"}}}
        )


def test_a_source_that_answers_queries_needs_no_path() -> None:
    declared = SourceSettings.model_validate({"adapter": "salesforce", "salesforce": ORG, "objects": {"a": COLUMNS}})
    assert declared.objects["a"] == ObjectSettings(**COLUMNS)


def test_salesforce_needs_its_section() -> None:
    with pytest.raises(ValidationError, match="needs the section salesforce"):
        SourceSettings.model_validate({"adapter": "salesforce", "objects": {}})


def test_an_unknown_adapter_is_answered_with_the_nearest_and_the_list() -> None:
    with pytest.raises(ValidationError, match=r"no adapter mysqll\. Did you mean mysql\? There are: files, mysql, s3"):
        SourceSettings.model_validate({"adapter": "mysqll", "objects": {}})


def test_a_section_is_asked_for_by_its_class() -> None:
    declared = SourceSettings.model_validate({"adapter": "salesforce", "salesforce": ORG, "objects": {"a": COLUMNS}})
    assert declared.section(SalesforceSettings).domain == ORG["domain"]
    with pytest.raises(ConfigurationError, match=r"Add \[sources\.NAME\.salesforce\]"):
        declared.section(MySQLSettings)


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"username": "etl@acme.example"},
        {"private_key": "k"},
        {"client_secret": "s", "username": "etl@acme.example", "private_key": "k"},
    ],
)
def test_salesforce_takes_one_kind_of_credentials(credentials: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either client_secret, or username"):
        SalesforceSettings.model_validate({"domain": "acme.my.salesforce.com", "client_id": "c", **credentials})


def test_objects_of_files_take_the_time_zone_of_their_source() -> None:
    files = {**COLUMNS, "format": "csv", "path": "*.csv"}
    objects = {"a": files, "b": {**files, "time_zone": "Asia/Tokyo"}}
    declared = SourceSettings.model_validate({"root": "in", "time_zone": "Europe/Berlin", "objects": objects})
    assert [one.zone for one in declared.objects.values()] == ["Europe/Berlin", "Asia/Tokyo"]
    assert SourceSettings.model_validate({"root": "in", "objects": {"a": files}}).objects["a"].zone == "UTC"


@pytest.mark.parametrize("place", ["source", "object"])
def test_a_time_zone_is_for_files(place: str) -> None:
    zone = {"time_zone": "Europe/Berlin"}
    declared = {"adapter": "salesforce", "salesforce": ORG, "objects": {"a": COLUMNS}}
    declared = declared | zone if place == "source" else declared | {"objects": {"a": COLUMNS | zone}}
    with pytest.raises(ValidationError, match="time_zone is for files"):
        SourceSettings.model_validate(declared)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="is not a time zone such as UTC or Europe/Berlin"):
        ObjectSettings.model_validate({**COLUMNS, "time_zone": "Berlin"})


@pytest.mark.parametrize("name", ["_row_id", "_Is_Deleted", "_uncastable", "_zero_dates"])
def test_a_field_with_the_name_of_a_column_of_validation_is_refused(name: str) -> None:
    fields = {"id": "BIGINT", "at": "TIMESTAMP", name: "VARCHAR"}
    with pytest.raises(ValidationError, match=f"no field can be named {name}"):
        ObjectSettings(key="id", cursor="at", fields=fields)


def test_a_flag_of_deletion_can_have_the_name_of_the_one_that_it_is() -> None:
    fields = {"id": "BIGINT", "at": "TIMESTAMP", "_is_deleted": "BOOLEAN"}
    declared = ObjectSettings(key="id", cursor="at", deleted_flag="_is_deleted", fields=fields)
    assert declared.deleted_flag == "_is_deleted"
