"""Decide who reads and in which role: by a token, or as a user of the operating system."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from dataflow.access.doors import DOORS
from dataflow.access.log.entry import Entry, ReadEnding
from dataflow.access.log.place import own_writer
from dataflow.access.roles import Role, check_roles, find_role, role_names
from dataflow.access.tokens import check_token
from dataflow.access.who import TOKEN, Purpose, Who, system_user
from dataflow.errors import AccessLogDamaged, AccessLogUnwritable, AccessRefused, UsageError
from dataflow.settings import Settings
from dataflow.settings.roles import ENGINEER
from lakehouse.table import Table

Reads = Sequence[Table] | None
"""What a command reads by statements of its own: tables of the lake, or None for the lake itself, with its history."""


def identify(settings: Settings, *, door: str, role: str | None = None, reads: Reads = ()) -> Who:
    """Return who reads, with the role asked for; without one, the first of the user's roles that may read `reads`.

    A refusal is an entry of the access log under `door`, the name of a door or of a command.
    Raises: AccessRefused, UsageError for a token that is not valid, ConfigurationError for a role that is not usable.
    """
    check_roles(settings)
    by_token = settings.token is not None
    try:
        return _by_token(settings, role) if by_token else _by_user(settings, role, reads)
    except (AccessRefused, UsageError):
        # A refused token proves nothing: the entry names the user of this process.
        asked = replace(system_user(), role=role if role in role_names(settings) else "")
        record_refusal(settings, asked, door=door, detail="by token" if by_token else "by user")
        raise


def _by_token(settings: Settings, role: str | None) -> Who:
    assert settings.token is not None
    token = check_token(settings, settings.token.get_secret_value(), now=datetime.now(UTC))
    if role not in (None, token.role):
        raise AccessRefused(f"The token {token.token_id} has the role {token.role}, not {role}.")
    return Who(token.token_id, token.role, TOKEN)


def _by_user(settings: Settings, role: str | None, reads: Reads) -> Who:
    user = system_user()
    roles = roles_of(user.name, settings)
    if role is None:
        fitting = [name for name in roles if not refusal(find_role(name, settings), reads)]
        return replace(user, role=(fitting or roles)[0])
    # An engineer reads everything, and so may look at what another role sees.
    if role not in roles and ENGINEER not in roles:
        raise AccessRefused(f"The user {user.name} does not have the role {role}, but {', '.join(roles)}.")
    return replace(user, role=find_role(role, settings).name)


def record_refusal(settings: Settings, who: Who, *, door: str, detail: str = "") -> None:
    """Record that a person or tool was refused before a door opened."""
    entry = Entry(
        at=datetime.now(UTC),
        who=who.name,
        authenticated=who.authenticated,
        role=who.role,
        purpose=DOORS[door].purpose if door in DOORS else Purpose.OPERATION,
        door=door,
        outcome=ReadEnding.REFUSED,
        detail=detail,
    )
    # Nothing was read: the refusal stands where the log cannot be written.
    with suppress(AccessLogUnwritable, AccessLogDamaged):
        own_writer(settings).append(entry)


def roles_of(user: str, settings: Settings) -> list[str]:
    """Return the roles of a user. Raises: AccessRefused for a user without one where users are declared."""
    users = settings.access.users
    if not users:
        return [ENGINEER]
    if not users.get(user):
        raise AccessRefused(f"The user {user} has no role: access.users of dataflow.toml does not name the user.")
    return users[user]


def refusal(role: Role, reads: Reads) -> str:
    """Return why a role may not read what a command needs; "" where it may."""
    if role.opens_lake:
        return ""
    if reads is None:
        return "it reads the lake itself, which only engineer and privacy_officer open"
    without = [
        table.full_name
        for table in reads
        if not (role.sql and table.full_name in role.tables and role.tables[table.full_name].is_whole)
    ]
    return f"it reads {', '.join(without)} unmasked, which the role does not see" if without else ""
