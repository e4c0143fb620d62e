"""A small sample for tests, and plain readers of what it delivered; they share nothing with the generator."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Row = dict[str, Any]
SALESFORCE = {"account": "Account", "contact": "Contact", "lead": "Lead"}


def pages(root: Path, name: str, day: str) -> list[Row]:
    """The REST responses of one object and day, in the order of their pages."""
    return [json.loads(path.read_text("utf-8")) for path in sorted((root / "salesforce" / name / day).glob("page-*"))]


def csv_text(path: Path) -> tuple[str, str]:
    """Text and encoding of a ticket file, found as a person would: by its mark, else by trying."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), "utf-16"
    for encoding in ("utf-8-sig", "windows-1252"):
        try:
            return data.decode(encoding), encoding if data[
                :3
            ] == b"\xef\xbb\xbf" or encoding != "utf-8-sig" else "utf-8"
        except UnicodeDecodeError:
            continue
    raise AssertionError(f"no encoding fits {path.name}")


def csv_rows(path: Path) -> Iterator[list[str]]:
    """Raw rows of a ticket file, header first, ragged rows as they are."""
    text, _ = csv_text(path)
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    return csv.reader(text.splitlines(keepends=True), delimiter=delimiter)


def delivered(root: Path, source: str, name: str, day: str) -> list[Row]:
    """Every row of one object and day; ragged ticket rows are cut or padded to the header."""
    if source == "salesforce":
        return [record for page in pages(root, SALESFORCE[name], day) for record in page["records"]]
    if source == "mysql":
        rows: list[Row] = pq.read_table(root / "mysql" / name / f"{day}.parquet").to_pylist()
        return rows
    found = []
    for path in sorted((root / "tickets" / day).glob("*.csv")):
        header, *rows_of_file = csv_rows(path)
        found.extend(dict(zip(header, row, strict=False)) for row in rows_of_file)
    return found


def digest(root: Path) -> dict[str, str]:
    """SHA-256 of every file under a folder, by relative path."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
