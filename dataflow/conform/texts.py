"""Text as people write it: blanks, capitals, and words that stand for nothing."""

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
    """Compose, fold blanks and drop surrounding quotes; None where nothing is said."""
    if text is None:
        return None
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = _BLANKS.sub(" ", text).strip(" \"'`,;")
    return text if text and text.lower() not in NOTHING else None


def is_one_case(text: str) -> bool:
    """Whether a text was typed with the caps lock on, or with no capitals at all."""
    return text.isupper() or text.islower()


def capitalise(text: str) -> str:
    """Give each word its capital where the text was typed in one case; else leave it as its owner writes it."""
    if not is_one_case(text):
        return text
    return _WORD.sub(lambda found: _capital(found[0], starts=found.start() == 0), text.lower())


def _capital(word: str, *, starts: bool) -> str:
    if word in PARTICLES and not starts:
        return word
    if word.startswith("mc") and len(word) > 4:
        return "Mc" + word[2:].capitalize()
    return word.capitalize()
