"""Exports in a bucket, on a real S3 server over TLS 1.3: found, read, noticed when they change."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataflow.errors import Owner, SourceMalformed, SourceMissing, SourceUnavailable
from dataflow.settings import ObjectSettings, Settings
from dataflow.sources import ObjectState, Part, PlannedWindow, Source, open_source
from dataflow.sources.s3 import stream
from tests.lib.buckets import in_bucket, upload
from tests.lib.cutting_answers import answer_cutter
from tests.lib.deliveries import (
    PERSON,
    TICKET,
    company,
    deliver_csv,
    deliver_deleted,
    deliver_items,
    deliver_pages,
    person,
    read_rows,
)
from tests.lib.servers.s3 import S3Server

CSV = "ticket_id,subject,updated_at\n1,a,2026-03-01\n"
FLAT = TICKET.model_copy(update={"path": "all/*.csv"})

_numbers = itertools.count(1)


class Drop:
    """One bucket, with the writer's client and the company that reads it."""

    def __init__(self, server: S3Server, home: Path) -> None:
        self.server = server
        self.home = home
        self.bucket = f"drop-{next(_numbers)}"
        self.root = f"{server.create_bucket(self.bucket)}/exports"
        self.client = server.client()

    def settings(self, **changed: ObjectSettings) -> Settings:
        return in_bucket(self.home, self.server, self.root, **changed)

    def desk(self, **changed: ObjectSettings) -> Source:
        return open_source(self.settings(**changed), "desk")

    def put(self, path: str, content: str | bytes) -> None:
        body = content if isinstance(content, bytes) else content.encode()
        self.client.put_object(Bucket=self.bucket, Key=f"exports/desk/{path}", Body=body)

    def withdraw(self, path: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"exports/desk/{path}")


@pytest.fixture
def drop(s3_tls: S3Server, tmp_path: Path) -> Drop:
    return Drop(s3_tls, tmp_path)


def plan(source: Source, *landed: PlannedWindow) -> list[PlannedWindow]:
    parts: dict[str, list[Part]] = {}
    for window in landed:
        for part in window.parts:
            parts.setdefault(part.path, []).append(part)
    return source.plan("ticket", ObjectState(parts=parts))


def keys(source: Source, planned: PlannedWindow) -> list[str]:
    return [row["record_key"] for row in read_rows(source.fetch(planned).batches)]


def test_a_bucket_reads_like_a_folder(drop: Drop) -> None:
    deliver_pages(drop.home / "crm", [person("1")], [person("2", IsDeleted=True)])
    deliver_deleted(drop.home / "crm", {"id": "5", "deletedDate": "2026-03-01T10:00:00.000+0000"})
    item = {"id": 7, "price": Decimal("12.30"), "updated_at": None, "deleted_at": None}
    deliver_items(drop.home / "shop", [item])
    deliver_csv(drop.home / "desk", "ticket_id;subject;updated_at\r\n007;NA;2026-03-01\r\n", encoding="utf-16")
    for name in ("crm", "shop", "desk"):
        upload(drop.server, f"{drop.root}/{name}", drop.home / name)
    for name, object_name in (("crm", "person"), ("shop", "item"), ("desk", "ticket")):
        here, there = open_source(company(drop.home), name), open_source(drop.settings(), name)
        [[local], [remote]] = (source.plan(object_name, ObjectState()) for source in (here, there))
        assert local.window == remote.window
        fetched = there.fetch(remote)
        assert read_rows(fetched.batches) == read_rows(here.fetch(local).batches)
        assert fetched.report.rows > 0
        assert there.measure(remote) == here.measure(local)
        assert read_rows(there.deletions(remote)) == read_rows(here.deletions(local))
        assert [one.fields for one in there.discover()] == [one.fields for one in here.discover()]


def test_only_what_the_pattern_names_below_the_prefix(drop: Drop) -> None:
    drop.put("2026-03-01/a.csv", CSV)
    for path in ("2026-03-01/b.txt", "2026-02-30/a.csv", "2026-03-01/deeper/a.csv", "a.csv", "2026-03-01/"):
        drop.put(path, "")
    drop.client.put_object(Bucket=drop.bucket, Key="other/desk/2026-03-01/a.csv", Body=b"")
    [window] = plan(drop.desk())
    assert [(part.path, part.size_bytes) for part in window.parts] == [("2026-03-01/a.csv", len(CSV))]
    with pytest.raises(SourceMissing, match=r"no file under s3://.*/exports/desk matches closed/\*\.csv"):
        drop.desk(ticket=TICKET.model_copy(update={"path": "closed/*.csv"})).plan("ticket", ObjectState())


