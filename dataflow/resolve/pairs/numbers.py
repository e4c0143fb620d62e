"""Pairs of records as pairs of numbers, a fifth of the size of their ids.

A record's number is the hash of its id. Should two records of ten million ever share one, a pair too many is compared
and none is doubled: what comes out has the ids of the records.
"""

from __future__ import annotations


def number_of(record_id: str, attempt: int = 0) -> str:
    """The number of a record, from an expression of its id; another one for each `attempt`."""
    return f"hash({record_id}, {attempt})" if attempt else f"hash({record_id})"


def numbered(pairs: str, *further: str) -> str:
    """The relation (one, other), the smaller number first, of one of record_id_l and record_id_r; and `further` columns
    of it."""
    left, right = number_of("record_id_l"), number_of("record_id_r")
    columns = ", ".join((f"least({left}, {right}) AS one", f"greatest({left}, {right}) AS other", *further))
    return f"(SELECT {columns} FROM {pairs})"


def is_member(numbers: str) -> str:
    """Condition that the number of record_id is among those of a query."""
    return is_among(number_of("record_id"), numbers)


def is_among(number: str, numbers: str) -> str:
    """Condition that a number is among those of a query.

    IS TRUE keeps these the side that is hashed: the planner, which takes the records of one type for few, was seen to
    hash all records with all their columns instead.
    """
    return f"({number} IN ({numbers})) IS TRUE"
