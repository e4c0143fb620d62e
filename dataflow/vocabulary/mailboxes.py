"""Mailboxes and their domains: free mail and role mailboxes."""

from __future__ import annotations

from importlib.resources import files

from dataflow.vocabulary.lists import WordList, any_of, plain


def _read_domains(name: str) -> str:
    text = (files("dataflow.vocabulary") / name).read_text(encoding="utf-8")
    return " ".join(line for line in text.splitlines() if not line.startswith("#"))


FREE_MAIL = WordList(
    name="free mail",
    source="free_mail.txt, whose head says it",
    as_of="2026-11-29",
    means=plain(_read_domains("free_mail.txt")),
)
"""Domains at which anyone can have a mailbox, so they do not identify an employer. See also NATIONAL_FREE_MAIL."""

FREE_MAIL_BRANDS = WordList(
    name="brands of free mail",
    source="our own: providers that give mailboxes under the top-level domains of many countries",
    as_of="2026-11-29",
    means=plain(
        "aol fastmail gmail gmx googlemail hotmail lycos msn outlook posteo protonmail rocketmail tiscali tutanota "
        "windowslive yahoo yandex ymail"
    ),
)
"""Their domains in any country are free mail: yahoo.it, yahoo.co.in, hotmail.com.tr. Brands that share their name with
others (live, mail, inbox) are listed domain by domain."""

NATIONAL_FREE_MAIL = rf"^(?:{any_of(FREE_MAIL_BRANDS)})\.(?:(?:co|com|net|org|ne|or)\.)?[a-z]{{2}}$"
"""A regular expression for the national domains of FREE_MAIL_BRANDS."""


def free_mail_sql(domain: str) -> str:
    """Return SQL: whether a domain in lower case is free mail; null where the domain is null."""
    listed = ", ".join(f"'{one}'" for one in sorted(FREE_MAIL))
    return f"({domain} IN ({listed}) OR regexp_matches({domain}, '{NATIONAL_FREE_MAIL}'))"


DOTLESS_MAIL = WordList(
    name="mail without dots",
    source="Google account help, 'Dots don't matter in Gmail addresses'; its two domains are one",
    as_of="2026-11-29",
    means={"gmail.com": "gmail.com", "googlemail.com": "gmail.com"},
)
"""Domains that ignore dots before the @, to the one domain of those that share mailboxes."""

ROLE_MAILBOXES = WordList(
    name="role mailboxes",
    source="RFC 2142, and our own: words of English, German, French, Spanish, Italian and Portuguese firms",
    as_of="2026-11-29",
    means=plain(
        "abuse accounting accounts admin administration administrator billing bookings buchhaltung buero bureau "
        "careers commercial compras contact contacto contato contatti customercare customerservice enquiries feedback "
        "finance hello help helpdesk hola hostmaster hr info information inquiries invoices it jobs kontakt legal mail "
        "marketing media newsletter noreply office orders pedidos postmaster press privacy purchasing reception sales "
        "security service services shop staff support team vendas ventas verkauf vertrieb webmaster welcome"
    ),
)
"""Names before the @ of role mailboxes, which belong to no one person; without dots, hyphens and underscores."""
