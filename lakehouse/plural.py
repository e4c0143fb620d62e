"""Write a number with its noun, and the verb that agrees with it."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 row`, `2,345 rows`; `plural` is given where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def agreeing(number: int, singular: str, plural: str) -> str:
    """Return the word that agrees with the number: `is` or `are`, `was` or `were`."""
    return singular if number == 1 else plural
