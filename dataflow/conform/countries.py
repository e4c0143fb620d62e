"""Convert country codes and names, as people write them, to ISO 3166-1 alpha-2."""

from __future__ import annotations

from functools import lru_cache

import pycountry

from dataflow.conform.texts import tidy
from dataflow.vocabulary.countries import COUNTRY_NAMES


@lru_cache(maxsize=10_000)
def normalise_country(text: str) -> str | None:
    """Return the alpha-2 code, or None where the text is not a known country."""
    tidied = tidy(text)
    if tidied is None:
        return None
    known = COUNTRY_NAMES.means.get(tidied.lower())
    if known is not None:
        return known
    try:
        return str(pycountry.countries.lookup(tidied).alpha_2)
    except LookupError:
        return None
