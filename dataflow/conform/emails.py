"""Normalise e-mail addresses: normal form, canonical form of a mailbox with several spellings, role mailboxes."""

from __future__ import annotations

from typing import NamedTuple

from checks.values import emails_in
from dataflow.vocabulary.mailboxes import DOTLESS_MAIL, ROLE_MAILBOXES
from dataflow.vocabulary.placeholders import NO_NAMES, NOTHING, PLACEHOLDER_MAILBOXES

_PLACEHOLDERS = frozenset((*PLACEHOLDER_MAILBOXES, *NOTHING, *NO_NAMES))


class Email(NamedTuple):
    """`canonical` is None for a role mailbox, which does not identify a person; `further` are other addresses."""

    email: str
    canonical: str | None
    domain: str
    is_role: bool
    further: str | None = None


def normalise_email(text: str) -> Email | None:
    """Return the forms of the first address in the text, or None for a placeholder or a text without an address.

    What stands around an address is dropped: a name before `<…>`, `mailto:`, a comment. Further addresses are kept,
    separated by blanks.
    """
    found = [one for one in map(_forms, emails_in(text.lower())) if one is not None]
    if not found:
        return None
    further = " ".join(one.email for one in found[1:])
    return found[0]._replace(further=further or None)


def _forms(address: str) -> Email | None:
    local, _, domain = address.lower().rpartition("@")
    mailbox = local.split("+", 1)[0] or local
    if _is_placeholder(mailbox, domain):
        return None
    is_role = mailbox.replace("-", "").replace("_", "").replace(".", "") in ROLE_MAILBOXES
    if domain in DOTLESS_MAIL:
        mailbox, domain = mailbox.replace(".", ""), DOTLESS_MAIL.means[domain]
    canonical = None if is_role else f"{mailbox}@{domain}"
    return Email(address.lower(), canonical, address.lower().rpartition("@")[2], is_role)


def _is_placeholder(mailbox: str, domain: str) -> bool:
    """Return whether both sides are placeholders: test@test.com, a@a.com, noemail@example.com."""
    plain = mailbox.replace("-", "").replace("_", "").replace(".", "")
    if plain not in _PLACEHOLDERS:
        return False
    first = domain.split(".", 1)[0]
    return first == plain or (len(first) > 2 and first in _PLACEHOLDERS)
