"""Map DuckDB's type names to Ibis types: the one module that uses a private part of Ibis.

Ibis's own type parser uses other names; the parser for DuckDB's names is in the backend (ibis-framework 12.0, November
2026). tests/unit/test_private_parts.py fails when it moves.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibis.expr import datatypes as dt


@cache
def ibis_type(kind: str) -> dt.DataType:
    """Return the Ibis type of a declared column."""
    from ibis.backends.sql.datatypes import DuckDBType

    return DuckDBType.from_string(kind)
