"""The words of the Open Data Contract Standard that both directions share.

Source: Open Data Contract Standard 3.1.0 (Bitol, Linux Foundation), schema odcs-json-schema-v3.1.0.json.
"""

from __future__ import annotations

API_VERSION = "v3.1.0"
KIND = "DataContract"
ENGINE = "dataflow"
"""The engine of a check of type custom: a short form that no property has a place for."""

_LOGICAL = (
    ("VARCHAR", "string"), ("SALESFORCE_ID", "string"), ("BOOLEAN", "boolean"), ("DATE", "date"), ("TIME", "time"),
    ("TIMESTAMP", "timestamp"), ("BIGINT", "integer"), ("INTEGER", "integer"), ("SMALLINT", "integer"),
    ("HUGEINT", "integer"), ("DOUBLE", "number"), ("FLOAT", "number"), ("DECIMAL", "number"), ("STRUCT", "object"),
    ("MAP", "object"),
)  # fmt: skip
TYPE_OF_LOGICAL = {
    "string": "VARCHAR", "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMPTZ", "time": "TIME",
    "integer": "BIGINT", "number": "DOUBLE",
}  # fmt: skip
"""The type of a property that names only a logical one."""


def logical_type(kind: str) -> str:
    """Return the logical type of a DuckDB type. TIMESTAMP is looked for before TIME, of which it is no kind."""
    upper = kind.upper()
    if upper.endswith("]"):
        return "array"
    return next((logical for name, logical in sorted(_LOGICAL, reverse=True) if upper.startswith(name)), "string")
