"""Ibis's types by DuckDB's names: the one module that reaches into Ibis's backends.

Ibis's own parser of types knows other names, and DuckDB's stands in the backend (ibis-framework 12.0, November 2026);
tests/unit/test_private_parts.py says when it moves.
"""

from __future__ import annotations

from ibis.backends.sql.datatypes import DuckDBType
from ibis.expr import datatypes as dt


def ibis_type(kind: str) -> dt.DataType:
    """The type that a declared column has in an expression."""
    return DuckDBType.from_string(kind)