def test_folders_that_no_object_reads_are_named(drop: Drop) -> None:
    upload(drop.server, f"{drop.root}/crm", deliver_pages(drop.home / "crm", [person("1")])[0].parents[2])
    drop.client.put_object(Bucket=drop.bucket, Key="exports/crm/Invoice/2026-03-01/a.json", Body=b"{}")
    declared, other = open_source(drop.settings(), "crm").discover()
    assert (declared.name, len(declared.fields)) == ("person", 4)
    assert (other.name, other.is_declared) == ("Invoice", False)


def test_a_listing_of_several_pages(drop: Drop) -> None:
    folder = drop.server.folder / drop.bucket / "exports/desk/2026-03-01"
    folder.mkdir(parents=True)
    for number in range(2001):
        (folder / f"{number:04}.csv").touch()  # on the server's disk: a request for each would take seconds
    [window] = plan(drop.desk())
    assert len({part.path for part in window.parts}) == 2001


def test_new_rewritten_and_known_files(drop: Drop) -> None:
    desk = drop.desk()
    drop.put("2026-03-01/a.csv", CSV)
    drop.put("2026-03-02/a.csv", CSV)
    first, second = plan(desk)
    assert plan(desk, first, second) == []
    drop.put("2026-03-02/a.csv", CSV + "2,b,2026-03-02\n")
    drop.put("2026-03-03/a.csv", CSV)
    rewritten, new = plan(desk, first, second)
    assert [window.window.label for window in (rewritten, new)] == ["2026-03-02", "2026-03-03"]
    assert keys(desk, rewritten) == ["1", "2"]
    drop.put("2026-03-02/a.csv", CSV)
    assert plan(desk, first, second, rewritten, new) == []


def test_parts_of_an_upload_are_one_version(drop: Drop) -> None:
    name = {"Bucket": drop.bucket, "Key": "exports/desk/2026-03-01/big.csv"}
    upload_id = drop.client.create_multipart_upload(**name)["UploadId"]
    line = "7,{},2026-03-01\n"
    pieces = [CSV + line.format("x" * 5 * 1024 * 1024), "8,b,2026-03-01\n"]
    tags = []
    for number, piece in enumerate(pieces, start=1):
        sent = drop.client.upload_part(**name, UploadId=upload_id, PartNumber=number, Body=piece.encode())
        tags.append({"PartNumber": number, "ETag": sent["ETag"]})
    drop.put("2026-03-01/a.csv", CSV)
    [window] = plan(drop.desk())
    assert [part.path for part in window.parts] == ["2026-03-01/a.csv"], "a part that was sent is no object yet"
    drop.client.complete_multipart_upload(**name, UploadId=upload_id, MultipartUpload={"Parts": tags})
    [window] = plan(drop.desk(), window)
    assert "-2/" in window.parts[1].fingerprint
    assert keys(drop.desk(), window) == ["1", "1", "7", "8"]


def test_files_without_a_day_belong_to_the_day_they_came(drop: Drop) -> None:
    desk = drop.desk(ticket=FLAT)
    drop.put("all/a.csv", CSV)
    [window] = plan(desk)
    assert window.window.start.date() == window.parts[0].modified_at.date()
    pages = PERSON.model_copy(update={"path": "pages/*.json", "deletions": ""})
    client_root = f"{drop.root}/crm"
    folder = deliver_pages(drop.home / "crm", [person("1")])[0].parent
    upload(drop.server, f"{client_root}/pages", folder)
    [whole] = open_source(drop.settings(person=pages), "crm").plan("person", ObjectState())
    assert whole.window.label == "all", "pages of one response may not be torn apart"


@pytest.mark.parametrize(
    ("when", "change", "error", "words"),
    [
        ("before it is read", lambda drop: drop.put("2026-03-01/a.csv", CSV * 2), SourceUnavailable, "was rewritten"),
        ("before it is read", lambda drop: drop.withdraw("2026-03-01/a.csv"), SourceMissing, "is gone"),
        ("between two ranges", lambda drop: drop.put("2026-03-01/a.csv", CSV * 2), SourceUnavailable, "was rewritten"),
    ],
    ids=["rewritten before", "withdrawn before", "rewritten between"],
)
def test_an_object_that_is_no_longer_the_planned_one(
    drop: Drop,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    change: Callable[[Drop], None],
    error: type[Exception],
    words: str,
) -> None:
    rows = "".join(f"{number},{'x' * 100},2026-03-01\n" for number in range(60_000))
    drop.put("2026-03-01/a.csv", "ticket_id,subject,updated_at\n" + rows)
    monkeypatch.setattr(stream, "RANGE_BYTES", 500_000)
    desk = drop.desk(ticket=TICKET.model_copy(update={"encoding": "utf-8"}))
    [window] = plan(desk)
    batches = desk.fetch(window).batches
    if when == "between two ranges":
        assert next(batches).num_rows > 0
    change(drop)
    with pytest.raises(error, match=words):
        list(batches)
    if error is SourceUnavailable:
        [again] = plan(desk)
        assert keys(desk, again) == ["1", "ticket_id", "1"], "the next run takes it as it is then"


