"""The files adapter: objects, windows, batches, measures and deletions of a folder."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dataflow.errors import SourceMissing, SourceUnavailable, UsageError
from dataflow.sources import FieldInfo, ObjectState, PlannedWindow, open_source
from dataflow.sources.files import FilesSource
from tests.lib.deliveries import (
    PERSON,
    TICKET,
    company,
    deliver_csv,
    deliver_deleted,
    deliver_pages,
    person,
    read_rows,
)

CSV = "ticket_id,subject,updated_at\n1,a,2026-03-01\n"


@pytest.fixture
def crm(tmp_path: Path) -> FilesSource:
    root = tmp_path / "crm"
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        deliver_pages(root, [person(f"{day}-1"), person("gone", IsDeleted=True)], day=day)
    deliver_deleted(root, {"id": "5", "deletedDate": "2026-03-01T10:00:00.000+0000"})
    source = open_source(company(tmp_path), "crm")
    assert isinstance(source, FilesSource)
    return source


def plan(source: FilesSource, state: ObjectState | None = None) -> list[PlannedWindow]:
    return source.plan("person", state or ObjectState())


def days(windows: list[PlannedWindow]) -> list[str]:
    return [planned.window.label for planned in windows]


def test_windows_are_days_oldest_first(crm: FilesSource) -> None:
    assert days(plan(crm)) == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert [part.path for part in plan(crm)[0].parts] == [
        "Person/2026-03-01/deleted.json",
        "Person/2026-03-01/page-0001.json",
    ]


def test_since_and_until_choose_days(crm: FilesSource) -> None:
    chosen = crm.plan(
        "person",
        ObjectState(),
        since=datetime(2026, 3, 2, tzinfo=UTC),
        until=datetime(2026, 3, 3, tzinfo=UTC),
    )
    assert days(chosen) == ["2026-03-02"]


def test_what_is_landed_is_not_planned_until_its_bytes_change(crm: FilesSource) -> None:
    landed = ObjectState(parts={part.path: [part] for planned in plan(crm) for part in planned.parts})
    assert plan(crm, landed) == []
    deliver_pages(crm.root, [person("other")], day="2026-03-02")
    [again] = plan(crm, landed)
    assert again.window.label == "2026-03-02"


def test_a_fingerprint_is_of_bytes_and_declaration(crm: FilesSource, tmp_path: Path) -> None:
    first = plan(crm)[0].fingerprint
    assert plan(crm)[0].fingerprint == first
    changed = company(tmp_path, person=PERSON.model_copy(update={"deleted_flag": ""}))
    assert open_source(changed, "crm").plan("person", ObjectState())[0].fingerprint != first
    checked = company(tmp_path, person=PERSON.model_copy(update={"json_schema": "x"}))
    assert open_source(checked, "crm").plan("person", ObjectState())[0].fingerprint == first


def test_fetching_gives_records_and_deletions(crm: FilesSource) -> None:
    fetch = crm.fetch(plan(crm)[0])
    rows = read_rows(fetch.batches)
    assert [(row["record_key"], row["is_deleted"]) for row in rows] == [
        ("2026-03-01-1", False),
        ("gone", True),
        ("5", True),
    ]
    assert fetch.report.rows == 3


def test_deletions_come_from_their_own_response_or_from_the_rows(crm: FilesSource, tmp_path: Path) -> None:
    assert [row["record_key"] for row in read_rows(crm.deletions(plan(crm)[0]))] == ["5"]
    flagged = open_source(company(tmp_path, person=PERSON.model_copy(update={"deletions": ""})), "crm")
    [first, *_] = flagged.plan("person", ObjectState())
    assert [row["record_key"] for row in read_rows(flagged.deletions(first))] == ["gone"]


def test_a_measure_is_of_the_source_as_it_is_now(crm: FilesSource) -> None:
    first, second, _ = plan(crm)
    assert crm.measure(first).count == 3
    assert crm.measure(first) == crm.measure(first)
    assert crm.measure(first) != crm.measure(second)


def test_a_file_rewritten_since_it_was_planned_is_refused(crm: FilesSource) -> None:
    first = plan(crm)[0]
    deliver_pages(crm.root, [person("1"), person("2"), person("3")])
    with pytest.raises(SourceUnavailable, match="changed while it was read"):
        read_rows(crm.fetch(first).batches)


def test_discovery_names_fields_and_what_is_not_read(crm: FilesSource) -> None:
    (crm.root / "Invoice").mkdir()
    declared, other = crm.discover()
    assert (declared.name, declared.is_declared, len(declared.fields)) == ("person", True, 4)
    assert (other.name, other.is_declared, other.fields) == ("Invoice", False, ())


def test_discovery_of_a_source_whose_folders_are_days(tmp_path: Path) -> None:
    deliver_csv(tmp_path / "desk", CSV)
    [ticket] = open_source(company(tmp_path), "desk").discover()
    # Text may hold any type: none is stated, and none differs from the declaration.
    assert ticket.fields == tuple(FieldInfo(name) for name in ("ticket_id", "subject", "updated_at"))


def test_discovery_where_nothing_was_delivered(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    [item] = open_source(company(tmp_path), "shop").discover()
    assert item.fields == ()


def test_an_object_without_any_file(tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    with pytest.raises(SourceMissing, match=r"crm\.person: no file under .* matches Person/\{date\}/page"):
        open_source(company(tmp_path), "crm").plan("person", ObjectState())


def test_names_that_are_not_declared(tmp_path: Path, crm: FilesSource) -> None:
    with pytest.raises(UsageError, match="no object invoice; it declares person"):
        crm.plan("invoice", ObjectState())
    with pytest.raises(UsageError, match=r"no source erp\. There are: crm, desk, shop"):
        open_source(company(tmp_path), "erp")


def test_a_path_without_a_day_is_one_window(tmp_path: Path) -> None:
    deliver_csv(tmp_path / "desk", CSV, day="exports")
    settings = company(tmp_path, ticket=TICKET.model_copy(update={"path": "exports/*.csv"}))
    [planned] = open_source(settings, "desk").plan("ticket", ObjectState())
    assert planned.window.label == "all"
