"""What a page declares, and which roles it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter

from dataflow.access.identify import Reads, refusal
from dataflow.access.masks import CLEAR
from dataflow.access.roles import Role
from lakehouse.table import Table

GROUPS = ("", "Customers", "Business", "Operation", "Administration")
"""The parts of the navigation, in order; "" has no heading."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One entry of the navigation with the paths below it. `door` is its name in the access log.

    `is_for` decides which roles see it, by what they may read: a role without it gets 403 under every path of it.
    """

    name: str
    title: str
    path: str
    group: str
    door: str
    is_for: Callable[[Role], bool]
    router: APIRouter


def sees_clear(table: Table, *columns: str) -> Callable[[Role], bool]:
    """Return the condition that a role sees these columns of a table unmasked."""
    return lambda role: all(role.treatment(table.full_name, column) == CLEAR for column in columns)


def reads_whole(reads: Reads) -> Callable[[Role], bool]:
    """Return the condition that a role sees these tables whole; None: the lake itself."""
    return lambda role: not refusal(role, reads)


def everyone(_: Role) -> bool:
    """Hold for every role: the page shows each what it may see."""
    return True
