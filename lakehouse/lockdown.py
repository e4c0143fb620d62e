"""Lock a reader's connection, so that no statement on it opens what is not the lake's.

Measured with DuckDB 1.5.5 on an attached lake, file catalogue and PostgreSQL: afterwards files outside the data path,
ATTACH, INSTALL, LOAD, SET and persistent secrets are refused, and writes into the lake and its catalogue too. What the
connection still can: read and COPY TO within the data path, and, as DuckDB allows the paths of what is attached, the
readers' copy of a file catalogue; `postgres_query` over the catalogue's server, inside a read-only transaction with
the rights of its role; `postgres_scan` to any server whose password the caller knows. So whoever passes on a person's
SQL judges it first.
"""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from lakehouse.attach import CATALOGUE_SECRETS
from lakehouse.location import LakeLocation, PostgresCatalogue
from lakehouse.table import literal


def lock_down(con: DuckDBPyConnection, location: LakeLocation) -> None:
    """Leave an attached connection the lake's data and its folder for spilling, and no setting that can be changed.

    The order matters: without external access no other setting of this kind can be changed.
    """
    if isinstance(location.catalogue, PostgresCatalogue):
        # DuckLake and the pool of connections keep what they need of these.
        for name in CATALOGUE_SECRETS:
            con.execute(f"DROP SECRET {name}")
    con.execute(f"SET allowed_directories = [{literal(location.data_path)}]")
    # DuckDB would take a name that is no table for a variable of the Python code around it.
    con.execute("SET GLOBAL python_enable_replacements = false")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
