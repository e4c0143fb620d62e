"""Fingerprints of rows: the number of rows and the exclusive or of their hashes, equal on every copy of the lake."""

from __future__ import annotations

import duckdb

from lakehouse.table import Table, quote


def row_hash(table: Table, *, source: str) -> str:
    """Return the SQL of a row's hash: the same for the same values, whatever the version of DuckDB.

    Units: 63 of the 128 bits of MD5 over the row's JSON.
    """
    values = ", ".join(f"{quote(name)} := {source}.{quote(name)}" for name in table.column_names)
    return f"CAST(md5_number_lower(CAST(to_json(struct_pack({values})) AS VARCHAR)) >> 1 AS BIGINT)"


def fingerprint(con: duckdb.DuckDBPyConnection, table: Table, rows: str) -> tuple[int, int]:
    """Return the number of rows of a relation with the table's columns, and the exclusive or of their hashes."""
    hashes = f"SELECT {row_hash(table, source='t')} AS h FROM {rows} t"
    row = con.execute(f"SELECT count(*), coalesce(bit_xor(h), 0) FROM ({hashes})").fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
