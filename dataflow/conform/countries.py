"""Countries to ISO 3166-1 alpha-2, from codes and names as people write them."""

from __future__ import annotations

from functools import lru_cache

import pycountry

from dataflow.conform.texts import tidy

# What pycountry does not know: everyday names, and the countries' own names in their own letters.
_ALIASES = {
    "uk": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB",
    "usa": "US", "u.s.a.": "US", "u.s.": "US", "america": "US", "united states of america": "US",
    "deutschland": "DE", "allemagne": "DE", "österreich": "AT", "schweiz": "CH", "suisse": "CH", "svizzera": "CH",
    "españa": "ES", "espana": "ES", "italia": "IT", "nederland": "NL", "the netherlands": "NL", "holland": "NL",
    "belgië": "BE", "belgique": "BE", "polska": "PL", "brasil": "BR", "bharat": "IN", "भारत": "IN", "日本": "JP",
    "中国": "CN", "中國": "CN", "pr china": "CN", "people's republic of china": "CN", "россия": "RU", "russia": "RU",
    "ελλάδα": "GR", "hellas": "GR", "україна": "UA", "türkiye": "TR", "turkey": "TR", "turkiye": "TR", "méxico": "MX",
    "mexico": "MX", "sverige": "SE", "norge": "NO", "danmark": "DK", "suomi": "FI", "ísland": "IS", "éire": "IE",
    "česko": "CZ", "czech republic": "CZ", "magyarország": "HU", "românia": "RO", "россия федерация": "RU",
    "south korea": "KR", "korea": "KR", "대한민국": "KR", "vietnam": "VN", "viet nam": "VN",
    "台灣": "TW", "taiwan": "TW",
    "الإمارات": "AE", "uae": "AE", "ksa": "SA", "مصر": "EG", "ישראל": "IL", "ประเทศไทย": "TH", "maroc": "MA",
}  # fmt: skip


@lru_cache(maxsize=10_000)
def normalise_country(text: str) -> str | None:
    """Return the alpha-2 code, or None where the text names no country."""
    said = tidy(text)
    if said is None:
        return None
    known = _ALIASES.get(said.lower())
    if known is not None:
        return known
    try:
        return str(pycountry.countries.lookup(said).alpha_2)
    except LookupError:
        return None