def test_a_connection_that_is_cut_goes_on_where_it_was(drop: Drop) -> None:
    rows = "".join(f"{number},{'x' * 500},2026-03-01\n" for number in range(20_000))
    drop.put("2026-03-01/a.csv", "ticket_id,subject,updated_at\n" + rows)
    with answer_cutter(drop.server.port) as cutter:
        settings = drop.settings()
        reached = drop.server.settings.model_copy(update={"endpoint": f"127.0.0.1:{cutter.port}"})
        desk_settings = settings.sources["desk"].model_copy(update={"s3": reached})
        desk = open_source(settings.model_copy(update={"sources": {"desk": desk_settings}}), "desk")
        [window] = plan(desk)
        cutter.cut(after_bytes=2_000_000, times=3)
        assert keys(desk, window) == [str(number) for number in range(20_000)]
        assert cutter.cuts == 3
        cutter.cut(after_bytes=10_000, times=100)
        with pytest.raises(SourceUnavailable, match="the connection was lost"):
            keys(desk, window)


PACKERS = pytest.mark.parametrize(
    "pack", [gzip.compress, lambda content: pa.compress(content, "zstd", asbytes=True)], ids=["gzip", "zstd"]
)


@PACKERS
def test_compressed_exports(drop: Drop, pack: Callable[[bytes], bytes]) -> None:
    desk = drop.desk(ticket=TICKET.model_copy(update={"path": "{date}/*.csv*"}))
    packed = pack(CSV.encode("utf-16"))
    drop.put("2026-03-01/a.csv.packed", packed)
    [window] = plan(desk)
    assert keys(desk, window) == ["1"]
    drop.put("2026-03-01/a.csv.packed", packed[:-5])
    [window] = plan(desk)
    with pytest.raises(SourceMalformed, match="breaks off or goes wrong on unpacking"):
        keys(desk, window)


@PACKERS
def test_an_object_that_unpacks_to_far_more_than_records_do_is_refused(
    drop: Drop, pack: Callable[[bytes], bytes]
) -> None:
    drop.put("2026-03-01/a.csv", pack(b" " * 1024**2) * 4000)
    desk = drop.desk()
    [window] = plan(desk)
    with pytest.raises(SourceMalformed, match=r"Reading 2026-03-01/a\.csv: .* times as many") as raised:
        keys(desk, window)
    assert raised.value.owner is Owner.SOURCE


def test_withdrawn_and_returned_files_are_noted_once(drop: Drop) -> None:
    desk = drop.desk()
    drop.put("2026-03-01/a.csv", CSV)
    drop.put("2026-03-01/b.csv", CSV)
    [landed] = plan(desk)
    drop.withdraw("2026-03-01/a.csv")
    [gone] = plan(desk, landed)
    fetch = desk.fetch(gone)
    assert [row["record_key"] for row in read_rows(fetch.batches)] == ["1"]
    assert fetch.report.notes["2026-03-01/a.csv"] == "withdrawn since it was read; its rows stay in raw"
    assert plan(desk, landed, gone) == []
    drop.withdraw("2026-03-01/b.csv")
    [empty] = plan(desk, landed, gone)
    assert read_rows(desk.fetch(empty).batches) == []
    drop.put("2026-03-01/a.csv", CSV)
    [back] = plan(desk, landed, gone, empty)
    fetch = desk.fetch(back)
    assert len(read_rows(fetch.batches)) == 1
    assert "is there again after it was withdrawn" in fetch.report.notes["2026-03-01/a.csv"]
    assert plan(desk, landed, gone, empty, back) == []


def test_since_and_until_choose_days(drop: Drop) -> None:
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        drop.put(f"{day}/a.csv", CSV)
    chosen: dict[str, Any] = {"since": datetime(2026, 3, 2, tzinfo=UTC), "until": datetime(2026, 3, 3, tzinfo=UTC)}
    assert [window.window.label for window in drop.desk().plan("ticket", ObjectState(), **chosen)] == ["2026-03-02"]


def test_a_last_line_without_line_end_waits_for_an_unchanged_object(drop: Drop) -> None:
    drop.put("2026-03-01/a.csv", CSV + "2,cut o,2026-03-01")
    [first] = plan(drop.desk())
    assert keys(drop.desk(), first) == ["1"]
    # Unchanged since it was landed: the line is whole.
    [second] = plan(drop.desk(), first)
    assert keys(drop.desk(), second) == ["1", "2"]
    assert plan(drop.desk(), first, second) == []
    drop.put("2026-03-01/a.csv", CSV + "2,cut off,2026-03-01\n")
    [third] = plan(drop.desk(), first, second)
    assert keys(drop.desk(), third) == ["1", "2"]
