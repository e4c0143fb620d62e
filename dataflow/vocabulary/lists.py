"""A list of words: its entries, what they stand for, their source and date."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from anyascii import anyascii

_GAPS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True, eq=False)
class WordList:
    """One list, in lower case. `means` maps each entry to what it stands for; in a list of plain words, to itself.

    `source` is where the entries come from, with version and licence of a third party's list; `as_of` is the day of
    the last change.
    """

    name: str
    source: str
    as_of: str
    means: Mapping[str, str] = field(repr=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self.means)

    def __len__(self) -> int:
        return len(self.means)

    def __contains__(self, word: object) -> bool:
        return word in self.means


def plain(text: str, *phrases: str) -> Mapping[str, str]:
    """Map each word of `text`, and each phrase, to itself. Raises: ValueError for a duplicate."""
    return _unique((word, word) for word in (*text.split(), *phrases))


def spelt(forms: Mapping[str, str]) -> Mapping[str, str]:
    """Map spellings to their form, from each form with its spellings, separated by blanks. Raises: ValueError."""
    return _unique((word, form) for form, listed in forms.items() for word in listed.split())


def fold_words(words: Iterable[str]) -> tuple[str, ...]:
    """Fold words to ASCII, lower case, letters and digits with one blank between; sorted, without duplicates.

    The twin of `folded_sql` (resolve/records/normaliser.py), which folds records.
    """
    plain_words = (_GAPS.sub(" ", anyascii(word).lower().replace(".", "").replace("'", "")).strip() for word in words)
    return tuple(sorted({word for word in plain_words if word}))


def any_of(words: Iterable[str]) -> str:
    """Return the words as alternatives of a regular expression, longest first."""
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))


def version_of(*lists: WordList) -> str:
    """Return a short hash of the lists' entries; nothing else changes it."""
    content = sorted((one.name, sorted(one.means.items())) for one in lists)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _unique(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for word, meant in pairs:
        if word in found:
            raise ValueError(f"The vocabulary lists {word!r} twice in one list.")
        found[word] = meant
    return MappingProxyType(found)
