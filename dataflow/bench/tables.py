"""Read a MySQL table with other readers, to compare with our own: connectorx (Rust) and PyMySQL (Python).

Their results differ from our reader's (typed columns, tuples; decimals cut at ten digits, no zero dates), so only
speed and memory are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import quote as percent
from urllib.parse import urlencode

import pymysql.cursors

from dataflow.bench.reading import OURS, Reading, Way, read, time_count
from dataflow.errors import BenchmarkFailed
from dataflow.settings import MySQLSettings
from dataflow.sources.mysql.connection import open_session, quote

_ROWS_AT_ONCE = 10_000


def ways(reading: Reading) -> Mapping[str, Way]:
    """By our own reader, by connectorx and by PyMySQL."""
    server = reading.declared.section(MySQLSettings)
    table = reading.declared.objects[reading.object].remote or reading.object
    others = {"connectorx arrow_stream": count_by_connectorx, "PyMySQL SSCursor": count_by_pymysql}
    found: dict[str, Way] = {OURS: partial(read, reading)}
    for way, count in others.items():
        found[way] = partial(time_count, reading, partial(count, server, table, reading.rows))
    return found


def count_by_connectorx(server: MySQLSettings, table: str, rows: int) -> tuple[int, int]:
    """Read a table as connectorx streams it to Arrow. Raises: BenchmarkFailed where it is not installed or fails."""
    try:
        import connectorx
    except ImportError:
        raise BenchmarkFailed("connectorx is not installed; pip install connectorx") from None
    # Its ssl-ca alone does not encrypt, and on loopback it would replace TCP by a socket file.
    words = {"ssl-mode": "VERIFY_IDENTITY", "prefer_socket": "false"}
    words |= {"ssl-ca": server.ca_file} if server.ca_file else {}
    login = f"{percent(server.user, safe='')}:{percent(server.password.get_secret_value(), safe='')}"
    address = f"mysql://{login}@{server.host}:{server.port}/{percent(server.database, safe='')}?{urlencode(words)}"
    try:
        batches = connectorx.read_sql(
            address, _query(table, rows), return_type="arrow_stream", batch_size=_ROWS_AT_ONCE
        )
        return sum(batch.num_rows for batch in batches), 0
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (a Rust panic is not an Exception; its text can hold the password)
        raise BenchmarkFailed(f"connectorx failed with {type(error).__name__}") from None


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
