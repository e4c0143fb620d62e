"""Read key, version and deletion of an object's rows in raw again, by the fields that are declared now.

Raw keeps rows as received, so a changed declaration needs no second delivery. Rows whose text is not a row of fields
(it did not fit its header) stay as they were landed. So do deletions that name their record and nothing else where the
new key has other fields: which records of the new key they delete is unknown.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| reread | row_id, record_key, changed_at, is_deleted, defect, row_hash | lay_out_reread | its caller |
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from dataflow.settings import ObjectSettings
from dataflow.sources.protocol import BEGINNING
from dataflow.sources.rows import RowReader, key_fields
from dataflow.sources.versions import NO_KEY
from dataflow.tables.ops import DEAD_LETTER_EVENT, DEAD_LETTERS, WATERMARK
from dataflow.tables.raw import raw_table
from dataflow.workspace.landed_by import LandedBy, write_landed_by
from dataflow.workspace.position import ObjectName
from lakehouse import LakeView
from lakehouse.table import literal

REREAD = "reread"
_BATCH_ROWS = 20_000
_DELETION = frozenset({"id", "deletedDate"})
_SCHEMA = pa.schema(
    [
        ("row_id", pa.int64()),
        ("record_key", pa.string()),
        ("changed_at", pa.timestamp("us", tz="UTC")),
        ("is_deleted", pa.bool_()),
        ("defect", pa.string()),
        ("row_hash", pa.string()),
    ]
)


@dataclass(frozen=True)
class Reread:
    """Rows of raw: how many there are, get another key, version or deletion, or are deletions that keep their key."""

    rows: int
    changed: int
    deletions_kept: int


def lay_out_reread(lake: LakeView, name: ObjectName, before: LandedBy, declared: ObjectSettings) -> Reread:
    """Fill the temporary table `reread` on the lake's connection with the rows that are read otherwise."""
    again = _Again(before, declared)
    rows = changed = kept = 0
    reader = lake.cursor()
    try:
        lake.con.register("reread_rows", _SCHEMA.empty_table())
        lake.con.execute(f"CREATE OR REPLACE TEMP TABLE {REREAD} AS FROM reread_rows")
        found = reader.execute(
            "SELECT rowid AS row_id, _record_key, _changed_at, _is_deleted, _defect, _row_hash, payload"
            f" FROM {raw_table(*name).in_lake}"
        ).to_arrow_reader(_BATCH_ROWS)
        for batch in found:
            rows += batch.num_rows
            made = list(again.of(batch.to_pylist()))
            kept += again.kept
            again.kept = 0
            if made:
                changed += len(made)
                lake.con.register("reread_rows", pa.Table.from_pylist(made, schema=_SCHEMA))
                lake.con.execute(f"INSERT INTO {REREAD} FROM reread_rows")
        lake.con.unregister("reread_rows")
    finally:
        reader.close()
    return Reread(rows, changed, kept)


def write_reread(con: duckdb.DuckDBPyConnection, name: ObjectName, before: LandedBy, declared: ObjectSettings) -> None:
    """Write what was laid out inside the caller's transaction, and by what the rows are landed from now on.

    Dead letters follow their rows, and so do the decisions on them. With another cursor the watermark is no longer that
    of the rows: a source that answers queries is read from its beginning.
    """
    raw, of_object = raw_table(*name), f"source = {literal(name[0])} AND object = {literal(name[1])}"
    con.execute(f"""
        UPDATE {raw.in_lake} t SET _record_key = r.record_key, _changed_at = r.changed_at, _is_deleted = r.is_deleted,
            _defect = r.defect
        FROM {REREAD} r WHERE t.rowid = r.row_id
    """)
    con.execute(f"""
        UPDATE {DEAD_LETTERS.in_lake} d SET _record_key = r.record_key, _changed_at = r.changed_at
        FROM (SELECT row_hash, min(record_key) AS record_key, min(changed_at) AS changed_at FROM {REREAD} GROUP BY 1) r
        WHERE d._source = {literal(name[0])} AND d._object = {literal(name[1])} AND d._row_hash = r.row_hash
    """)
    con.execute(f"""
        UPDATE {DEAD_LETTER_EVENT.in_lake} e SET _record_key = d._record_key FROM {DEAD_LETTERS.in_lake} d
        WHERE d._source = {literal(name[0])} AND d._object = {literal(name[1])}
        AND e.dead_letter_id = d.dead_letter_id AND e._record_key <> d._record_key
    """)
    if before.cursor_field != declared.cursor:
        con.execute(f"DELETE FROM {WATERMARK.in_lake} WHERE {of_object}")
    write_landed_by(con, {name: declared})


class _Again:
    """Read rows by a declaration where it differs from the one they were landed by."""

    def __init__(self, before: LandedBy, declared: ObjectSettings) -> None:
        now = LandedBy.of(declared)
        self._reader = RowReader(declared)
        self._renamed = {new: old for new, old in zip(now.keys, before.keys, strict=False) if old in declared.optional}
        self._has_key = before.key_fields != now.key_fields
        self._has_same_fields = set(before.keys) == set(now.keys)
        # Without a cursor a row keeps the version that it has.
        self._has_version = before.cursor_field != now.cursor_field and bool(now.cursor_field)
        self._has_deletion = (before.deleted_flag, before.deleted_when_set) != (now.deleted_flag, now.deleted_when_set)
        self._follows_key = key_fields(declared) == (declared.cursor,)
        self._of_deletion = _DELETION | set(before.keys)
        self.kept = 0

    def of(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows that are read otherwise, in _SCHEMA."""
        for row in rows:
            fields = _fields_of(row["payload"])
            if fields is None:
                continue
            made = self._read(row, fields)
            if any(made[name] != row[f"_{name}"] for name in ("record_key", "changed_at", "is_deleted", "defect")):
                yield made | {"row_id": row["row_id"], "row_hash": row["_row_hash"]}

    def _read(self, row: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        made = {name: row[f"_{name}"] for name in ("record_key", "changed_at", "is_deleted", "defect")}
        names_only = row["_is_deleted"] and self._of_deletion.issuperset(fields)
        fields |= {new: fields[old] for new, old in self._renamed.items() if new not in fields and old in fields}
        if self._has_key:
            key = self._reader.key(fields)
            if names_only and (key is None or not self._has_same_fields):
                self.kept += 1
            else:
                made["record_key"] = row["_row_hash"] if key is None else key
                made["defect"] = _defect(row["_defect"], has_key=key is not None)
        if names_only:
            return made
        if self._has_version:
            made["changed_at"] = self._version(fields)
        if self._has_deletion:
            made["is_deleted"] = self._reader.is_deleted(fields)
        return made

    def _version(self, fields: Mapping[str, Any]) -> datetime | None:
        if not self._follows_key:
            return self._reader.changed_at(fields)
        key = str(fields.get(self._reader.cursor, ""))
        return BEGINNING + int(key) * (datetime.resolution) if key.isdecimal() else None


def _fields_of(payload: str) -> dict[str, Any] | None:
    """Return the fields of a row as its reader saw them: numbers as text; None where it has none."""
    try:
        fields = json.loads(payload, parse_int=str, parse_float=str)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and fields.keys() != {"_raw"} else None


def _defect(before: str | None, *, has_key: bool) -> str | None:
    """Return the defect of a row with that of a missing key, or without it."""
    others = [part for part in (before or "").split("; ") if part not in ("", NO_KEY)]
    return "; ".join(others if has_key else [*others, NO_KEY]) or None
