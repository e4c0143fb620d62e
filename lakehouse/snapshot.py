"""Snapshots: the committed states of a lake, with author and changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from lakehouse.errors import SnapshotNotFound
from lakehouse.plural import counted
from lakehouse.query import fetch_int
from lakehouse.table import literal, quote, timestamp_literal

_CHANGES_ROWS = ("tables_inserted_into", "tables_deleted_from", "tables_dropped")
_LOOKED_AT = 100
_NO_END = 2**63 - 1
_COLUMNS = "snapshot_id, snapshot_time, author, commit_message, commit_extra_info, changes"


@dataclass(frozen=True)
class Snapshot:
    """One committed state. `changes` maps a kind of change (`inserted_into`, …) to full table names."""

    id: int
    at: datetime
    author: str
    run_id: str
    message: str
    changes: Mapping[str, tuple[str, ...]]


class History:
    """The snapshots of an attached lake."""

    def __init__(self, con: duckdb.DuckDBPyConnection, *, database: str, metadata: str) -> None:
        self._con, self._database, self._metadata = con, database, metadata

    def current_id(self) -> int:
        return fetch_int(self._con, f"SELECT id FROM ducklake_current_snapshot({literal(self._database)})")

    def current(self) -> Snapshot:
        return self.at(self.current_id())

    def newest_number(self) -> int:
        """Return the number of the newest snapshot of the lake, also where the connection shows an older one."""
        return fetch_int(self._con, f"SELECT max(snapshot_id) FROM {self._metadata}.ducklake_snapshot")

    def lake_id(self) -> str:
        """Return the UUID of the lake: DuckLake's of the schema `main`, which exists from the first snapshot."""
        row = self._con.execute(
            f"SELECT schema_uuid FROM {self._metadata}.ducklake_schema"
            " WHERE schema_name = 'main' AND begin_snapshot = 0"
        ).fetchone()
        assert row is not None
        return str(row[0])

    def last_change_in(self, schema: str, *, upto: int | None = None) -> int | None:
        """Return the newest snapshot (up to a number) that changed rows of a schema's tables; None where none is kept.

        A rewrite of data files changes no rows.
        """
        tables = {number for number, name in self._table_names().items() if name.startswith(f"{schema}.")}
        newest_first = self._con.execute(
            f"SELECT snapshot_id, changes FROM ducklake_snapshots({literal(self._database)})"
            f" WHERE snapshot_id <= {_NO_END if upto is None else int(upto)} ORDER BY snapshot_id DESC"
        )
        while rows := newest_first.fetchmany(_LOOKED_AT):
            for number, changes in rows:
                if any(not tables.isdisjoint(changes.get(kind, ())) for kind in _CHANGES_ROWS):
                    return int(number)
        return None

    def all(self, *, after: int = -1) -> list[Snapshot]:
        """Return the snapshots that are not expired, oldest first; only those with a number greater than `after`."""
        return self._read(f"WHERE snapshot_id > {int(after)} ORDER BY snapshot_id")

    def at(self, version: datetime | int) -> Snapshot:
        """Return the snapshot with this number, or the last one committed at or before this time.

        Raises: SnapshotNotFound when it never existed, was expired, or the time is before the lake's first.
        """
        if isinstance(version, datetime):
            if version.tzinfo is None:
                raise SnapshotNotFound(
                    f"Looking for a snapshot at {version}: the time has no zone; give one, e.g. +00:00"
                )
            upto = timestamp_literal(version)
            found = self._read(f"WHERE snapshot_time <= {upto} ORDER BY snapshot_id DESC LIMIT 1")
        else:
            found = self._read(f"WHERE snapshot_id = {int(version)}")
        if not found:
            raise SnapshotNotFound(f"Looking for {_named(version)}: {self._range()}; choose one of those")
        return found[0]

    def _range(self) -> str:
        row = self._con.execute(
            "SELECT count(*), min(snapshot_id), min(snapshot_time), max(snapshot_id), max(snapshot_time)"
            f" FROM {self._metadata}.ducklake_snapshot"
        ).fetchone()
        assert row is not None
        if row[0] == 1:
            return f"the lake holds one snapshot, {row[1]} ({row[2]})"
        return f"the lake holds {counted(row[0], 'snapshot')}, from {row[1]} ({row[2]}) to {row[3]} ({row[4]})"

    def _read(self, condition: str) -> list[Snapshot]:
        rows = self._con.execute(
            f"SELECT {_COLUMNS} FROM ducklake_snapshots({literal(self._database)}) {condition}"
        ).fetchall()
        names = self._table_names() if rows else {}
        return [_snapshot(row, names) for row in rows]

    def _table_names(self) -> dict[str, str]:
        rows = self._con.execute(
            f"SELECT t.table_id, s.schema_name || '.' || t.table_name FROM {self._metadata}.ducklake_table t"
            f" JOIN {self._metadata}.ducklake_schema s USING (schema_id)"
        ).fetchall()
        return {str(table_id): str(name) for table_id, name in rows}


def metadata_name(database: str, schema: str) -> str:
    """Return the SQL name of the schema of DuckLake's own tables of an attached lake."""
    return f"{quote('__ducklake_metadata_' + database)}.{quote(schema)}"


def _named(version: datetime | int) -> str:
    return f"snapshot {version}" if isinstance(version, int) else f"a snapshot at or before {version.isoformat()}"


def _snapshot(row: tuple[object, ...], names: Mapping[str, str]) -> Snapshot:
    number, at, author, message, extra, changes = row
    assert isinstance(number, int)
    assert isinstance(at, datetime)
    assert isinstance(changes, dict)
    return Snapshot(
        id=number,
        at=at,
        author=str(author or ""),
        run_id=_run_id(extra),
        message=str(message or ""),
        changes={
            str(kind).removeprefix("tables_"): tuple(sorted(names.get(str(item), str(item)) for item in items))
            for kind, items in changes.items()
        },
    )


def _run_id(extra: object) -> str:
    # Another tool can have committed to the same lake, with any text.
    try:
        info = json.loads(str(extra)) if extra else {}
    except ValueError:
        return ""
    return str(info.get("run_id", "")) if isinstance(info, dict) else ""
