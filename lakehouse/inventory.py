"""The inventory of a lake: read its whole catalogue, and check the files that the catalogue lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from lakehouse.attach import is_of_lake, metadata_of
from lakehouse.connect import connect
from lakehouse.errors import LakeLocked
from lakehouse.location import LakeLocation
from lakehouse.table import literal, quote
from lakehouse.translate import first_line, is_corruption, is_damaged_file

_LOOK = "catalogue_look"


@dataclass(frozen=True)
class LostFile:
    """A data or delete file that is missing, has another size or cannot be read.

    Units: sizes in bytes; `found` is None where there is no file. Snapshots from `since` up to `until`, exclusive,
    need it; without `until` the newest does.
    """

    table: str
    path: str
    expected: int
    found: int | None
    since: int
    until: int | None = None

    def is_needed_at(self, version: int) -> bool:
        return self.since <= version and (self.until is None or version < self.until)

    def __str__(self) -> str:
        if self.found == self.expected:
            return f"{self.path} cannot be read: its content is damaged"
        return f"{self.path} is {'not there' if self.found is None else f'{self.found:,} bytes, not {self.expected:,}'}"


@dataclass(frozen=True)
class CatalogueFile:
    """The state of a catalogue file: its newest snapshot, or its fault. `foreign`: tables of another database."""

    path: Path
    snapshot: int | None = None
    fault: str = ""
    foreign: int = 0

    @property
    def is_whole(self) -> bool:
        return not self.fault


def read_catalogue(path: Path) -> CatalogueFile:
    """Read a whole catalogue file; it must not be open for writing, in this process or another.

    Raises: LakeLocked; duckdb.Error for a file without permission or of another version.
    """
    if not path.exists():
        return CatalogueFile(path, fault="it is not there")
    con = connect(threads=1)
    try:
        con.execute(f"ATTACH {literal(str(path))} AS {_LOOK} (READ_ONLY)")
        names = _read_tables(con, _LOOK)
        if names and not is_of_lake(names):
            return CatalogueFile(path, fault="it is another database, without a lake", foreign=len(names))
        if "ducklake_snapshot" not in names:
            return CatalogueFile(path, fault="it holds no lake")
        row = con.execute(f"SELECT max(snapshot_id) FROM {_LOOK}.ducklake_snapshot").fetchone()
        return CatalogueFile(path, snapshot=int(row[0])) if row else CatalogueFile(path, fault="it holds no snapshot")
    except duckdb.Error as error:
        if "set lock on file" in str(error):
            raise LakeLocked(f"Looking at the catalogue {path}: another process has it open; run again") from error
        if not is_corruption(str(error)) and "not a valid duckdb database" not in str(error).lower():
            raise
        return CatalogueFile(path, fault=first_line(error))
    finally:
        con.close()


def read_through(con: duckdb.DuckDBPyConnection, location: LakeLocation) -> None:
    """Read a whole attached local catalogue; do nothing for one on a server. Raises: duckdb.Error."""
    if isinstance(location.catalogue, Path):
        _read_tables(con, metadata_of(location).partition(".")[0].strip('"'))


def lost_files(
    con: duckdb.DuckDBPyConnection, location: LakeLocation, *, only_newest: bool = True, read: bool = False
) -> tuple[list[LostFile], int]:
    """List the files of the newest or of all snapshots that are missing or of another size; also count all files.

    In a bucket only names are compared, by one listing. `read`: every file is read too, which costs what the lake
    holds, and those that cannot be read are listed.
    """
    metadata = metadata_of(location)
    valid = "WHERE end_snapshot IS NULL" if only_newest else ""
    columns = "table_id, path, path_is_relative, file_size_bytes, begin_snapshot, end_snapshot"
    # A changed table or schema has several rows, of which the newest is valid.
    newest = "QUALIFY row_number() OVER (PARTITION BY {0}_id ORDER BY begin_snapshot DESC) = 1"
    rows = con.execute(f"""
        WITH f AS (
            SELECT {columns} FROM {metadata}.ducklake_data_file {valid}
            UNION ALL SELECT {columns} FROM {metadata}.ducklake_delete_file {valid}),
        t AS (FROM {metadata}.ducklake_table {newest.format("table")}),
        s AS (FROM {metadata}.ducklake_schema {newest.format("schema")})
        SELECT s.schema_name || '.' || t.table_name,
            CASE WHEN NOT f.path_is_relative THEN f.path
                WHEN NOT t.path_is_relative THEN t.path || f.path
                WHEN NOT s.path_is_relative THEN s.path || t.path || f.path
                ELSE {literal(location.data_path)} || s.path || t.path || f.path END,
            f.file_size_bytes, f.begin_snapshot, f.end_snapshot
        FROM f JOIN t USING (table_id) JOIN s USING (schema_id) ORDER BY 1, 2
    """).fetchall()
    names = _names_in_bucket(con, location) if isinstance(location.data, str) else None
    lost = []
    for table, path, expected, since, until in rows:
        size = _size(path) if names is None else expected if path in names else None
        if size != expected or (read and not _is_readable(con, path)):
            lost.append(LostFile(str(table), str(path), int(expected), size, int(since), until))
    return lost, len(rows)


def _read_tables(con: duckdb.DuckDBPyConnection, database: str) -> set[str]:
    """Read every value of every table of an attached database, to verify its pages; return the tables' names."""
    names = con.execute(
        f"SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = {literal(database)}"
    ).fetchall()
    for schema, name in names:
        con.execute(f"SELECT bit_xor(hash(t)) FROM {quote(database)}.{quote(schema)}.{quote(name)} t").fetchall()
    return {str(name) for _, name in names}


def _is_readable(con: duckdb.DuckDBPyConnection, path: str) -> bool:
    try:
        con.execute(f"SELECT bit_xor(hash(t)) FROM read_parquet({literal(path)}) t").fetchall()
    except duckdb.Error as error:
        if is_damaged_file(str(error)):
            return False
        raise
    return True


def _size(path: str) -> int | None:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return None


def _names_in_bucket(con: duckdb.DuckDBPyConnection, location: LakeLocation) -> set[str]:
    return {str(path) for (path,) in con.execute(f"FROM glob({literal(location.data_path + '**')})").fetchall()}
