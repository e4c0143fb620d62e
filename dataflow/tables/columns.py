"""Columns that many tables share, and the classes of personal data."""

from __future__ import annotations

from lakehouse.table import Column, SubjectColumn

CLASSIFICATIONS = {
    "none": "not about a person",
    "pseudonym": "identifies a person only together with other tables",
    "identity": "name, date of birth",
    "contact": "e-mail, telephone, postal address",
    "online": "network address",
    "behaviour": "what a person bought, asked or did",
    "free_text": "free text by or about a person: can hold any class",
    "special": "health, religion, origin, opinion or another special category (GDPR, article 9)",
}
"""The classes of personal data. A column has no class by default: `none` is written out."""

NOT_PERSONAL = "none"
PSEUDONYM = "pseudonym"

SUBJECT_KINDS = {
    "customer": "a customer id, current or former",
    "record": "a record id: source|object|key",
    "record_key": "the key of a record of the row's source and object",
    "value": "a value of the person",
    "author": "the user who decided",
}
"""By what a column names a person."""


def row_of(names: str, column: str, *covers: str) -> SubjectColumn:
    """Declare a column whose row goes with the person it names."""
    return SubjectColumn(column=column, names=names, covers=covers)


def value_of(names: str, column: str, *covers: str) -> SubjectColumn:
    """Declare a column whose value goes with the person it names; the row, which is about another, stays."""
    return SubjectColumn(column=column, names=names, erasure="value", covers=covers)


ENTITY_TYPES = ("person", "company")
"""The entity types of customers and their records."""

MONEY = "DECIMAL(20,4)"
"""The type of amounts: ISO 4217 has currencies of up to four decimals, and 16 digits before them hold any total. Wider
than DECIMAL(18,2), which lakes made before December 2026 have: DuckLake widens a column in place."""

RUN_ID = Column("_run_id", "VARCHAR", "Run that last wrote the row", "none", nullable=False, volatile=True)

LINEAGE = (
    RUN_ID,
    Column("_source", "VARCHAR", "Source system, as named in dataflow.toml", "none", nullable=False),
    Column("_object", "VARCHAR", "Object of that source", "none", nullable=False),
    Column("_record_key", "VARCHAR", "Key of the record in that object", "pseudonym", nullable=False),
    Column(
        "_extracted_at", "TIMESTAMPTZ", "When the row was read from the source", "none", nullable=False, volatile=True
    ),
    Column("_row_hash", "VARCHAR", "MD5 of the row as received", "pseudonym", nullable=False),
)

OBJECT_OF_A_SOURCE = (
    Column("source", "VARCHAR", "Source system", "none", nullable=False),
    Column("object", "VARCHAR", "Object", "none", nullable=False),
)
"""The columns of a table whose rows are about an object."""

ROW_OF_AN_OBJECT = (
    Column("_source", "VARCHAR", "Source system", "none", nullable=False),
    Column("_object", "VARCHAR", "Object of that source", "none", nullable=False),
)
"""The columns of a table whose rows are about one row of an object."""
