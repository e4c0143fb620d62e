"""The entries of the cache that a publication changes, read from the lake.

A look-up finds a customer by what any of its records says, not only by the best value of its 360.

| relation | columns | filled by | dropped |
|---|---|---|---|
| `touched_customer` (temporary) | customer_id | touch_all, touch_changed | replaced by the next call |
| `touched_email`, `touched_phone`, `touched_record` (temporary) | value | the same | the same |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from duckdb import DuckDBPyConnection

from dataflow.sinks.cache.layout import GONE, customer_key, encode_ids, index_key, redirect_to
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.published import CUSTOMER_360, REDIRECTS, XREF
from dataflow.tables.subject import KeyedHash
from lakehouse import SnapshotNotFound
from lakehouse.feed import changes_sql
from lakehouse.query import fetch_int
from lakehouse.table import Table, quote

_BATCH_ROWS = 10_000
_READ = (CUSTOMER_360, REDIRECTS, XREF, CUSTOMER_RECORD)
_KINDS = ("email", "phone", "record")


def touch_all(con: DuckDBPyConnection) -> None:
    """Take every customer, redirect and look-up value of the lake."""
    _touch(con, {table: table.in_lake for table in _READ})


def touch_changed(con: DuckDBPyConnection, *, metadata: str, after: int, upto: int) -> bool:
    """Take what changed in (after, upto], as it was before and as it is now; False where that is not known any more."""
    try:
        feeds = {t: f"({changes_sql(con, t, metadata=metadata, after=after, upto=upto)})" for t in _READ}
    except SnapshotNotFound:
        return False
    _touch(con, feeds)
    return True


def count_touched(con: DuckDBPyConnection) -> int:
    """Return the number of entries that `entries` yields."""
    names = ("touched_customer", *(f"touched_{kind}" for kind in _KINDS))
    return sum(fetch_int(con, f"SELECT count(*) FROM {name}") for name in names)


def entries(con: DuckDBPyConnection, *, key: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield key and value of each touched entry; `key` is that of the hashes. An empty value is gone."""
    yield from _customers(con)
    for kind in _KINDS:
        found = con.execute(
            f"SELECT t.value, list(DISTINCT k.customer_id ORDER BY k.customer_id) FILTER (k.customer_id IS NOT NULL)"
            f" FROM touched_{kind} t LEFT JOIN ({_known(kind)}) k USING (value) GROUP BY t.value"
        )
        while rows := found.fetchmany(_BATCH_ROWS):
            for value, customer_ids in rows:
                yield index_key(KeyedHash.of(kind, value, key=key)), encode_ids(customer_ids or ())


def _touch(con: DuckDBPyConnection, sources: Mapping[Table, str]) -> None:
    con.execute(
        "CREATE OR REPLACE TEMP TABLE touched_customer AS"
        f" SELECT customer_id FROM {sources[CUSTOMER_360]} UNION SELECT customer_id FROM {sources[REDIRECTS]}"
    )
    for kind in _KINDS:
        con.execute(f"CREATE OR REPLACE TEMP TABLE touched_{kind} AS {_touched(kind, sources)}")


def _touched(kind: str, sources: Mapping[Table, str]) -> str:
    """Return the SELECT of the values of one kind in what changed, each once."""
    if kind == "record":
        return f"SELECT DISTINCT record_id AS value FROM {sources[XREF]}"
    linked = f"(FROM {CUSTOMER_RECORD.in_lake} WHERE record_id IN (SELECT record_id FROM {sources[XREF]}))"
    arms = [
        f"SELECT {quote(kind)} AS value FROM {sources[CUSTOMER_360]}",
        *(_values(kind, relation, "value") for relation in (sources[CUSTOMER_RECORD], linked)),
    ]
    return f"SELECT DISTINCT value FROM ({' UNION ALL '.join(arms)}) WHERE value <> ''"


def _known(kind: str) -> str:
    """Return the SELECT of value and customer_id for all values of one kind that the lake has."""
    if kind == "record":
        return f"SELECT record_id AS value, customer_id FROM {XREF.in_lake}"
    records = f"(FROM {CUSTOMER_RECORD.in_lake} JOIN {XREF.in_lake} x USING (record_id))"
    best = f"SELECT {quote(kind)} AS value, customer_id FROM {CUSTOMER_360.in_lake}"
    return f"{best} UNION ALL {_values(kind, records, 'value, customer_id')}"


def _values(kind: str, relation: str, columns: str) -> str:
    """Return the SELECT of the values of records: the first one, and the further ones of the same field."""
    further = f"unnest(string_split({quote(f'further_{kind}s')}, ' '))"
    return (
        f"SELECT {columns} FROM (SELECT *, {quote(kind)} AS value FROM {relation})"
        f" UNION ALL SELECT {columns} FROM (SELECT *, {further} AS value FROM {relation})"
    )


def _customers(con: DuckDBPyConnection) -> Iterator[tuple[str, bytes]]:
    columns = ", ".join(
        f"{quote(column.name)} := c.{quote(column.name)}" for column in CUSTOMER_360.columns if not column.volatile
    )
    found = con.execute(
        f"SELECT t.customer_id, CASE WHEN c.customer_id IS NOT NULL THEN to_json(struct_pack({columns}))::VARCHAR END,"
        f" r.to_customer_id FROM touched_customer t LEFT JOIN {CUSTOMER_360.in_lake} c USING (customer_id)"
        f" LEFT JOIN {REDIRECTS.in_lake} r ON r.customer_id = t.customer_id"
    )
    while rows := found.fetchmany(_BATCH_ROWS):
        for customer_id, customer, successor in rows:
            if customer is not None:
                yield customer_key(customer_id), customer.encode()
            else:
                yield customer_key(customer_id), redirect_to(successor) if successor else GONE
