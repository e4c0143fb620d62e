"""Compressed files of a folder: known by their bytes, unpacked while they are read, refused when broken."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.errors import Owner, SourceMalformed, SourceUnavailable
from dataflow.sources import ObjectState, open_source, unpacking
from dataflow.sources.files import compression, delimited
from dataflow.sources.files.store import Folder
from dataflow.workspace.report import list_gaps
from tests.lib.deliveries import (
    DAY,
    PERSON,
    TICKET,
    company,
    deliver_csv,
    deliver_pages,
    opened,
    parts_of,
    person,
    read_rows,
)
from tests.lib.fake_source import ingest

CSV = "ticket_id,subject,updated_at\n" + "".join(f"{number},Größe,2026-03-01\n" for number in range(20_000))


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, "zstd", asbytes=True)
    return packed


def several(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Pack in pieces that follow one another, as tools that append to a file do."""
    return lambda content: pack(content[:1000]) + pack(content[1000:])


PACKERS = pytest.mark.parametrize(
    "pack", [gzip.compress, zstd, several(gzip.compress), several(zstd)], ids=["gzip", "zstd", "gzips", "zstds"]
)


def content_of(file: Path) -> bytes:
    with compression.open_content(Folder(file.parent), *parts_of(file.parent, file)) as stream:
        return stream.read()


@PACKERS
@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_the_first_bytes_decide(tmp_path: Path, pack: Callable[[bytes], bytes], name: str) -> None:
    file = tmp_path / name
    file.write_bytes(pack(CSV.encode()))
    assert content_of(file) == CSV.encode()


@pytest.mark.parametrize("content", [b"", b"a", b"ticket_id\n", b"\x1f", b"\x28\xb5"])
def test_what_is_not_compressed_is_read_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(content)
    assert content_of(file) == content


@PACKERS
@pytest.mark.parametrize("cut", [9, 1000, -1])
def test_what_breaks_off_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes], cut: int) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(pack(CSV.encode())[:cut])
    with pytest.raises(SourceMalformed, match=r"a\.csv\.gz: it is compressed, and breaks off"):
        content_of(file)


def test_bytes_that_were_changed_are_noticed(tmp_path: Path) -> None:
    # Of gzip, which always bears a checksum; Zstandard does where its writer asked for one.
    content = bytearray(gzip.compress(CSV.encode()))
    content[-6] ^= 0xFF
    file = tmp_path / "a.csv.gz"
    file.write_bytes(content)
    with pytest.raises(SourceMalformed, match="breaks off or goes wrong"):
        content_of(file)


@PACKERS
def test_exports_and_pages_are_read_through_it(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    plain = deliver_csv(tmp_path / "desk", CSV)
    (plain.parent / "b.csv.packed").write_bytes(pack(plain.read_bytes()))
    page = deliver_pages(tmp_path / "crm", [person("1")])[0]
    (page.parent / "page-0001.json.packed").write_bytes(pack(page.read_bytes()))
    page.unlink()
    settings = company(
        tmp_path,
        ticket=TICKET.model_copy(update={"path": "{date}/*.csv*"}),
        person=PERSON.model_copy(update={"path": "Person/{date}/page-*.json.packed"}),
    )
    desk, crm = open_source(settings, "desk"), open_source(settings, "crm")
    [window] = desk.plan("ticket", ObjectState())
    fetch = desk.fetch(window)
    payloads = [json.loads(row["payload"]) for row in read_rows(fetch.batches)]
    assert payloads[:20_000] == payloads[20_000:]
    assert set(fetch.report.rows_by_part.values()) == {20_000}
    [window] = crm.plan("person", ObjectState())
    assert [row["record_key"] for row in read_rows(crm.fetch(window).batches)] == ["1"]
    assert [field.name for field in desk.discover()[0].fields] == ["ticket_id", "subject", "updated_at"]


def test_a_compressed_file_that_is_still_being_written_is_read_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "_SMALL_BYTES", 100)
    packed = gzip.compress(CSV.encode())
    file = deliver_csv(tmp_path / "desk", packed[:-100])
    settings = company(tmp_path, ticket=TICKET.model_copy(update={"encoding": "utf-8"}))
    desk = open_source(settings, "desk")
    [window] = desk.plan("ticket", ObjectState())
    batches = desk.fetch(window).batches
    next(batches)
    file.write_bytes(packed[:-50])
    with pytest.raises(SourceUnavailable, match="changed while it was read"):
        list(batches)


BLANKS = b" " * 1024**2


@pytest.mark.parametrize(
    ("pack", "named"),
    [(gzip.compress, "gzip unpack to .* over 500 times"), (zstd, "Zstandard unpack to .* over 2,500 times")],
    ids=["gzip", "zstd"],
)
class TestBombs:
    def test_a_file_that_unpacks_to_far_more_than_records_do_is_refused(
        self, tmp_path: Path, pack: Callable[[bytes], bytes], named: str
    ) -> None:
        file = deliver_csv(tmp_path, pack(BLANKS) * 1000)
        read = 0
        with (
            compression.open_content(Folder(tmp_path), *parts_of(tmp_path, file)) as stream,
            pytest.raises(SourceMalformed, match=rf"Reading {DAY}/a\.csv: .* bytes of {named}") as raised,
        ):
            while content := stream.read(1024**2):
                read += len(content)
        # Unpacking libraries read a piece ahead, which counts as packed bytes.
        assert read <= 3 * unpacking.HARMLESS_BYTES
        assert raised.value.owner is Owner.SOURCE
        assert raised.value.next_move.startswith("If it holds what it should, have it delivered without compression.")

    def test_few_bytes_may_unpack_to_many_times_as_much(
        self, tmp_path: Path, pack: Callable[[bytes], bytes], named: str
    ) -> None:
        file = tmp_path / "a.csv"
        file.write_bytes(pack(BLANKS) * 60)
        assert len(content_of(file)) == 60 * len(BLANKS), named


def test_other_windows_of_its_object_land(tmp_path: Path) -> None:
    deliver_csv(tmp_path / "desk", gzip.compress(BLANKS) * 1000)
    deliver_csv(tmp_path / "desk", CSV, day="2026-03-02")
    settings = company(tmp_path)
    only = settings.model_copy(update={"sources": {"desk": settings.sources["desk"]}})
    with opened(only) as lake:
        gaps = list_gaps(ingest(lake, only, number=1))
        assert list(gaps) == [f"desk.ticket {DAY}"]
        assert "over 500 times as many" in str(gaps)
        assert lake.con.execute("SELECT count(*) FROM lake.raw.desk_ticket").fetchall() == [(20_000,)]


def test_a_page_that_does_not_fit_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "LARGEST_ANSWER_BYTES", 10 * 1024**2)
    deliver_pages(tmp_path / "crm", [person("1", Name="x" * 11 * 1024**2)])
    crm = open_source(company(tmp_path), "crm")
    [window] = crm.plan("person", ObjectState())
    with pytest.raises(SourceMalformed, match="larger than 10,485,760 bytes, the most for one page"):
        list(crm.fetch(window).batches)
