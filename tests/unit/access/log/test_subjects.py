"""A person has one reference; erasure leaves the log whole and the reference without a name."""

from __future__ import annotations

from pathlib import Path

from dataflow.access.log.subjects import Subjects


def test_a_person_has_one_reference_for_all_writers(tmp_path: Path) -> None:
    first = Subjects(tmp_path).references(["ann", "bob", "ann"])
    assert len(set(first)) == len(first) == 2
    assert all(len(bytes.fromhex(one)) == 16 for one in first)
    assert Subjects(tmp_path).references(["bob", "cem"])[0] == first[1]
    assert Subjects(tmp_path).find(["ann", "nobody"]) == first[:1]


def test_without_reads_nothing_is_written(tmp_path: Path) -> None:
    table = Subjects(tmp_path)
    assert (table.references([]), table.find(["ann"]), table.forget(["ann"])) == ([], [], 0)
    assert list(tmp_path.iterdir()) == []


def test_an_erased_person_is_found_in_no_byte_and_gets_another_reference(tmp_path: Path) -> None:
    table = Subjects(tmp_path)
    persons = [f"canary-{number}" for number in range(500)]
    before = table.references(persons)
    assert table.forget(["canary-7", "canary-7", "unknown"]) == 1
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"canary-7\0" not in held.replace(before[7].encode(), b"\0")
    assert before[7].encode() not in held
    assert b"canary-8" in held
    assert table.find(["canary-7"]) == []
    assert table.references(["canary-7"]) != before[7:8]
