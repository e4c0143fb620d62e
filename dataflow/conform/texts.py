"""Tidy text as people write it: blanks, capitals, placeholders."""

from __future__ import annotations

import re
import unicodedata

from dataflow.vocabulary import names
from dataflow.vocabulary.placeholders import NOTHING

_BLANKS = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d_]+")

PARTICLES = frozenset((*names.PARTICLES, *names.PARTICLES_THAT_ARE_SURNAMES))
"""Words before a surname that stay in lower case."""


def tidy(text: str | None) -> str | None:
    """Compose Unicode, collapse blanks, drop surrounding quotes; None for an empty or placeholder text."""
    if text is None:
        return None
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = _BLANKS.sub(" ", text).strip(" \"'`,;")
    return text if text and text.lower() not in NOTHING else None


def is_one_case(text: str) -> bool:
    """Return whether a text is all in capitals or without any."""
    return text.isupper() or text.islower()


def capitalise(text: str) -> str:
    """Capitalise each word of a text typed in one case; leave a text in mixed case as it is."""
    if not is_one_case(text):
        return text
    return _WORD.sub(lambda found: _capital(found[0], starts=found.start() == 0), text.lower())


def _capital(word: str, *, starts: bool) -> str:
    if word in PARTICLES and not starts:
        return word
    if word.startswith("mc") and len(word) > 4:
        return "Mc" + word[2:].capitalize()
    return word.capitalize()
