"""Look names up in the dictionary of the package `nicknames`; the one module that uses a private part of it.

The package has no public list of its names (nicknames 1.0, November 2026); tests/unit/test_private_parts.py fails when
the private one changes.
"""

from __future__ import annotations

from functools import cache

from nicknames import NickNamer


def canonicals_of(name: str) -> set[str]:
    """Return the names that a name is a short form of."""
    return set(_dictionary().canonicals_of(name))


def is_known(name: str) -> bool:
    """Return whether it is a name or a short form of one."""
    return bool(_dictionary().canonicals_of(name) or _dictionary().nicknames_of(name))


def full_names() -> list[str]:
    """Return every name that has short forms, sorted."""
    return sorted(_dictionary()._nickname_lookup)


@cache
def _dictionary() -> NickNamer:
    return NickNamer()
