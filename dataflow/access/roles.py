"""Compile the declaration of a role: the tables and columns it sees, and how. The one place that decides it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from checks.registry import unknown_name
from dataflow.access.conditions import condition_faults
from dataflow.access.masks import ABSENT, CLEAR, MASKS, TREATMENTS, is_injective
from dataflow.errors import ConfigurationError
from dataflow.settings import RoleSettings, Settings
from dataflow.settings.roles import LAKE_ROLES, SHIPPED_ROLES
from dataflow.tables.columns import CLASSIFICATIONS
from dataflow.tables.published import CUSTOMER_HISTORY
from dataflow.tables.registry import STATIC
from lakehouse.table import Column, Table

_FORMAT = 2
"""Of the marts; raised when masks, views or the format of files change, so that existing marts are written again."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TABLES: Mapping[str, Table] = {table.full_name: table for table in STATIC}
_HISTORIES = (CUSTOMER_HISTORY,)


@dataclass(frozen=True, kw_only=True)
class RoleTable:
    """A table as a role sees it: its present columns, each with `clear` or a mask; `where` is "" for all rows."""

    table: Table
    treatments: Mapping[str, str]
    where: str = ""

    @property
    def is_whole(self) -> bool:
        """Return whether the role sees all of the table, unmasked."""
        is_clear = all(treatment == CLEAR for treatment in self.treatments.values())
        return is_clear and len(self.treatments) == len(self.table.columns) and not self.where

    @property
    def has_key(self) -> bool:
        """Return whether the seen columns tell rows apart as the key does."""
        return all(is_injective(self.treatments.get(name, ABSENT)) for name in self.table.key)


@dataclass(frozen=True, kw_only=True)
class Role:
    """A compiled role. `opens_lake`: it has no mart, and reads the lake itself, unmasked."""

    name: str
    meaning: str
    opens_lake: bool = False
    tables: Mapping[str, RoleTable] = field(default_factory=dict)
    sql: bool = True
    history: str = "all"
    smallest_group: int = 0

    @property
    def fingerprint(self) -> str:
        """Return a hash of all that shapes the role's mart."""
        shape = {
            name: [
                seen.where,
                seen.table.key,
                [[one.name, one.type, seen.treatments.get(one.name, ABSENT)] for one in seen.table.columns],
            ]
            for name, seen in sorted(self.tables.items())
        }
        whole = json.dumps([_FORMAT, self.name, self.sql, self.history, self.smallest_group, shape])
        return hashlib.sha256(whole.encode()).hexdigest()

    @property
    def is_masked(self) -> bool:
        """Return whether the role sees any of its tables masked or in part."""
        return not self.opens_lake and not all(seen.is_whole for seen in self.tables.values())

    def treatment(self, table: str, column: str) -> str:
        """Return how the role sees a column: `clear`, a mask or `absent`."""
        if self.opens_lake:
            return CLEAR
        return self.tables[table].treatments.get(column, ABSENT) if table in self.tables else ABSENT


_OPENING = {
    "engineer": "Runs and repairs the pipeline: opens the lake itself",
    "privacy_officer": "Answers the rights of persons: opens the lake itself",
}


def role_names(settings: Settings | None) -> list[str]:
    """List the roles of this configuration: those that open the lake, the shipped ones, those of dataflow.toml."""
    return list(dict.fromkeys((*LAKE_ROLES, *SHIPPED_ROLES, *(settings.roles if settings else ()))))


def find_role(name: str, settings: Settings | None) -> Role:
    """Compile one role. Raises: ConfigurationError naming every fault, and for an unknown name the nearest."""
    if name in LAKE_ROLES:
        return Role(name=name, meaning=_OPENING[name], opens_lake=True)
    declared = {**SHIPPED_ROLES, **(settings.roles if settings else {})}
    if name not in declared:
        raise ConfigurationError(unknown_name("role", name, role_names(settings)))
    chosen = _completed(name, declared)
    faults = list(_faults(name, chosen))
    tables = {} if faults else _tables(chosen)
    faults += [fault for seen in tables.values() for fault in _misfits(seen)]
    if faults:
        raise ConfigurationError(
            f"roles.{name} is not usable: {'; '.join(faults)}.",
            next_move="Correct it in dataflow.toml; `dataflow describe role` lists the roles.",
        )
    return Role(
        name=name,
        meaning=chosen.meaning,
        tables=tables,
        sql=chosen.sql,
        history=chosen.history,
        smallest_group=chosen.smallest_group,
    )


