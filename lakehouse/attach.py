"""Attach a lake to a DuckDB connection, for writing or reading, with any catalogue and data path."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import duckdb

from lakehouse.errors import LakeIncompatible
from lakehouse.location import LakeLocation, PostgresCatalogue, S3Access
from lakehouse.snapshot import metadata_name
from lakehouse.table import DATABASE, literal

CATALOGUE_SECRETS = ("lake_catalogue", "lake_server")
_CATALOGUE_SECRET, _SERVER_SECRET = CATALOGUE_SECRETS
_PROBE = "catalogue_probe"
# A catalogue is thirty small tables: in DuckDB's default blocks of 256 KB they take 4 MB, which every commit copies
# for the readers; in the smallest blocks 0.3 MB (measured November 2026).
BLOCK_SIZE = 16384


def metadata_of(location: LakeLocation) -> str:
    """The SQL name of the schema of DuckLake's own tables, once the lake is attached."""
    catalogue = location.catalogue
    return metadata_name(DATABASE, catalogue.schema if isinstance(catalogue, PostgresCatalogue) else "main")


def attach(
    con: duckdb.DuckDBPyConnection,
    location: LakeLocation,
    *,
    file: Path | None = None,
    read_only: bool = False,
    at: datetime | int | None = None,
) -> None:
    """Attach the lake as `lake`; `file` is the catalogue file to use for a local catalogue (the readers' copy)."""
    allow_data(con, location)
    options = [
        f"DATA_PATH {literal(location.data_path)}",
        # The folder can have been moved or mounted elsewhere since; file paths are relative to it.
        "OVERRIDE_DATA_PATH true",
    ]
    if isinstance(location.catalogue, PostgresCatalogue):
        con.execute(postgres_secret_sql(location.catalogue))
        con.execute(_ducklake_secret_sql(location.catalogue, location.data_path))
        target = f"ducklake:{_CATALOGUE_SECRET}"
        options = []
    else:
        target = f"ducklake:{file or location.catalogue}"
        if not read_only:
            options.append(f"META_BLOCK_SIZE {BLOCK_SIZE}")
    if read_only:
        options.append("READ_ONLY")
    if isinstance(at, datetime):
        options.append(f"SNAPSHOT_TIME {literal(at.isoformat())}")
    elif at is not None:
        options.append(f"SNAPSHOT_VERSION {int(at)}")
    chosen = f" ({', '.join(options)})" if options else ""
    con.execute(f"ATTACH {literal(target)} AS {DATABASE}{chosen}")


def allow_data(con: duckdb.DuckDBPyConnection, location: LakeLocation) -> None:
    """Let the connection reach the data path, where that is in a bucket."""
    if location.s3 is not None and isinstance(location.data, str):
        _check_certificates(con, location.s3)
        con.execute(s3_secret_sql(location.s3, scope=location.data_path))


def detach(con: duckdb.DuckDBPyConnection) -> None:
    """Detach the lake, which checkpoints its catalogue's log into the file."""
    # A cursor in a transaction, or an unreachable server, must not prevent the release of the lock after this.
    with suppress(duckdb.Error):
        if con.execute("SELECT current_database()").fetchone() == (DATABASE,):
            con.execute("USE memory")
        con.execute(f"DETACH {DATABASE}")


def refuse_foreign_file(con: duckdb.DuckDBPyConnection, catalogue: Path) -> None:
    """Refuse a DuckDB file with other tables: DuckLake would silently add its own to it.

    An empty database is accepted: a run killed while creating the lake leaves one.
    """
    if not catalogue.exists():
        return
    con.execute(f"ATTACH {literal(str(catalogue))} AS {_PROBE}")
    try:
        rows = con.execute(f"SELECT table_name FROM duckdb_tables() WHERE database_name = {literal(_PROBE)}").fetchall()
    finally:
        con.execute(f"DETACH {_PROBE}")
    names = {str(name) for (name,) in rows}
    if names and not is_of_lake(names):
        raise foreign_file(catalogue, len(names))


def is_of_lake(names: set[str]) -> bool:
    """Return whether these are the tables of a lake's catalogue."""
    return {"ducklake_metadata", "ducklake_snapshot"} <= names


def foreign_file(catalogue: Path, tables: int) -> LakeIncompatible:
    """Return the error of a catalogue setting that names another database."""
    return LakeIncompatible(
        f"Opening the lake at {catalogue}: the file is a DuckDB database with {tables} tables of its own, "
        "not a lake; point the catalogue setting at a lake, or at a new path to create one"
    )


def _check_certificates(con: duckdb.DuckDBPyConnection, access: S3Access) -> None:
    """Make both HTTP clients of DuckDB verify certificates: curl does by default, httplib needs the setting.

    GLOBAL: cursors, and the connections on which DuckLake lists and removes files, do not see session settings.
    """
    con.execute("SET GLOBAL enable_curl_server_cert_verification = true")
    con.execute("SET GLOBAL enable_server_cert_verification = true")
    if access.ca_file is not None:
        con.execute(f"SET GLOBAL ca_cert_file = {literal(str(access.ca_file))}")


def s3_secret_sql(access: S3Access, *, scope: str) -> str:
    """Return CREATE SECRET for the bucket of the data path."""
    keys = access.keys()
    parts = [
        "TYPE s3",
        f"KEY_ID {literal(keys.key_id)}",
        f"SECRET {literal(keys.secret)}",
        f"REGION {literal(access.region)}",
        f"URL_STYLE {literal(access.url_style)}",
        f"USE_SSL {str(access.use_ssl).lower()}",
        f"SCOPE {literal(scope)}",
    ]
    if keys.token:
        parts.append(f"SESSION_TOKEN {literal(keys.token)}")
    if access.endpoint:
        parts.append(f"ENDPOINT {literal(access.endpoint)}")
    return f"CREATE OR REPLACE SECRET lake_data ({', '.join(parts)})"


def postgres_secret_sql(catalogue: PostgresCatalogue) -> str:
    """Return CREATE SECRET for the server: a connection string would show the password in duckdb_databases()."""
    options = (f"{name} {literal(value)}" for name, value in catalogue.connection_options.items())
    parts = ["TYPE postgres", *options]
    return f"CREATE OR REPLACE SECRET {_SERVER_SECRET} ({', '.join(parts)})"


def _ducklake_secret_sql(catalogue: PostgresCatalogue, data_path: str) -> str:
    return (
        f"CREATE OR REPLACE SECRET {_CATALOGUE_SECRET} (TYPE ducklake, METADATA_PATH '', "
        f"DATA_PATH {literal(data_path)}, METADATA_SCHEMA {literal(catalogue.schema)}, "
        f"METADATA_PARAMETERS MAP {{'TYPE': 'postgres', 'SECRET': '{_SERVER_SECRET}'}})"
    )
