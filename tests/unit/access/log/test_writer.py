"""Entries are appended durably, by several processes, over torn lines and lost caches; the disk can refuse."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dataflow.access.log.entry import Entry, EntryKind, ReadEnding
from dataflow.access.log.keys import HASH_KEY, SIGNING_KEY, read_secret
from dataflow.access.log.segment import SEGMENT, Line
from dataflow.access.log.verify import key_beside, verify_tree
from dataflow.access.log.writer import LogWriter
from dataflow.errors import AccessLogDamaged, AccessLogUnwritable, ConfigurationError

processes = multiprocessing.get_context("forkserver")
READ = Entry(
    at=datetime(2026, 1, 2, tzinfo=UTC),
    who="ann",
    authenticated="os user",
    role="engineer",
    purpose="analysis",
    door="query",
)


def entries(folder: Path) -> list[Entry]:
    """Read a log that verifies."""
    assert verify_tree(folder, key_beside(folder)).findings == ()
    return [Line.parse(raw).entry for raw in (folder / SEGMENT).read_bytes().splitlines(keepends=True)]


def append_many(folder: Path, who: str, count: int) -> None:
    log = LogWriter(folder)
    for number in range(count):
        log.append(replace(READ, who=who, rows=number))


def test_two_processes_append_to_one_tree(tmp_path: Path) -> None:
    workers = [processes.Process(target=append_many, args=(tmp_path / "log", who, 40)) for who in ("ann", "bob")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = entries(tmp_path / "log")
    assert [worker.exitcode for worker in workers] == [0, 0]
    for who in ("ann", "bob"):
        assert [entry.rows for entry in found if entry.who == who] == list(range(40))


def test_a_second_writer_continues_with_and_without_the_cache(tmp_path: Path) -> None:
    append_many(tmp_path, "ann", 35)
    assert json.loads((tmp_path / "frontier").read_text())["size"] == 32
    append_many(tmp_path, "ann", 2)
    (tmp_path / "frontier").write_text('{"size": 9, "bytes": 17, "hashes": []}')
    append_many(tmp_path, "ann", 1)
    (tmp_path / "frontier").unlink()
    assert LogWriter(tmp_path).append(READ) == 38
    assert len(entries(tmp_path)) == 39


@pytest.mark.parametrize("cut", [1, 60, 200])
def test_a_torn_line_is_replaced_by_an_entry_that_says_so(tmp_path: Path, cut: int) -> None:
    append_many(tmp_path, "ann", 3)
    whole = (tmp_path / SEGMENT).read_bytes()
    (tmp_path / SEGMENT).write_bytes(whole[:-cut])
    append_many(tmp_path, "bob", 1)
    *kept, note, last = entries(tmp_path)
    assert [entry.rows for entry in kept] == [0, 1]
    assert note.kind is EntryKind.SET_ASIDE
    assert "torn line" in note.detail
    assert last.who == "bob"


def test_a_torn_line_longer_than_the_note_leaves_no_rest(tmp_path: Path) -> None:
    append_many(tmp_path, "ann", 1)
    with (tmp_path / SEGMENT).open("ab") as stream:
        stream.write(bytes(5000))
    append_many(tmp_path, "bob", 1)
    assert "5000 bytes" in entries(tmp_path)[1].detail


def test_any_other_damage_takes_no_entries(tmp_path: Path) -> None:
    append_many(tmp_path, "ann", 3)
    whole = (tmp_path / SEGMENT).read_bytes()
    (tmp_path / SEGMENT).write_bytes(whole.replace(b'"who":"ann"', b'"who":"eve"', 1))
    with pytest.raises(AccessLogDamaged, match="audit verify"):
        LogWriter(tmp_path).append(READ)
    (tmp_path / SEGMENT).write_bytes(whole[:-10] + b"\n")
    with pytest.raises(AccessLogDamaged):
        LogWriter(tmp_path).append(READ)


def begin_and_hang(folder: Path, started: Any) -> None:
    """Begin one read and end another, then append for ever."""
    log = LogWriter(folder)
    log.end(log.begin(replace(READ, who="done")), replace(READ, who="done", rows=7))
    log.begin(replace(READ, who="hanging", tables=("published.orders",)))
    started.set()
    while True:
        log.append(replace(READ, who="filler"))


@pytest.mark.parametrize("round_", range(3))
def test_a_killed_process_leaves_a_log_that_goes_on_and_its_read_on_record(tmp_path: Path, round_: int) -> None:
    started = processes.Event()
    worker = processes.Process(target=begin_and_hang, args=(tmp_path, started))
    worker.start()
    assert started.wait(60)
    # While it lives its read is not abandoned.
    log = LogWriter(tmp_path)
    log.begin(READ).done()
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    log.begin(READ).done()
    found = [entry for entry in entries(tmp_path) if entry.who not in ("filler", "")]
    assert [(entry.who, entry.rows, entry.outcome) for entry in found] == [
        ("done", 7, ReadEnding.ANSWERED),
        ("hanging", 0, ReadEnding.INTERRUPTED),
    ]
    assert found[1].tables == ("published.orders",)
    log.begin(READ).done()
    assert len([entry for entry in entries(tmp_path) if entry.who == "hanging"]) == 1


def fill_the_disk(folder: Path, told: Any) -> None:
    """Append until the file may not grow: what a full disk looks like to a process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = LogWriter(folder)
    log.append(READ)
    size = (folder / SEGMENT).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, size + 40))
    try:
        log.append(READ)
    except AccessLogUnwritable as error:
        told.put(str(error))


def test_a_full_disk_refuses_the_read_and_leaves_no_part_of_an_entry(tmp_path: Path) -> None:
    told = processes.Queue()
    worker = processes.Process(target=fill_the_disk, args=(tmp_path, told))
    worker.start()
    assert "Nothing is read unlogged" in told.get(timeout=60)
    worker.join()
    assert len(entries(tmp_path)) == 1
    assert (tmp_path / SEGMENT).read_bytes().count(b"\n") == 1


def test_the_keys_are_made_once_and_for_this_user_only(tmp_path: Path) -> None:
    first, second = LogWriter(tmp_path), LogWriter(tmp_path)
    assert first.key == second.key
    assert first.hash_key == second.hash_key
    for name in (SIGNING_KEY, HASH_KEY):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="another signing key"):
        LogWriter(tmp_path, signing_key=bytes(32))


def test_keys_of_the_settings_leave_no_key_on_disk(tmp_path: Path) -> None:
    key = read_secret(SecretStr("A" * 43 + "="), setting="audit.signing_key")
    LogWriter(tmp_path, signing_key=key, hash_key=key).append(READ)
    assert sorted(path.name for path in tmp_path.iterdir()) == [SEGMENT, "open", "public.key"]
    assert read_secret(None, setting="audit.signing_key") is None


@pytest.mark.parametrize("text", ["", "short", "A" * 44, "é"])
def test_what_is_not_a_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_secret(SecretStr(text), setting="audit.hash_key")
    assert not text or text not in str(refused.value)