def check_roles(settings: Settings) -> None:
    """Compile every role of dataflow.toml, and find every role that it gives. Raises: ConfigurationError."""
    for name in settings.roles:
        if name in LAKE_ROLES:
            raise ConfigurationError(f"roles.{name} cannot be declared: it opens the lake itself and masks nothing.")
        find_role(name, settings)
    known = role_names(settings)
    given = {f"access.users.{user}": roles for user, roles in settings.access.users.items()}
    given["access.marts"] = settings.access.marts
    given["access.members"] = list(settings.access.members)
    faults = [
        f"{place}: {unknown_name('role', name, known).rstrip('.')}"
        for place, roles in given.items()
        for name in roles
        if name not in known
    ]
    faults += [
        f"access.members.{name}: a role without SQL has no dataset"
        for name in settings.access.members
        if name in known and not find_role(name, settings).sql
    ]
    faults += [f"access.users.{user} has no role" for user, roles in settings.access.users.items() if not roles]
    if faults:
        raise ConfigurationError(f"Roles are given that cannot be: {'; '.join(faults)}.")


def _completed(name: str, declared: Mapping[str, RoleSettings]) -> RoleSettings:
    """Return a declaration with what it takes over from the roles it is based on."""
    chain = [name]
    while base := declared[chain[-1]].based_on:
        if base == chain[-1] and base in SHIPPED_ROLES:
            # A role of dataflow.toml that changes the shipped one of its own name.
            return _over(SHIPPED_ROLES[base], declared, chain)
        if base not in declared or base in chain:
            fault = "in a circle" if base in chain else unknown_name("role", base, declared).rstrip(".")
            raise ConfigurationError(f"roles.{chain[-1]}.based_on: {fault}.")
        chain.append(base)
    return _over(declared[chain[-1]], declared, chain[:-1])


def _over(start: RoleSettings, declared: Mapping[str, RoleSettings], chain: list[str]) -> RoleSettings:
    result = start
    for name in reversed(chain):
        mine = declared[name]
        changes = {one: getattr(mine, one) for one in mine.model_fields_set if one != "based_on"}
        for one in {"classes", "columns", "rows"} & changes.keys():
            changes[one] = {**getattr(result, one), **changes[one]}
        result = result.model_copy(update=changes)
    return result


def _faults(name: str, declared: RoleSettings) -> Iterator[str]:
    """Yield what is wrong with a declaration by itself."""
    if not _NAME.fullmatch(name):
        yield "a role's name has only small letters, digits and _, and begins with a letter"
    if declared.sql and declared.smallest_group:
        yield "smallest_group is for roles without SQL: by SQL, small groups can be rebuilt from larger ones"
    yield from _unknown("table", declared.tables, (*_TABLES, *_patterns()))
    yield from _unknown("class", declared.classes, CLASSIFICATIONS)
    treatments = [one for value in declared.classes.values() for one in _several(value)]
    yield from _unknown("mask", [*treatments, *declared.columns.values()], TREATMENTS)
    if declared.history == "present":
        yield from (
            f"history is present, and {table.full_name} holds former states"
            for table in _HISTORIES
            if table.full_name in declared.tables
        )
    seen = _chosen(declared)
    places = {f"{table.full_name}.{column}" for table in seen for column in table.column_names}
    yield from _unknown(
        "column", declared.columns, places | {column for table in seen for column in table.column_names}
    )
    yield from _unknown("table", declared.rows, [table.full_name for table in seen])
    for table in seen:
        if condition := declared.rows.get(table.full_name):
            yield from (f"rows of {table.full_name}: {fault}" for fault in condition_faults(table, condition))


def _unknown(kind: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    known = list(known)
    yield from (unknown_name(kind, one, known).rstrip(".") for one in names if one not in known)


def _patterns() -> list[str]:
    return list(dict.fromkeys(f"{table.schema}.*" for table in STATIC))


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _chosen(declared: RoleSettings) -> list[Table]:
    """Return the tables that a declaration names, in the order of the registry."""
    named = set(declared.tables)
    return [
        table
        for name, table in _TABLES.items()
        if name in named
        or (f"{table.schema}.*" in named and not (declared.history == "present" and table in _HISTORIES))
    ]


def _tables(declared: RoleSettings) -> dict[str, RoleTable]:
    found = {}
    for table in _chosen(declared):
        treated = {column.name: _treatment(table, column, declared) for column in table.columns}
        present = {name: treatment for name, treatment in treated.items() if treatment != ABSENT}
        if present:
            where = declared.rows.get(table.full_name, "")
            found[table.full_name] = RoleTable(table=table, treatments=present, where=where)
    return found


def _treatment(table: Table, column: Column, declared: RoleSettings) -> str:
    exception = declared.columns.get(f"{table.full_name}.{column.name}") or declared.columns.get(column.name)
    if exception:
        return exception
    choices = _several(declared.classes.get(column.classification, ABSENT))
    return next((one for one in choices if _fits(one, column)), choices[0] if choices else ABSENT)


def _fits(treatment: str, column: Column) -> bool:
    return treatment not in MASKS or MASKS[treatment].fits(column)


def _misfits(seen: RoleTable) -> Iterator[str]:
    for name, treatment in seen.treatments.items():
        column = seen.table.column(name)
        if not _fits(treatment, column):
            fitting = [one for one in MASKS if MASKS[one].fits(column)]
            yield (
                f"the mask {treatment} does not fit {seen.table.full_name}.{name}, {column.type} of class "
                f"{column.classification}, which can have {', '.join(fitting)}"
            )
