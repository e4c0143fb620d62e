"""Describe roles: the matrix of table and column, and how the role sees each."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.access.masks import MASKS
from dataflow.access.roles import Role, find_role, role_names
from dataflow.observe.describe.description import Description, Record
from dataflow.settings import Settings


def describe_roles(settings: Settings | None) -> Sequence[Description]:
    """Describe every role; without settings, those that every lake has."""
    return [_role(find_role(name, settings)) for name in role_names(settings)]


def describe_masks(_: Settings | None) -> Sequence[Description]:
    """Describe the masks that a role can see in place of a value."""
    return [Description(name=mask.name, meaning=mask.meaning) for mask in MASKS.values()]


def _role(role: Role) -> Description:
    conditions = {name: seen.where for name, seen in role.tables.items() if seen.where}
    facts = {
        "opens the lake": role.opens_lake,
        "sql": role.sql,
        "history": role.history,
        "smallest group": role.smallest_group or None,
        "rows": conditions or None,
    }
    parts = {} if role.opens_lake else {"columns": _matrix(role)}
    return Description(name=role.name, meaning=role.meaning, facts=facts, parts=parts)


def _matrix(role: Role) -> list[Record]:
    """List each column of each table of the role. A role without SQL sees only views of groups over them."""
    return [
        {
            "table": name,
            "column": column.name,
            "class": column.classification,
            "seen": role.treatment(name, column.name),
        }
        for name, seen in role.tables.items()
        for column in seen.table.columns
    ]
