"""Pages of an API: records keep their text, promises are held, broken responses are refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import SchemaDrift, SourceIncomplete, SourceMalformed
from dataflow.settings import ObjectSettings
from dataflow.sources import Drift, FetchReport
from dataflow.sources.files import rest_json
from dataflow.sources.files.store import Folder
from tests.lib.deliveries import PERSON, deliver_deleted, deliver_pages, parts_of, person, read_rows


def read(root: Path, *files: Path, declared: ObjectSettings = PERSON, report: FetchReport | None = None) -> list[Any]:
    return read_rows(rest_json.read_pages(Folder(root), parts_of(root, *files), declared, report or FetchReport()))


def page(root: Path, text: str | bytes) -> Path:
    file = root / "Person/2026-03-01/page-0001.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_record_keeps_its_text_to_the_digit(tmp_path: Path) -> None:
    record = '{"Id": "7", "Name": "Zoë",  "SystemModstamp":"2026-03-01T09:30:00.000+0000", "IsDeleted":false, '
    record += '"Amount": 1.10, "Big": 12345678901234567890.1234, "Power": 1e3, "Escaped": "\\u00e9\\n"}'
    file = page(tmp_path, f'{{"totalSize":1,"done":true,"records":[ {record} ]}}\n')
    [row] = read(tmp_path, file)
    assert row["payload"] == record
    assert row["record_key"] == "7"
    assert row["changed_at"].isoformat() == "2026-03-01T09:30:00+00:00"
    assert row["locator"] == "Person/2026-03-01/page-0001.json#record=1"


def test_pages_follow_one_another(tmp_path: Path) -> None:
    files = deliver_pages(tmp_path, [person("1"), person("2")], [person("3")])
    report = FetchReport()
    assert [row["record_key"] for row in read(tmp_path, *files, report=report)] == ["1", "2", "3"]
    assert report.rows_by_part == {
        "Person/2026-03-01/page-0001.json": 2,
        "Person/2026-03-01/page-0002.json": 1,
    }


def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    assert read(tmp_path, *deliver_pages(tmp_path, [])) == []


@pytest.mark.parametrize(
    ("record", "defect"),
    [
        (person("1", attributes={"type": "Cat"}), "attributes.type is not Person"),
        (person("1", attributes={}), "attributes.type is not Person"),
        ("text", "record is not an object"),
        (None, "record is not an object"),
        (person("1"), None),
    ],
)
def test_what_a_record_must_be(tmp_path: Path, record: Any, defect: str | None) -> None:
    [row] = read(tmp_path, *deliver_pages(tmp_path, [record]))
    assert row["defect"] == defect
    assert json.loads(row["payload"]) == record


def test_deleted_flag(tmp_path: Path) -> None:
    rows = read(
        tmp_path, *deliver_pages(tmp_path, [person("1", IsDeleted=True), person("2"), person("3", IsDeleted="true")])
    )
    assert [row["is_deleted"] for row in rows] == [True, False, True]


def test_a_record_without_time_has_no_version(tmp_path: Path) -> None:
    rows = read(tmp_path, *deliver_pages(tmp_path, [person("1", at="yesterday"), person("2", SystemModstamp=None)]))
    assert [row["changed_at"] for row in rows] == [None, None]


def test_fewer_records_than_promised(tmp_path: Path) -> None:
    files = deliver_pages(tmp_path, [person("1")], [person("2")], promised=3)
    with pytest.raises(SourceIncomplete, match="promise 3 records and hold 2"):
        read(tmp_path, *files)


def test_a_missing_last_page(tmp_path: Path) -> None:
    first, _ = deliver_pages(tmp_path, [person("1")], [person("2")])
    with pytest.raises(SourceIncomplete, match="promise 2 records and hold 1"):
        read(tmp_path, first)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"totalSize":1,"done":true,"records":[{"Id":"1","Na', "not complete JSON"),
        ('{"totalSize":1,"done":true,"records":[{"Id":"1"}', "not complete JSON"),
        ('{"totalSize":1,"done":true,"records":[{"Id":"1"}]} x', "not complete JSON"),
        ('{"totalSize":1,"done":true,"records":[{"Id":NaN}]}', "not complete JSON"),
        ("", "not complete JSON"),
        ("[" * 100_000, "not complete JSON"),
        ('{"totalSize":1,"done":true}', "expected a JSON object with the list records"),
        ('{"records":[]}', "has totalSize and done"),
        ('{"totalSize":"x","done":true,"records":[]}', "has totalSize and done"),
        ('[{"message":"secret","errorCode":"INVALID_SESSION_ID"}]', "API's error INVALID_SESSION_ID"),
        (b"\xff\xfe{", "not UTF-8"),
    ],
)
def test_what_is_no_response(tmp_path: Path, text: str | bytes, message: str) -> None:
    file = page(tmp_path, text)
    with pytest.raises(SourceMalformed, match=message) as refused:
        read(tmp_path, file)
    assert "page-0001.json" in str(refused.value)
    assert "secret" not in str(refused.value)
    # A decoder's error holds the whole document.
    assert refused.value.__context__ is None or refused.value.__suppress_context__


def test_a_byte_order_mark_and_spaces_are_no_error(tmp_path: Path) -> None:
    text = '\ufeff { "totalSize" : 1 , "done" : true , "records" : [ {"Id":"1"} ] } '
    assert len(read(tmp_path, page(tmp_path, text), declared=PERSON.model_copy(update={"on_drift": "set_aside"}))) == 1


def test_new_and_gone_fields_are_reported_and_kept(tmp_path: Path) -> None:
    record = person("1", Shoe="42")
    del record["Name"]
    report = FetchReport()
    [row] = read(tmp_path, *deliver_pages(tmp_path, [record]), report=report)
    assert report.drift == Drift(new=("Shoe",), gone=("Name",))
    assert json.loads(row["payload"])["Shoe"] == "42"
    assert row["defect"] is None


def test_a_field_that_one_record_of_the_page_has_is_not_gone(tmp_path: Path) -> None:
    short = person("1")
    del short["Name"]
    report = FetchReport()
    read(tmp_path, *deliver_pages(tmp_path, [short, person("2")]), report=report)
    assert not report.drift


def test_a_page_without_its_key_is_refused(tmp_path: Path) -> None:
    record = person("1")
    del record["Id"]
    with pytest.raises(SchemaDrift, match="key or cursor Id"):
        read(tmp_path, *deliver_pages(tmp_path, [record]))


def test_deletions_are_tombstones(tmp_path: Path) -> None:
    entry = {"id": "9", "deletedDate": f"{'2026-03-01'}T10:00:00.000+0000"}
    file = deliver_deleted(tmp_path, entry, {"id": None, "deletedDate": "?"}, "x")  # type: ignore[arg-type]
    rows = read_rows(rest_json.read_deletions(Folder(tmp_path), parts_of(tmp_path, file), FetchReport()))
    assert [(row["record_key"], row["is_deleted"]) for row in rows] == [("9", True), (None, True), (None, True)]
    assert rows[0]["changed_at"].hour == 10
    assert json.loads(rows[0]["payload"]) == entry


def test_no_type_is_expected_where_the_path_names_none() -> None:
    assert rest_json.expected_type(PERSON) == "Person"
    assert rest_json.expected_type(PERSON.model_copy(update={"path": "{date}/*.json"})) is None
    assert rest_json.expected_type(PERSON.model_copy(update={"path": "all.json"})) is None


def test_describe_names_the_fields(tmp_path: Path) -> None:
    [file] = deliver_pages(tmp_path, [person("1")])
    assert [one.name for one in rest_json.describe(Folder(tmp_path), *parts_of(tmp_path, file), PERSON)] == [
        "Id",
        "IsDeleted",
        "Name",
        "SystemModstamp",
    ]
