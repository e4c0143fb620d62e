"""The tables of BigQuery that are loaded from the lake: the published ones, and those of roles with masks.

A role sees a table without masks by a view that selects from the published one. Masks are computed here, as for its
mart: BigQuery has no HMAC, and a key in a view's text is read by all who read the view.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property

import duckdb

from dataflow.access.mask_keys import key_check, mask_key
from dataflow.access.masks import CLEAR
from dataflow.access.roles import Role, RoleTable, find_role
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from dataflow.settings.roles import LAKE_ROLES
from dataflow.sinks.bigquery.conditions import condition_in_googlesql
from dataflow.sinks.bigquery.shape import Place
from dataflow.sinks.seen import key_in_variables
from dataflow.tables import published
from lakehouse.table import Table

_MOST_TABLES = 100
"""That one transaction of BigQuery changes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Copy:
    """A table of BigQuery that follows a table of the lake. `role` is "" for the published table itself."""

    seen: RoleTable
    place: Place
    role: str = ""
    identity: str = ""
    """Differs where the role's declaration or the key of its masks does: the table is then written whole."""
    key: bytes = field(default=b"", repr=False)

    @cached_property
    def shown(self) -> Table:
        """Return the table as it is there: the columns that are seen, and the key if they still tell rows apart."""
        table, treatments = self.seen.table, self.seen.treatments
        columns = tuple(
            replace(column, nullable=column.nullable or treatments[column.name] != CLEAR)
            for column in table.columns
            if column.name in treatments
        )
        return replace(table, columns=columns, key=table.key if self.seen.has_key else (), subjects=())

    @property
    def masked(self) -> frozenset[str]:
        """Return the columns that are not as they are in the lake: never partitioned or clustered by."""
        return frozenset(name for name, treatment in self.seen.treatments.items() if treatment != CLEAR)

    @property
    def label(self) -> str:
        """Return its name in messages: `customer_360` or `analyst.customer_360`."""
        return f"{self.role}.{self.seen.table.name}" if self.role else self.seen.table.name

    @property
    def counted_as(self) -> str:
        """Return its name among the counts of a publication."""
        return f"{self.label}@{self.identity}" if self.role else self.label

    @property
    def word(self) -> str:
        """Return its name where only letters, digits and _ may stand."""
        return f"{self.role}__{self.seen.table.name}" if self.role else self.seen.table.name

    @property
    def target(self) -> str:
        """Return the quoted name of the table in BigQuery."""
        return self.place.published(self.seen.table.name)

    def key_of_masks(self, con: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """Set the key of the masks on a connection for the block."""
        return key_in_variables(con, self.key) if self.key else nullcontext()


@dataclass(frozen=True, kw_only=True)
class RoleData:
    """What a role with members has in BigQuery: tables with masks, and views on published tables."""

    role: Role
    members: tuple[str, ...]
    place: Place
    copies: tuple[Copy, ...]
    views: tuple[RoleTable, ...]

    def filter_of(self, table: str) -> str:
        """Return the condition of the rows that the role sees by a view, in GoogleSQL; TRUE: all."""
        for seen in self.views:
            if seen.table.name == table and seen.where:
                return condition_in_googlesql(seen.table, seen.where) or "FALSE"
        return "TRUE"


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """What the declarations put into BigQuery. `readers` see the published tables themselves."""

    place: Place
    roles: tuple[RoleData, ...]
    readers: tuple[str, ...]
    tags: Mapping[str, str]
    """Class of personal data to policy tag."""

    @property
    def is_shared(self) -> bool:
        """Return whether the settings say who reads; otherwise that is not managed here."""
        return bool(self.roles or self.readers or self.tags)

    @cached_property
    def copies(self) -> tuple[Copy, ...]:
        """Return all tables that are loaded."""
        return (*published_copies(self.place), *(copy for role in self.roles for copy in role.copies))


def member_of_email(email: str) -> str:
    """Return an account as IAM writes it."""
    return normal_member(f"{'serviceAccount' if email.endswith('gserviceaccount.com') else 'user'}:{email}")


def normal_member(member: str) -> str:
    """Return a member in one spelling: addresses do not depend on the case of their letters."""
    kind, separator, name = member.partition(":")
    return f"{kind}{separator}{name.lower()}" if kind != "specialGroup" else member


def published_copies(place: Place) -> list[Copy]:
    """Return the published tables."""
    return [
        Copy(seen=RoleTable(table=table, treatments=dict.fromkeys(table.column_names, CLEAR)), place=place)
        for table in published.TABLES
    ]


def declared_contents(settings: Settings, place: Place, *, lake_id: str) -> Contents:
    """Compile what the settings declare. Raises: ConfigurationError."""
    members = settings.access.members
    roles = tuple(
        _role_data(settings, place, find_role(name, settings), tuple(chosen), lake_id=lake_id)
        for name, chosen in members.items()
        if chosen and name not in LAKE_ROLES
    )
    readers = tuple(dict.fromkeys(normal_member(one) for name in LAKE_ROLES for one in members.get(name, ())))
    tags = {str(name): tag for name, tag in settings.warehouse.bigquery.policy_tags.items()}
    made = Contents(place=place, roles=roles, readers=readers, tags=tags)
    if len(made.copies) >= _MOST_TABLES:
        raise ConfigurationError(
            f"access.members gives datasets to {len(roles)} roles with {len(made.copies)} tables; one transaction of "
            f"BigQuery changes at most {_MOST_TABLES}.",
            next_move="Take roles with masks out, or name fewer tables in them.",
        )
    return made


def _role_data(settings: Settings, place: Place, role: Role, members: Sequence[str], *, lake_id: str) -> RoleData:
    if role.name == "staging":
        raise ConfigurationError("access.members: the dataset of a role staging would be the one of staged rows.")
    key = mask_key(settings, role=role.name, lake_id=lake_id)
    identity = hashlib.sha256(f"{role.fingerprint}{key_check(key)}".encode()).hexdigest()[:12]
    own = place.of_role(role.name)
    seen = [one for one in role.tables.values() if one.table in published.TABLES]
    return RoleData(
        role=role,
        members=tuple(dict.fromkeys(map(normal_member, members))),
        place=own,
        copies=tuple(
            Copy(seen=one, place=own, role=role.name, identity=identity, key=key) for one in seen if not _is_view(one)
        ),
        views=tuple(one for one in seen if _is_view(one)),
    )


def _is_view(seen: RoleTable) -> bool:
    """Return whether a view can show the table: without masks, its rows chosen by a condition that GoogleSQL has."""
    if any(treatment != CLEAR for treatment in seen.treatments.values()):
        return False
    return not seen.where or condition_in_googlesql(seen.table, seen.where) is not None
