"""Types of declared fields that DuckDB does not have."""

from __future__ import annotations

SALESFORCE_ID = "SALESFORCE_ID"
"""An id of Salesforce: 15 characters, or 18 in any case, are one id, kept in the form of 18 characters."""


def column_type(kind: str) -> str:
    """Return the DuckDB type of the column of a field declared with this type."""
    return "VARCHAR" if kind.upper() == SALESFORCE_ID else kind
