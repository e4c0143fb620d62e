"""`dataflow audit` over a log that was written by hand: what is listed, verified, exported and proved."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dataflow.access.log.checkpoint import head_of
from dataflow.access.log.entry import Entry
from dataflow.access.log.segment import SEGMENT
from dataflow.access.log.subjects import Subjects
from dataflow.access.log.tree import leaf_hash, root_from_inclusion
from dataflow.access.log.verify import key_beside
from dataflow.access.log.writer import LogWriter
from dataflow.cli.main import run

READ = Entry(
    at=datetime(2026, 1, 1, tzinfo=UTC),
    who="ann",
    authenticated="os user",
    role="engineer",
    purpose="analysis",
    door="query",
    tables=("published.orders",),
    columns=("*",),
    rows=3,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    root = tmp_path / "access" / "log"
    log, other = LogWriter(root / "laptop-ann"), LogWriter(root / "laptop-bob")
    (reference,) = Subjects(root).references(["c-1"])
    log.append(READ)
    other.append(replace(READ, who="bob", role="steward", at=datetime(2026, 1, 2, tzinfo=UTC), subjects=(reference,)))
    log.append(replace(READ, tables=("ops.run",), at=datetime(2026, 1, 3, tzinfo=UTC)))
    return tmp_path


def audit(home: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["--home", str(home), "audit", *arguments]) == code
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "entries"),
    [
        ((), ["laptop-ann/1", "laptop-bob/0", "laptop-ann/0"]),
        (("--who", "bob"), ["laptop-bob/0"]),
        (("--role", "engineer"), ["laptop-ann/1", "laptop-ann/0"]),
        (("--table", "ops.run"), ["laptop-ann/1"]),
        (("--subject", "c-1"), ["laptop-bob/0"]),
        (("--subject", "c-2"), []),
        (("--since", "2026-01-02"), ["laptop-ann/1", "laptop-bob/0"]),
        (("--until", "2026-01-02"), ["laptop-ann/0"]),
        (("--limit", "1"), ["laptop-ann/1"]),
    ],
)
def test_reads_are_listed_newest_first(
    home: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], entries: list[str]
) -> None:
    found = json.loads(audit(home, capsys, "list", "-o", "json", *options))
    assert [one["entry"] for one in found] == entries


def test_a_table_for_people_names_who_and_what(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = audit(home, capsys, "list")
    assert "laptop-bob/0" in shown
    assert "steward" in shown


def test_a_whole_log_verifies_and_a_changed_one_ends_with_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(audit(home, capsys, "verify", "-o", "json"))
    assert [(one["entries"], one["findings"]) for one in found["logs"]] == [(2, []), (1, [])]
    head = home / "head.txt"
    head.write_text(found["logs"][0]["head"])
    segment = home / "access" / "log" / "laptop-ann" / SEGMENT
    key = str(segment.with_name("public.key"))
    folder = str(segment.parent)
    assert "whole" in audit(home, capsys, "verify", "--log", folder, "--key", key, "--head", str(head))
    segment.write_bytes(segment.read_bytes().splitlines(keepends=True)[0])
    assert "entry 1 is cut off: the file head.txt" in audit(
        home, capsys, "verify", "--log", folder, "--head", str(head), "-o", "json", code=1
    )


@pytest.mark.parametrize(
    "arguments", [("--log", "missing"), ("--key", "missing"), ("--head", "missing"), ("--log", ".", "--head", ".")]
)
def test_what_is_not_there_is_bad_usage(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    audit(home, capsys, "verify", *arguments, code=2)


@pytest.mark.parametrize("name", ["reads.parquet", "reads.jsonl"])
def test_the_export_holds_every_entry_oldest_first(home: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    audit(home, capsys, "export", "--out", str(home / name))
    if name.endswith("parquet"):
        rows = pq.read_table(home / name).to_pylist()
    else:
        rows = [json.loads(line) for line in (home / name).read_text().splitlines()]
    assert [row["entry"] for row in rows] == ["laptop-ann/0", "laptop-bob/0", "laptop-ann/1"]
    assert rows[0]["tables"] == ["published.orders"]
    audit(home, capsys, "export", "--out", str(home / "reads.csv"), code=2)


def test_a_proof_leads_from_the_entry_to_the_signed_head(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = audit(home, capsys, "prove", "laptop-ann/0") + "\n"
    top, note = proof.split("\n\n", 1)
    version, extra, index, *path = top.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    leaf = b64decode(extra.removeprefix("extra "))
    key = key_beside(home / "access" / "log" / "laptop-ann")
    head = head_of(key.open_note(note.rstrip("\n") + "\n"))
    number = int(index.removeprefix("index "))
    siblings = [b64decode(one) for one in path]
    assert root_from_inclusion(leaf_hash(leaf), siblings, index=number, size=head.size) == head.root
    assert READ.encoded() in leaf
    for name in ("0", "laptop-ann/7", "laptop-ann/x", "other/0"):
        audit(home, capsys, "prove", name, code=2)
