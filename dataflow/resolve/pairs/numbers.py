"""Represent pairs of records as pairs of numbers, a fifth of the size of their ids.

A record's number is the hash of its id. Where two records share a number, one pair too many is compared and none is
doubled: the results carry the record ids.
"""

from __future__ import annotations


def number_of(record_id: str, attempt: int = 0) -> str:
    """Return the SQL of a record's number, given an expression of its id; another number for each `attempt`."""
    return f"hash({record_id}, {attempt})" if attempt else f"hash({record_id})"


def numbered(pairs: str, *further: str) -> str:
    """Return the relation (one, other, `further` columns) of a relation of record_id_l and record_id_r.

    Shape: one and other are the numbers of the records, the smaller first.
    """
    left, right = number_of("record_id_l"), number_of("record_id_r")
    columns = ", ".join((f"least({left}, {right}) AS one", f"greatest({left}, {right}) AS other", *further))
    return f"(SELECT {columns} FROM {pairs})"


def is_member(numbers: str) -> str:
    """Return the SQL condition that the number of record_id is among those of a query."""
    return is_among(number_of("record_id"), numbers)


def is_among(number: str, numbers: str) -> str:
    """Return the SQL condition that a number is among those of a query.

    IS TRUE makes the query the hashed side of the join: without it the planner underestimated the records of one type,
    and hashed all of them with all their columns.
    """
    return f"({number} IN ({numbers})) IS TRUE"
