"""Keys in links and joins: compared in the canonical form of the key that they refer to (sources/record_key.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

import duckdb

from dataflow.conform.expressions import as_text
from dataflow.sources.exact import is_whole_number
from dataflow.sources.record_key import KeyKinds, is_plain, record_key_sql
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")


def as_key(value: ir.Value, kinds: KeyKinds) -> ir.StringValue:
    """Return a value in the form of a key of these types. The connection needs `create_key_forms`."""
    if is_plain(kinds) or _is_written_so(value, kinds):
        return as_text(value)
    return as_text(_form(kinds)(as_text(value)))


def create_key_forms(con: duckdb.DuckDBPyConnection, kinds: Iterable[KeyKinds]) -> None:
    """Create the functions that `as_key` calls, for all connections of the workspace."""
    for one in sorted({kinds_of_one for kinds_of_one in kinds if not is_plain(kinds_of_one)}):
        con.execute(f"CREATE OR REPLACE MACRO work.main.{_name(one)}(key) AS ({record_key_sql('key', one)})")


def _is_written_so(value: ir.Value, kinds: KeyKinds) -> bool:
    """Return whether the text of the value is canonical already: most links are of one type with their key."""
    is_whole = bool(value.type().is_integer())
    return is_whole and len(kinds) == 1 and is_whole_number(kinds[0])


@cache
def _form(kinds: KeyKinds) -> Callable[[ir.Value], ir.Value]:
    def canonical(key: str) -> str:
        raise NotImplementedError

    made: Callable[[ir.Value], ir.Value] = ibis.udf.scalar.builtin(
        canonical, name=_name(kinds), signature=(("string",), "string")
    )
    return made


def _name(kinds: KeyKinds) -> str:
    return f"key_form_{hashlib.md5('|'.join(kinds).encode(), usedforsecurity=False).hexdigest()[:12]}"
