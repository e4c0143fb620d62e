"""Messages to the next committer: written whole, read in order, taken once."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lakehouse import (
    Inbox,
    LakeConflict,
    LakeLocation,
    LakeUnreachable,
    LakeUnwritable,
    MessageFolder,
    MessageTooLarge,
    S3Access,
    S3Keys,
)
from lakehouse.inbox import LARGEST_MESSAGE_BYTES, InboxContents, claim, laid_over, without_taken
from lakehouse.location import PostgresCatalogue
from tests.lib.inboxes import NOTE, TAKEN, inbox_of, noted, take, write
from tests.lib.lakes import EVENT, local_lake, opened

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


def files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def ids(contents: InboxContents) -> list[str]:
    return [message.id for message in contents.messages]


def test_what_is_written_is_read(folder: Path) -> None:
    inbox = Inbox(MessageFolder(folder))
    body = {"text": "Zoë \U0001f600 \x00 \\u0000", "list": ["a", 1, None, True], "nested": {"x": 1.5}}
    written = inbox.write("some_kind", author="ann", body=body, now=NOON)
    assert Inbox(MessageFolder(folder)).read() == InboxContents((written,))
    assert (written.author, written.written_at, written.body) == ("ann", NOON, body)
    assert written.id.startswith("20260301T120000000000Z-")
    assert InboxContents((written,)).of_kind("other") == ()


@pytest.mark.parametrize(("umask", "of_file", "of_folder"), [(0o077, 0o600, 0o700), (0o007, 0o660, 0o770)])
def test_who_may_read_a_message_is_for_the_umask_to_say(umask: int, of_file: int, of_folder: int, folder: Path) -> None:
    before = os.umask(umask)
    try:
        message = write(Inbox(MessageFolder(folder)), 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / f"{message.id}.json").stat().st_mode) == of_file
    assert stat.S_IMODE(folder.stat().st_mode) == of_folder


def test_a_folder_that_is_not_there_is_an_empty_inbox(folder: Path) -> None:
    assert Inbox(MessageFolder(folder)).read() == InboxContents()
    assert not folder.exists()


def test_a_thousand_messages_come_in_the_order_they_were_written(folder: Path) -> None:
    first, second = (Inbox(MessageFolder(folder)) for _ in range(2))
    written = [first.write("note", author="ann", body={"number": number}, now=NOON).id for number in range(500)]
    # the second writer comes after all that was there, although the clock stands still
    written += [second.write("note", author="bob", body={"number": n}, now=NOON).id for n in range(500, 1_000)]
    read = first.read()
    assert ids(read) == written == sorted(set(written))
    assert [message.body["number"] for message in read.messages] == list(range(1_000))


def test_a_clock_set_back_puts_no_answer_before_its_question(folder: Path) -> None:
    question = Inbox(MessageFolder(folder)).write("note", author="ann", body={}, now=NOON)
    answering = Inbox(MessageFolder(folder))
    answer = answering.write("note", author="bob", body={}, now=NOON - timedelta(days=1))
    assert ids(answering.read()) == [question.id, answer.id]
    assert answer.written_at == NOON - timedelta(days=1)


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": "\udc80"}])
def test_what_no_reader_could_take_is_not_written(folder: Path, body: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Inbox(MessageFolder(folder)).write("note", author="ann", body=body, now=NOON)
    assert not folder.exists()


def test_a_message_has_a_largest_size(folder: Path) -> None:
    with pytest.raises(MessageTooLarge, match="the limit is 1,000,000"):
        Inbox(MessageFolder(folder)).write("note", author="ann", body={"x": "a" * LARGEST_MESSAGE_BYTES}, now=NOON)
    assert not folder.exists()


def test_a_name_is_given_once(folder: Path) -> None:
    """Many writers at once: one gets the name, and its file is complete."""
    store, refused, barrier = MessageFolder(folder), [], threading.Barrier(8)
    texts = [bytes([number]) * 5_000 for number in range(8)]

    def put(text: bytes) -> None:
        barrier.wait()
        try:
            store.put_if_absent("name", text)
        except FileExistsError:
            refused.append(text)

    threads = [threading.Thread(target=put, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert store.read("name", limit=10_000) in set(texts) - set(refused)
    assert files(folder) == ["name"]


DIES = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from lakehouse import Inbox, MessageFolder
whole = os.link
def die(*arguments):
    if sys.argv[2] == "after": whole(*arguments)
    os._exit(9)
os.link = die
Inbox(MessageFolder(Path(sys.argv[1]))).write("note", author="ann", body={"number": 1}, now=datetime.now(UTC))
"""


