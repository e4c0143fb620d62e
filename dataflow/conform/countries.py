"""Convert country codes and names, as people write them, to ISO 3166-1 alpha-2."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

import pycountry
from anyascii import anyascii

from dataflow.conform.texts import tidy
from dataflow.vocabulary.countries import COUNTRY_NAMES

_LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "nb", "fi", "cs")
_GAPS = re.compile(r"[^a-z0-9]+")
_LEADING = re.compile(r"^the ")
_SAINT = re.compile(r"\b(st|ste|sainte)\b")


@lru_cache(maxsize=10_000)
def normalise_country(text: str) -> str | None:
    """Return the alpha-2 code (XK for Kosovo), or None where the text is not a known country.

    Known are codes, names of ISO 3166-1 in English and its translations, and everyday names. Accents, punctuation and
    a leading "the" do not matter.
    """
    cleaned = tidy(text)
    if cleaned is None:
        return None
    known = COUNTRY_NAMES.means.get(cleaned.lower())
    if known is not None:
        return known
    try:
        return str(pycountry.countries.lookup(cleaned).alpha_2)
    except LookupError:
        return _names().get(_fold(cleaned))


@cache
def _names() -> Mapping[str, str]:
    """Index every name by its folded form; a form that two countries share is left out."""
    found = {_fold(name): code for name, code in COUNTRY_NAMES.means.items()}
    own = frozenset(found)
    shared = set()
    for name, code in _official_names():
        folded = _fold(name)
        if folded not in own and found.setdefault(folded, code) != code:
            shared.add(folded)
    return {name: code for name, code in found.items() if name and name not in shared}


def _official_names() -> Iterator[tuple[str, str]]:
    translations = [
        gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language], fallback=True)
        for language in _LANGUAGES
    ]
    for country in pycountry.countries:
        for kind in ("name", "official_name", "common_name"):
            name = getattr(country, kind, None)
            if name is not None:
                yield from ((one.gettext(name), country.alpha_2) for one in translations)
                yield name, country.alpha_2


def _fold(name: str) -> str:
    plain = anyascii(name).lower().replace("&", " and ").replace(".", "").replace("'", "")
    words = _GAPS.sub(" ", plain).strip()
    return _SAINT.sub("saint", _LEADING.sub("", words))
