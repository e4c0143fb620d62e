"""What was done to a log is named: changed, removed, inserted, cut; by those without the key and by those with it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dataflow.access.log.checkpoint import Head, Signer
from dataflow.access.log.entry import Entry, ReadEnding
from dataflow.access.log.keys import SIGNING_KEY
from dataflow.access.log.segment import FIRST, SEGMENT, Line, leaf_data, line_hash, line_of
from dataflow.access.log.tree import Frontier, leaf_hash
from dataflow.access.log.verify import Anchor, TreeReport, folders_of, key_beside, missing_trees, verify_tree
from dataflow.access.log.writer import LogWriter

ENTRIES = 12
READ = Entry(
    at=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    who="ann",
    authenticated="os user",
    role="engineer",
    purpose="analysis",
    door="query",
    tables=("published.customer_360",),
    columns=("*",),
    rows=1,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log = LogWriter(tmp_path / "laptop-ann")
    for number in range(ENTRIES):
        log.append(replace(READ, rows=number))
    return log.folder


def verify(folder: Path, *anchors: Anchor) -> TreeReport:
    return verify_tree(folder, key_beside(folder), anchors)


def lines(folder: Path) -> list[bytes]:
    return (folder / SEGMENT).read_bytes().splitlines(keepends=True)


def write(folder: Path, changed: list[bytes]) -> None:
    (folder / SEGMENT).write_bytes(b"".join(changed))


def anchor_at(folder: Path, size: int) -> Anchor:
    line, key = Line.parse(lines(folder)[size - 1]), key_beside(folder)
    return Anchor(key.note(line.head(key.name), line.signature), "run daily-1")


def forged(kept: list[bytes], folder: Path, *, private: bytes) -> list[bytes]:
    """Write these entries anew as a log, its heads signed by a key."""
    tree, before, made = Frontier(), FIRST, []
    signer = Signer(key_beside(folder).name, private)
    for raw in kept:
        leaf = leaf_data(tree.size, before, Line.parse(raw).json)
        tree.append(leaf_hash(leaf))
        head = Head(signer.verifier.name, tree.size, tree.root())
        made.append(line_of(leaf, head.root, signer.sign(head)))
        before = line_hash(made[-1])
    return made


def test_a_whole_log_verifies_and_states_its_head(folder: Path) -> None:
    found = verify(folder, anchor_at(folder, 1), anchor_at(folder, 7), anchor_at(folder, ENTRIES))
    assert (found.entries, found.anchors, found.findings, found.notes) == (ENTRIES, 3, (), ())
    assert found.head == anchor_at(folder, ENTRIES).note
    assert [Line.parse(raw).entry for raw in lines(folder)] == [replace(READ, rows=n) for n in range(ENTRIES)]
    assert folders_of(folder.parent) == folders_of(folder) == [folder]


def test_without_an_anchor_it_says_what_it_cannot_see(folder: Path) -> None:
    write(folder, lines(folder)[:-3])
    found = verify(folder)
    assert found.findings == ()
    assert "cannot be seen" in found.notes[0]


def test_each_changed_byte_is_named(folder: Path) -> None:
    whole = (folder / SEGMENT).read_bytes()
    ends = [sum(map(len, lines(folder)[: n + 1])) for n in range(ENTRIES)]
    for place in random.Random(18).sample(range(len(whole)), 150):
        entry = next(n for n, end in enumerate(ends) if place < end)
        changed = bytearray(whole)
        changed[place] ^= 1
        (folder / SEGMENT).write_bytes(changed)
        found = verify(folder, anchor_at_whole(whole, folder))
        said = " ".join((*found.findings, *found.notes))
        assert found.findings
        assert f"entry {entry} " in said or f"entries {entry} to" in said, (place, found)


def anchor_at_whole(whole: bytes, folder: Path) -> Anchor:
    line, key = Line.parse(whole.splitlines(keepends=True)[-1]), key_beside(folder)
    return Anchor(key.note(line.head(key.name), line.signature), "run daily-1")


Change = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize("place", [0, 5, ENTRIES - 2])
def test_a_removed_line_is_named(folder: Path, place: int) -> None:
    kept = lines(folder)
    write(folder, kept[:place] + kept[place + 1 :])
    assert verify(folder).findings[0].startswith(f"entry {place} was removed")


def test_several_removed_lines_are_named(folder: Path) -> None:
    kept = lines(folder)
    write(folder, kept[:3] + kept[6:])
    assert verify(folder).findings[0].startswith("entries 3 to 5 were removed")


@pytest.mark.parametrize("place", [0, 4, ENTRIES - 1])
def test_an_inserted_line_is_named(folder: Path, place: int) -> None:
    kept = lines(folder)
    index, before, _, root, signature = kept[place].split(b"\t")
    false = b"\t".join(
        (index, before, replace(READ, who="eve").encoded(), root, bytes(reversed(signature[:-3])) + b"==\n")
    )
    write(folder, [*kept[:place], false, *kept[place:]])
    assert f"as line {place}" in verify(folder).findings[0]


def test_a_copy_of_a_line_is_named(folder: Path) -> None:
    kept = lines(folder)
    write(folder, [*kept[:7], kept[2], *kept[7:]])
    assert verify(folder).findings[0].startswith("a copy of entry 2 was inserted as line 7")


def test_a_log_written_again_without_the_key_is_named_from_its_first_false_line(folder: Path) -> None:
    kept = lines(folder)
    other = forged([*kept[:4], *kept[5:]], folder, private=bytes(32))
    write(folder, [*kept[:4], *other[4:]])
    assert verify(folder).findings == (
        "entry 4 was changed or inserted: no line from it on has a valid signature"
        f"; the {ENTRIES - 6} lines after it are not verified",
    )


@pytest.mark.parametrize("left", [ENTRIES - 1, 7, 0])
def test_a_cut_tail_is_named_since_an_anchored_head(folder: Path, left: int) -> None:
    anchors = anchor_at(folder, 7), anchor_at(folder, ENTRIES)
    write(folder, lines(folder)[:left])
    (found,) = verify(folder, *anchors).findings
    cut = f"entry {left} is" if left == ENTRIES - 1 else f"entries {left} to {ENTRIES - 1} are"
    assert found.startswith(f"{cut} cut off: run daily-1 anchored {ENTRIES} entries, the log has {left}")


def test_a_log_signed_again_with_its_key_contradicts_an_anchor(folder: Path) -> None:
    anchors = [anchor_at(folder, size) for size in (4, 9, ENTRIES)]
    kept = lines(folder)
    private = (folder / SIGNING_KEY).read_bytes()
    write(folder, forged([*kept[:6], *kept[7:], kept[0]], folder, private=private))
    assert verify(folder).findings == ()
    (found,) = verify(folder, *anchors).findings
    assert found.startswith("entries 4 to 8 are not those that run daily-1 anchored")


def test_an_anchor_by_another_key_is_named(folder: Path) -> None:
    head = Head(key_beside(folder).name, 3, bytes(32))
    other = Signer(head.origin, bytes(32))
    (found,) = verify(folder, Anchor(other.verifier.note(head, other.sign(head)), "run daily-2")).findings
    assert found.startswith("the head that run daily-2 anchored is signed by another key")


def test_a_log_that_is_gone_is_named(folder: Path) -> None:
    anchors = [anchor_at(folder, 3), anchor_at(folder, 9)]
    assert missing_trees([key_beside(folder).name], anchors) == []
    (found,) = missing_trees([], anchors)
    assert found.endswith("is gone: its 9 entries were anchored by run daily-1")


def test_a_torn_last_line_is_no_entry(folder: Path) -> None:
    kept = lines(folder)
    write(folder, [*kept[:-1], kept[-1][:40]])
    found = verify(folder)
    assert (found.entries, found.findings) == (ENTRIES - 1, ())
    assert "40 bytes of a killed process" in found.notes[0]


def test_an_entry_is_canonical_and_complete() -> None:
    entry = replace(READ, outcome=ReadEnding.REFUSED, subjects=("ab",), detail="a\tb\nc")
    assert b"\n" not in entry.encoded()
    assert b"\t" not in entry.encoded()
    assert Entry.decoded(entry.encoded()) == entry
    with pytest.raises(ValueError):
        Entry.decoded(b"[]")
    with pytest.raises(ValueError):
        Entry.decoded(b'{"at":"2026"}')