@pytest.mark.parametrize(("when", "count"), [("before", 0), ("after", 1)])
def test_a_killed_writer_leaves_a_whole_message_or_none(folder: Path, when: str, count: int) -> None:
    done = subprocess.run([sys.executable, "-c", DIES, str(folder), when], check=False)
    assert done.returncode == 9
    inbox = Inbox(MessageFolder(folder))
    assert [message.body for message in inbox.read().messages] == [{"number": 1}] * count
    [draft] = folder.glob(".*")
    write(inbox, 2)
    assert draft.exists(), "a young draft may be another writer's"
    os.utime(draft, (0, 0))
    write(inbox, 3)
    assert not draft.exists()
    assert len(inbox.read().messages) == count + 2


WHOLE = {"id": "", "kind": "note", "author": "ann", "written_at": NOON.isoformat(), "body": {}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(WHOLE).encode(),  # under another name than its id
        json.dumps({**WHOLE, "id": "20260301T120000000000Z-0123456789abcdef", "kind": "../x"}).encode(),
        json.dumps({**WHOLE, "id": "20260301T120000000000Z-0123456789abcdef", "written_at": "noon"}).encode(),
        json.dumps({**WHOLE, "id": "20260301T120000000000Z-0123456789abcdef", "body": {"x": "\ud800"}}).encode(),
        json.dumps({**WHOLE, "id": "20260301T120000000000Z-0123456789abcdef", "body": {"x": float("inf")}}).encode(),
        b" " * (LARGEST_MESSAGE_BYTES + 1),
    ],
)
def test_a_damaged_file_is_named_and_kept_and_stops_nothing(folder: Path, content: bytes) -> None:
    inbox = Inbox(MessageFolder(folder))
    good = write(inbox, 1)
    name = "20260301T120000000000Z-0123456789abcdef.json"
    (folder / name).write_bytes(content)
    assert inbox.read() == InboxContents((good,), damaged=(name,))
    inbox.set_aside([name])
    assert inbox.read() == InboxContents((good,), set_aside=(name,))
    assert (folder / "set-aside" / name).read_bytes() == content


@pytest.mark.parametrize(
    "name",
    [
        "README",
        "20260301T120000000000Z.json",
        "20261301T120000000000Z-0123456789abcdef.json",
        "99991231T235959999999Z-0123456789abcdef.json",
        "a.json.orig",
    ],
)
def test_a_foreign_file_is_set_aside_even_twice(folder: Path, name: str) -> None:
    inbox = Inbox(MessageFolder(folder))
    for number in range(2):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(str(number))
        assert inbox.read().damaged == (name,)
        inbox.set_aside([name, "gone meanwhile"])
    kept = inbox.read().set_aside
    assert len(kept) == 2
    assert {(folder / "set-aside" / one).read_text() for one in kept} == {"0", "1"}


def test_a_link_or_a_folder_in_the_place_of_a_message_is_not_read(folder: Path, tmp_path: Path) -> None:
    inbox = Inbox(MessageFolder(folder))
    message = write(inbox, 1)
    (tmp_path / "elsewhere.json").write_bytes((folder / f"{message.id}.json").read_bytes())
    inbox.remove([message.id, message.id])
    (folder / f"{message.id}.json").symlink_to(tmp_path / "elsewhere.json")
    other = "0" if message.id[-1] != "0" else "1"
    (folder / f"{message.id[:-1]}{other}.json").mkdir()
    found = inbox.read()
    assert (found.messages, len(found.unreadable)) == ((), 2)


def test_an_inbox_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeUnwritable, match="Writing a message to the inbox"):
        MessageFolder(tmp_path / "file" / "inbox").put_if_absent("name", b"")
    with pytest.raises(LakeUnreachable, match="Reading the inbox"):
        write(Inbox(MessageFolder(tmp_path / "file" / "inbox")), 1)


