"""E-mail addresses: normal form, the form in which two spellings of one mailbox agree, role mailboxes."""

from __future__ import annotations

from typing import NamedTuple

from checks.values import normal_email
from dataflow.conform.texts import words

# Gmail ignores dots in the mailbox name; its two domains are one (Google account help, "Dots don't matter").
_DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}

_ROLES = words(
    "abuse accounting accounts admin administration administrator billing bookings buchhaltung buero bureau "
    "careers commercial compras contact contacto contato contatti customercare customerservice enquiries feedback "
    "finance hello help helpdesk hola hostmaster hr info information inquiries invoices it jobs kontakt legal mail "
    "marketing media newsletter noreply office orders pedidos postmaster press privacy purchasing reception sales "
    "security service services shop staff sales support team vendas ventas verkauf vertrieb webmaster welcome"
)
_PLACEHOLDERS = words(
    "a aa aaa abc asdf email example fake foo na nn no nobody noemail none null nomail test tester testing unknown "
    "user x xx xxx xyz"
)


class Email(NamedTuple):
    """`canonical` is None for a mailbox that identifies nobody."""

    email: str
    canonical: str | None
    domain: str
    is_role: bool


def normalise_email(text: str) -> Email | None:
    """Return the address in its forms, or None where it is none or a placeholder."""
    found = normal_email(text.strip().removeprefix("mailto:").strip("<>").lower())
    if found is None:
        return None
    local, _, domain = found.lower().rpartition("@")
    mailbox = local.split("+", 1)[0] or local
    if _is_placeholder(mailbox, domain):
        return None
    is_role = mailbox.replace("-", "").replace("_", "").replace(".", "") in _ROLES
    if domain in _DOTLESS:
        mailbox, domain = mailbox.replace(".", ""), _DOTLESS[domain]
    return Email(found.lower(), None if is_role else f"{mailbox}@{domain}", found.lower().rpartition("@")[2], is_role)


def _is_placeholder(mailbox: str, domain: str) -> bool:
    """test@test.com, a@a.com, noemail@example.com: both sides say nothing."""
    plain = mailbox.replace("-", "").replace("_", "").replace(".", "")
    if plain not in _PLACEHOLDERS:
        return False
    first = domain.split(".", 1)[0]
    return first == plain or (len(first) > 2 and first in _PLACEHOLDERS)
