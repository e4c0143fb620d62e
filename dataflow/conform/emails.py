"""Normalise e-mail addresses: normal form, canonical form of a mailbox with several spellings, role mailboxes."""

from __future__ import annotations

from typing import NamedTuple

from checks.values import normal_email
from dataflow.vocabulary.mailboxes import DOTLESS_MAIL, ROLE_MAILBOXES
from dataflow.vocabulary.placeholders import NO_NAMES, NOTHING, PLACEHOLDER_MAILBOXES

_PLACEHOLDERS = frozenset((*PLACEHOLDER_MAILBOXES, *NOTHING, *NO_NAMES))


class Email(NamedTuple):
    """`canonical` is None for a role mailbox, which does not identify a person."""

    email: str
    canonical: str | None
    domain: str
    is_role: bool


def normalise_email(text: str) -> Email | None:
    """Return the forms of the address, or None for a placeholder or text that is not an address."""
    found = normal_email(text.strip().removeprefix("mailto:").strip("<>").lower())
    if found is None:
        return None
    local, _, domain = found.lower().rpartition("@")
    mailbox = local.split("+", 1)[0] or local
    if _is_placeholder(mailbox, domain):
        return None
    is_role = mailbox.replace("-", "").replace("_", "").replace(".", "") in ROLE_MAILBOXES
    if domain in DOTLESS_MAIL:
        mailbox, domain = mailbox.replace(".", ""), DOTLESS_MAIL.means[domain]
    return Email(found.lower(), None if is_role else f"{mailbox}@{domain}", found.lower().rpartition("@")[2], is_role)


def _is_placeholder(mailbox: str, domain: str) -> bool:
    """Return whether both sides are placeholders: test@test.com, a@a.com, noemail@example.com."""
    plain = mailbox.replace("-", "").replace("_", "").replace(".", "")
    if plain not in _PLACEHOLDERS:
        return False
    first = domain.split(".", 1)[0]
    return first == plain or (len(first) > 2 and first in _PLACEHOLDERS)
