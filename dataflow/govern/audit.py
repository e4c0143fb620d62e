"""Audit the access log: verify it against the heads that the lake, a bucket or a person kept; export it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflow.access.log.anchors import anchors_in_bucket, anchors_in_lake
from dataflow.access.log.checkpoint import VerifierKey, split_note
from dataflow.access.log.history import Logged
from dataflow.access.log.place import is_of_this_machine, log_root
from dataflow.access.log.subjects import Subjects
from dataflow.access.log.verify import Anchor, TreeReport, folders_of, key_beside, missing_trees, verify_tree
from dataflow.access.pipeline import open_published
from dataflow.errors import UsageError
from dataflow.settings import Settings
from dataflow.tables.subject import Subject
from lakehouse import LakeError

_BATCH_ROWS = 10_000
_COLUMNS: dict[str, type] = {
    "entry": str,
    "at": str,
    "who": str,
    "authenticated": str,
    "role": str,
    "purpose": str,
    "door": str,
    "kind": str,
    "outcome": str,
    "tables": tuple,
    "columns": tuple,
    "rows": int,
    "masked": bool,
    "subjects": tuple,
    "statement": str,
    "as_of": str,
    "detail": str,
}


def verify_log(
    root: Path, *, anchors: Sequence[Anchor], keys: Sequence[VerifierKey] = ()
) -> tuple[list[TreeReport], list[str]]:
    """Verify every tree below a folder; return the reports, and findings on trees that are gone.

    `keys` are copies of the public keys kept elsewhere; without, those beside the log are used.
    """
    trusted = {key.name: key for key in keys}
    reports, known = [], []
    for folder in folders_of(root):
        try:
            key = key_beside(folder)
        except (OSError, ValueError):
            reports.append(_without_key(folder))
            continue
        known.append(key.name)
        chosen = trusted.get(key.name, key) if trusted else key
        found = verify_tree(folder, chosen, anchors)
        if trusted and key.name not in trusted:
            found = _with_note(found, "no given key has its name: verified by the key beside it")
        reports.append(found)
    lost = missing_trees(known, anchors)
    lost += [f"the log {name} is gone: there are no files of the given key" for name in trusted if name not in known]
    return reports, lost


def known_anchors(settings: Settings) -> tuple[list[Anchor], list[str]]:
    """Return the heads that the lake and the bucket keep, and notes on what could not be asked."""
    found: list[Anchor] = []
    notes = []
    try:
        with closing(open_published(settings)) as con:
            found += anchors_in_lake(con)
    except LakeError as error:
        notes.append(f"the heads anchored in the lake were not compared: {type(error).__name__}")
    if settings.audit.anchor_bucket:
        found += anchors_in_bucket(settings)
    return _of_this_machine(settings, found, notes)


def _of_this_machine(settings: Settings, found: list[Anchor], notes: list[str]) -> tuple[list[Anchor], list[str]]:
    """Leave out the heads of logs that other machines keep; several machines can share one lake."""
    here = {key.name for key in _keys_in(log_root(settings))}
    others = {anchor.head.origin for anchor in found if not is_of_this_machine(anchor.head.origin)} - here
    if others:
        notes = [*notes, f"logs of other machines are verified there, or with --log: {', '.join(sorted(others))}"]
    return [anchor for anchor in found if anchor.head.origin not in others], notes


def _keys_in(root: Path) -> Iterator[VerifierKey]:
    for folder in folders_of(root):
        with suppress(OSError, ValueError):
            yield key_beside(folder)


def read_keys(file: Path) -> list[VerifierKey]:
    """Read verifier keys, one a line. Raises: UsageError."""
    try:
        return [VerifierKey.parse(line) for line in file.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} does not hold verifier keys: {type(error).__name__}.",
            next_move="Give a copy of the file public.key of a log.",
        ) from None


def read_anchor(file: Path) -> Anchor:
    """Read a signed head that a person kept. Raises: UsageError."""
    try:
        anchor = Anchor(file.read_text(), f"the file {file.name}")
        split_note(anchor.note)
        _ = anchor.head
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} does not hold a signed head: {type(error).__name__}.",
            next_move="Give a file with a head as the run report and `dataflow audit verify -o json` show it.",
        ) from None
    return anchor


def references_of(settings: Settings, customer_id: str) -> frozenset[str]:
    """Return the references that stand for a customer in the log; empty if nothing about it was read."""
    return frozenset(Subjects(log_root(settings)).find([customer_id]))


def forget_subject(settings: Settings, subject: Subject) -> int:
    """Empty the references of an erased person; the log stays whole and names the person no more."""
    return Subjects(log_root(settings)).forget(sorted(subject.customer_ids))


def export_log(found: Iterator[Logged], out: Path) -> int:
    """Write entries as Parquet or JSON lines, by the name of the file; return how many. Raises: UsageError."""
    if out.suffix not in (".parquet", ".jsonl"):
        raise UsageError(f"{out.name} is neither .parquet nor .jsonl.", next_move="Name a file of one of these kinds.")
    rows = (one.as_dict() for one in found)
    return _write_parquet(rows, out) if out.suffix == ".parquet" else _write_lines(rows, out)


def _write_lines(rows: Iterator[dict[str, Any]], out: Path) -> int:
    count = 0
    with out.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_parquet(rows: Iterator[dict[str, Any]], out: Path) -> int:
    from itertools import islice

    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), tuple: pa.list_(pa.string())}
    schema = pa.schema([(name, kinds[kind]) for name, kind in _COLUMNS.items()])
    count = 0
    with pq.ParquetWriter(out, schema) as writer:
        while batch := list(islice(rows, _BATCH_ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _without_key(folder: Path) -> TreeReport:
    return TreeReport(
        origin=folder.name,
        folder=folder,
        entries=0,
        anchors=0,
        findings=("its public key is missing or damaged: give a copy with --key",),
    )


def _with_note(found: TreeReport, note: str) -> TreeReport:
    return replace(found, notes=(*found.notes, note))
