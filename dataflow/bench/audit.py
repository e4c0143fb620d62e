"""Measure the access log: an append with its hashes and signature, and the verification of a whole tree."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflow.access.log.checkpoint import Head, Signer
from dataflow.access.log.entry import Entry
from dataflow.access.log.keys import PUBLIC_KEY
from dataflow.access.log.segment import FIRST, SEGMENT, leaf_data, line_hash, line_of
from dataflow.access.log.tree import Frontier, leaf_hash
from dataflow.access.log.verify import key_beside, verify_tree
from dataflow.access.log.writer import LogWriter
from dataflow.bench.figures import keeps
from dataflow.bench.measure import Notify
from dataflow.errors import BenchmarkFailed

_APPENDS = 500
_READ = Entry(
    at=datetime(2026, 1, 1, tzinfo=UTC),
    who="ann",
    authenticated="os user",
    role="engineer",
    purpose="analysis",
    door="query",
    tables=("published.customer_360", "published.orders"),
    columns=("customer_id", "email", "amount"),
    rows=100,
    statement="0" * 64,
)


@dataclass(frozen=True, kw_only=True)
class AuditFigures:
    """One measured step over a log; `bytes` are those of its file. A limit holds for a million entries, or a read."""

    step: str
    entries: int
    seconds: float
    cpu_seconds: float
    bytes: int
    most_seconds: float

    @property
    def limit(self) -> float:
        """Return the most seconds for so many entries, or for one read."""
        size = self.entries / 1_000_000 if self.step == "verify" else 1
        return self.most_seconds * max(size, 1)

    @property
    def target(self) -> str:
        spent = self.seconds if self.step == "verify" else self.cpu_seconds / self.entries
        return keeps(spent, 0, self.limit, None)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"target": self.target}


def measure_audit(entries: int, *, notify: Notify) -> Iterator[AuditFigures]:
    """Record reads as a door does, then verify a log of so many entries. Raises: BenchmarkFailed."""
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        notify(f"{_APPENDS:,} reads are recorded")
        yield _record(Path(folder) / "recorded")
        notify(f"{entries:,} entries are written, unmeasured")
        whole = Path(folder) / "whole"
        write_log(whole, entries)
        notify(f"{entries:,} entries are verified")
        yield _verify(whole, entries)


def write_log(folder: Path, entries: int) -> None:
    """Write a log without the cost of durable appends; only its last line is signed."""
    folder.mkdir()
    signer = Signer("dataflow/bench/0", bytes(range(32)))
    (folder / PUBLIC_KEY).write_text(f"{signer.verifier}\n")
    tree, before = Frontier(), FIRST
    with (folder / SEGMENT).open("wb") as stream:
        for number in range(entries):
            entry = replace(_READ, at=_READ.at + timedelta(seconds=number), rows=number)
            leaf = leaf_data(number, before, entry.encoded())
            tree.append(leaf_hash(leaf))
            head = Head(signer.verifier.name, tree.size, tree.root())
            line = line_of(leaf, head.root, signer.sign(head) if number == entries - 1 else bytes(64))
            stream.write(line)
            before = line_hash(line)


def _record(folder: Path) -> AuditFigures:
    log = LogWriter(folder)
    began, used = time.perf_counter(), time.process_time()
    for number in range(_APPENDS):
        log.end(log.begin(_READ), replace(_READ, rows=number))
    return AuditFigures(
        step="record",
        entries=_APPENDS,
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - used,
        bytes=(folder / SEGMENT).stat().st_size,
        most_seconds=0.001,
    )


def _verify(folder: Path, entries: int) -> AuditFigures:
    began, used = time.perf_counter(), time.process_time()
    found = verify_tree(folder, key_beside(folder))
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    if found.findings or found.entries != entries:
        raise BenchmarkFailed(f"A log of {entries} entries did not verify: {'; '.join(found.findings)}.")
    return AuditFigures(
        step="verify",
        entries=entries,
        seconds=seconds,
        cpu_seconds=cpu,
        bytes=(folder / SEGMENT).stat().st_size,
        most_seconds=30,
    )
