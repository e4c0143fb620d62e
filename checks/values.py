"""Check single values with libraries: e-mail addresses, network addresses, currency codes."""

from __future__ import annotations

import html
import ipaddress
import re
from functools import lru_cache

import pycountry

# RFC 5322 dot-atom in ASCII, at most 64 characters (RFC 5321, 4.5.3.1.1). The library would accept them all and take
# 36 µs each (measured November 2026); it still checks every domain, and every other address.
_PLAIN_LOCAL = re.compile(r"(?=.{1,64}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LONGEST_ADDRESS = 254
_SEPARATORS = re.compile(r"""[<>()\[\],;:"'|/]""")
_SCHEME = re.compile(r"mailto:", re.IGNORECASE)
# As a web form escapes them: the semicolon would part bob&amp;ann@x.example into another address.
_ENTITY = re.compile(r"&(?:[a-z]{2,6}|#[0-9]{1,5}|#x[0-9a-f]{1,4});", re.IGNORECASE)
# zero-width space, joiners, word joiner, byte order mark, soft hyphen: invisible, and in no address
_UNSEEN = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD))


def normal_email(text: str) -> str | None:
    """Return the address in normal form, or None where it is not an address."""
    local, _, domain = text.rpartition("@")
    if _PLAIN_LOCAL.fullmatch(local):
        normal = _normal_domain(domain)
        address = f"{local}@{normal}"
        return address if normal and len(address) <= _LONGEST_ADDRESS else None
    return _normal_by_library(text)


def emails_in(text: str) -> list[str]:
    """Return the addresses in a text, each once, in normal form: of `Bob <bob@x.example>; old: b@y.example` two.

    What only a blank parts from another word is not read: of "john smith@x.example" the address is not known.
    """
    text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    whole = normal_email(text.strip())
    if whole is not None:
        return [whole]
    parts = [part.split() for part in _SEPARATORS.split(_SCHEME.sub("", text.translate(_UNSEEN)))]
    words = (word for part in parts if all("@" in word for word in part) for word in part)
    found = (normal_email(word.partition("?")[0].rstrip(".")) for word in words)
    return list(dict.fromkeys(address for address in found if address is not None))


def is_email(text: str) -> bool:
    """Whether the text is an e-mail address, or has one in it that the conform stage will read."""
    return bool(emails_in(text))


def is_ip_address(text: str) -> bool:
    """Return whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text.strip())
    except ValueError:
        return False
    return True


def is_currency(text: str) -> bool:
    """Return whether the text is an ISO 4217 code."""
    return text.strip().upper() in _currency_codes()


@lru_cache(maxsize=1)
def _currency_codes() -> frozenset[str]:
    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


@lru_cache(maxsize=200_000)
def _normal_domain(domain: str) -> str | None:
    found = _normal_by_library(f"a@{domain}")
    return found.removeprefix("a@") if found else None


def _normal_by_library(text: str) -> str | None:
    # Imported here: its expressions take a tenth of a second to compile, and most addresses are plain ones.
    from email_validator import EmailNotValidError, validate_email

    try:
        # Addresses at the domains reserved for tests are accepted: samples and tests use them.
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        return None
