"""Read a MySQL table with other readers, to compare with our own: connectorx (Rust), PyMySQL, and dlt to Parquet.

Their results differ from our reader's (typed columns, tuples; decimals cut at ten digits, no zero dates), so only
speed and memory are compared.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from urllib.parse import quote as percent
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pymysql.cursors

from dataflow.bench.reading import OURS, Reading, Way, read, time_count
from dataflow.bench.to_raw import TO_RAW, land
from dataflow.connect.tls import tls_context
from dataflow.errors import BenchmarkFailed
from dataflow.settings import MySQLSettings
from dataflow.sources.mysql.connection import open_session, quote

_ROWS_AT_ONCE = 10_000


def ways(reading: Reading) -> Mapping[str, Way]:
    """By our own reader and to raw, by connectorx, by PyMySQL, and by dlt with connectorx to Parquet."""
    server = reading.declared.section(MySQLSettings)
    table = reading.declared.objects[reading.object].remote or reading.object
    others = {"connectorx arrow_stream": count_by_connectorx, "PyMySQL SSCursor": count_by_pymysql}
    found: dict[str, Way] = {OURS: partial(read, reading), TO_RAW: partial(land, reading)}
    found["dlt, to Parquet"] = partial(time_count, reading, partial(load_by_dlt, server, table))
    for way, count in others.items():
        found[way] = partial(time_count, reading, partial(count, server, table, reading.rows))
    return found


def count_by_connectorx(server: MySQLSettings, table: str, rows: int) -> tuple[int, int]:
    """Read a table as connectorx streams it to Arrow. Raises: BenchmarkFailed where it is not installed or fails."""
    try:
        import connectorx
    except ImportError:
        raise BenchmarkFailed("connectorx is not installed; pip install connectorx") from None
    try:
        batches = connectorx.read_sql(
            _address(server), _query(table, rows), return_type="arrow_stream", batch_size=_ROWS_AT_ONCE
        )
        return sum(batch.num_rows for batch in batches), 0
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (a Rust panic is not an Exception; its text can hold the password)
        raise BenchmarkFailed(f"connectorx failed with {type(error).__name__}") from None


def load_by_dlt(server: MySQLSettings, table: str) -> tuple[int, int]:
    """Load a whole table as dlt does with connectorx. Raises: BenchmarkFailed where it is not installed or fails."""
    try:
        dlt, sources, alchemy = map(import_module, ("dlt", "dlt.sources.sql_database", "sqlalchemy"))
    except ImportError:
        raise BenchmarkFailed("dlt is not installed; pip install 'dlt[parquet]' sqlalchemy connectorx") from None
    dlt.config["runtime.dlthub_telemetry"] = False
    # It warns of each batch whose types differ from those that it reflected.
    logging.disable(logging.WARNING)
    to, _, words = _address(server).partition("?")
    reflected = alchemy.create_engine(to.replace("mysql:", "mysql+pymysql:"),
                                      connect_args={"ssl": tls_context(server.ca_file, setting="ca_file")})  # fmt: skip
    read = {"conn": f"{to}?{words}", "return_type": "arrow_stream", "batch_size": 10 * _ROWS_AT_ONCE}
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        target = dlt.destinations.filesystem(str(Path(folder) / "out"))
        pipeline = dlt.pipeline("bench", destination=target, dataset_name="bench", pipelines_dir=folder)
        try:
            rows = sources.sql_table(reflected, table=table, backend="connectorx", backend_kwargs=read)
            pipeline.run(rows, loader_file_format="parquet")
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 (a Rust panic is not an Exception; its text can hold the password)
            raise BenchmarkFailed(f"dlt failed with {type(error).__name__}") from None
        made = (Path(folder) / "out").rglob(f"bench/{table}/*.parquet")
        return sum(pq.read_metadata(file).num_rows for file in made), 0


def _address(server: MySQLSettings) -> str:
    """Return the address as connectorx takes it."""
    # Its ssl-ca alone does not encrypt, and on loopback it would replace TCP by a socket file.
    words = {"ssl-mode": "VERIFY_IDENTITY", "prefer_socket": "false"}
    words |= {"ssl-ca": server.ca_file} if server.ca_file else {}
    login = f"{percent(server.user, safe='')}:{percent(server.password.get_secret_value(), safe='')}"
    return f"mysql://{login}@{server.host}:{server.port}/{percent(server.database, safe='')}?{urlencode(words)}"


def count_by_pymysql(server: MySQLSettings, table: str, rows: int) -> tuple[int, int]:
    """Read a table as PyMySQL streams it to tuples. Raises: the errors of our own connection."""
    read = 0
    with (
        open_session("bench", server, doing="Reading with PyMySQL") as session,
        session.con.cursor(pymysql.cursors.SSCursor) as cursor,
    ):
        cursor.execute(_query(table, rows))
        while found := cursor.fetchmany(_ROWS_AT_ONCE):
            read += len(found)
    return read, 0


def _query(table: str, rows: int) -> str:
    return f"SELECT * FROM {quote(table)} LIMIT {rows}"
