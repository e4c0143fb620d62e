"""Build published.xref and published.redirects: the customer of each source record, and of each retired id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.publish.builder import Builder
from dataflow.tables import published, resolved
from dataflow.workspace.relations import key_relation, relation
from dataflow.workspace.touched import RECORD_KEYS
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    from ibis.expr import types as ir
else:
    ir = deferred("ibis.expr.types")

_SEPARATOR = "|"


def xref_rows() -> ir.Table:
    """Split the record id into source, object and key; a key can contain the separator."""
    links = relation(resolved.XREF).semi_join(key_relation(RECORD_KEYS, "record_id"), "record_id")
    parts = links.record_id.split(_SEPARATOR)
    links = links.mutate(source=parts[0], object=parts[1])
    before_key = links.source.length() + links.object.length() + 2
    return links.mutate(record_key=links.record_id.substr(before_key))


def redirects_sql(ws: Workspace) -> str:
    """Return the SELECT of the redirects that this run changed."""
    changed = f"SELECT customer_id FROM ({ws.changed(resolved.REDIRECT)})"
    return f"""
        SELECT customer_id, to_customer_id, redirected_at FROM {resolved.REDIRECT.sql_name}
        WHERE customer_id IN ({changed})
    """


XREF = Builder(
    table=published.XREF,
    expression=xref_rows,
    scope=f"SELECT record_id FROM {RECORD_KEYS}",
    source=f"SELECT record_id FROM resolved.xref SEMI JOIN {RECORD_KEYS} USING (record_id)",
)

REDIRECTS = Builder(
    table=published.REDIRECTS,
    sql=redirects_sql,
    scope=lambda ws: f"SELECT customer_id FROM ({ws.changed(resolved.REDIRECT)})",
)
