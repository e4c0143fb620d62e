"""Lock a reader's connection, so that its statements can open only the lake.

Measured with DuckDB 1.5.5 on an attached lake, with a file catalogue and PostgreSQL: afterwards files outside the data
path, ATTACH, INSTALL, LOAD, SET, persistent secrets, and writes into the lake and its catalogue are refused. Still
possible: read and COPY TO within the data path and, since DuckDB allows the paths of attached databases, the readers'
copy of a file catalogue; `postgres_query` on the catalogue's server, in a read-only transaction with the rights of its
role; `postgres_scan` to any server whose password the caller knows. So a person's SQL must be checked before it runs.
"""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from lakehouse.attach import CATALOGUE_SECRETS
from lakehouse.location import LakeLocation, PostgresCatalogue
from lakehouse.table import literal


def lock_down(con: DuckDBPyConnection, location: LakeLocation) -> None:
    """Restrict an attached connection to the lake's data and its spill folder, and lock its settings.

    The order matters: without external access the other settings cannot be changed.
    """
    if isinstance(location.catalogue, PostgresCatalogue):
        # DuckLake and the connection pool keep their own copies of these.
        for name in CATALOGUE_SECRETS:
            con.execute(f"DROP SECRET {name}")
    con.execute(f"SET allowed_directories = [{literal(location.data_path)}]")
    # DuckDB would resolve a name that is not a table to a variable of the surrounding Python code.
    con.execute("SET GLOBAL python_enable_replacements = false")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