@pytest.mark.parametrize(
    ("catalogue", "data", "own", "expected"),
    [
        (Path("/l/cat.ducklake"), Path("/d/data"), None, Path("/l/cat.ducklake.inbox")),
        (Path("/l/cat.ducklake"), "s3://b/data", None, Path("/l/cat.ducklake.inbox")),
        (PostgresCatalogue(host="h", database="d", user="u"), Path("/d/data"), None, Path("/d/data.inbox")),
        (PostgresCatalogue(host="h", database="d", user="u"), "s3://b/data/", None, "s3://b/data.inbox"),
        (PostgresCatalogue(host="h", database="d", user="u"), "s3://b", None, None),
        (PostgresCatalogue(host="h", database="d", user="u"), "s3://b", "s3://c/x", "s3://c/x"),
        (PostgresCatalogue(host="h", database="d", user="u"), "s3://b/data", Path("/x"), Path("/x")),
    ],
)
def test_the_inbox_is_where_all_who_use_the_lake_find_it(
    catalogue: Path | PostgresCatalogue, data: Path | str, own: Path | str | None, expected: Path | str | None
) -> None:
    s3 = S3Access(keys=partial(S3Keys, key_id="k", secret="s")) if isinstance(data, str) else None
    place = LakeLocation(catalogue=catalogue, data=data, published=Path("/p"), s3=s3, inbox=own)
    assert place.inbox_place == expected


def test_messages_are_taken_once_and_removed(location: LakeLocation) -> None:
    inbox = inbox_of(location)
    with opened(location) as lake:
        lake.ensure((NOTE, TAKEN))
        written = [write(inbox, number).id for number in range(3)]
        assert take(lake, inbox) == written
        assert inbox.read() == InboxContents()
        assert take(lake, inbox) == []
        last = write(inbox, 3).id
        assert take(lake, inbox) == [last]
        assert noted(lake) == [*written, last]


def test_a_message_left_behind_by_a_taker_that_died_is_taken_by_none(location: LakeLocation) -> None:
    inbox = inbox_of(location)
    with opened(location) as lake:
        lake.ensure((NOTE, TAKEN))
        message = write(inbox, 1)
        file = Path(str(inbox)) / f"{message.id}.json"
        content = file.read_bytes()
        take(lake, inbox)
        file.write_bytes(content)  # as if it had died before it removed it
        assert without_taken(lake.con, inbox.read(), relation=TAKEN.in_lake) == InboxContents()
        assert take(lake, inbox) == []
        assert noted(lake) == [message.id]


def test_a_commit_that_read_before_another_took_is_refused(location: LakeLocation) -> None:
    with opened(location) as lake:
        lake.ensure((NOTE, TAKEN))
        lake.con.execute(f"INSERT INTO {TAKEN.in_lake} VALUES ('one')")
        claim(lake.con, "SELECT 'two' AS message_id", taken=TAKEN, is_alone=True)
        with pytest.raises(LakeConflict, match="has taken 1 of them"):
            claim(lake.con, "SELECT unnest(['one', 'two']) AS message_id", taken=TAKEN, is_alone=True)


def test_a_lake_of_an_earlier_version_has_taken_none(location: LakeLocation) -> None:
    inbox = inbox_of(location)
    message = write(inbox, 1)
    with opened(location) as lake:
        assert without_taken(lake.con, inbox.read(), relation=TAKEN.in_lake).messages == (message,)


def test_an_empty_inbox_costs_no_statement() -> None:
    with duckdb.connect() as con:
        con.close()
        assert without_taken(con, InboxContents(), relation=TAKEN.in_lake) == InboxContents()


def test_rows_laid_over_a_table_replace_those_of_their_keys(location: LakeLocation) -> None:
    with opened(location) as lake:
        lake.con.execute(
            "INSERT INTO lake.raw.event (worker, number, line, body) VALUES ('a', 1, 1, 'old'), ('b', 1, 1, 'kept')"
        )
        rows = "SELECT unnest(['new', 'also']) AS body, unnest(['a', 'c']) AS worker, 1 AS number"
        found = lake.con.execute(f"FROM {laid_over(EVENT, rows)} ORDER BY worker").fetchall()
    assert found == [("a", 1, None, "new"), ("b", 1, 1, "kept"), ("c", 1, None, "also")]


def test_two_lakes_in_one_folder_have_two_inboxes(tmp_path: Path) -> None:
    one = local_lake(tmp_path)
    other = LakeLocation(catalogue=tmp_path / "other.ducklake", data=tmp_path / "other", published=tmp_path / "p")
    assert one.inbox_place != other.inbox_place
