"""Normalise names of people: given name, surname, generation; from separate fields, or from one line."""

from __future__ import annotations

import re
from typing import NamedTuple

from dataflow.conform.texts import PARTICLES, capitalise, tidy
from dataflow.vocabulary.names import GENERATIONS, TITLES, TITLES_THAT_ARE_INITIALS

_TITLES = frozenset((*TITLES, *TITLES_THAT_ARE_INITIALS))
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class PersonName(NamedTuple):
    """A person's name in its parts; `full` is given name and surname on one line."""

    given: str | None
    surname: str | None
    generation: str | None
    full: str | None


def normalise_person(given: str | None, surname: str | None, full: str | None, generation: str | None) -> PersonName:
    """Tidy the parts of a name; split them from the full name where the parts are missing."""
    given, surname, line = _without_title(tidy(given)), tidy(surname), tidy(full)
    marked = _generation(generation)
    if given is None and surname is None and line is not None:
        given, surname, marked = _split(line, marked)
    else:
        surname, marked = _cut_generation(surname, marked)
        given, marked = _cut_generation(given, marked)
    given = capitalise(given.rstrip(".")) if given else None
    surname = capitalise(surname) if surname else None
    return PersonName(given or None, surname or None, marked, _one_line(given, surname))


def _split(line: str, generation: str | None) -> tuple[str | None, str | None, str | None]:
    """Split "Given Surname", "Surname, Given", "Given Surname, Jr."; one word is a surname unless it is East Asian."""
    before, comma, after = (part.strip() for part in line.partition(","))
    if comma and _generation(after):
        line, generation = before, generation or _generation(after)
    elif comma and after:
        surname, generation = _cut_generation(before, generation)
        given, generation = _cut_generation(_without_title(after), generation)
        return given, surname, generation
    named, generation = _cut_generation(_without_title(line), generation)
    parts = named.split(" ") if named else []
    if len(parts) < 2:
        return None, named, generation
    if _EAST_ASIAN.search(line):
        return " ".join(parts[1:]), parts[0], generation
    at = len(parts) - 1
    while at > 1 and parts[at - 1].lower() in PARTICLES:
        at -= 1
    return " ".join(parts[:at]), " ".join(parts[at:]), generation


def _one_line(given: str | None, surname: str | None) -> str | None:
    """Join the names on one line; East Asian names family name first, without a blank."""
    if given and surname and _EAST_ASIAN.search(given) and _EAST_ASIAN.search(surname):
        return surname + given
    return " ".join(part for part in (given, surname) if part) or None


def _without_title(name: str | None) -> str | None:
    while name:
        first, _, rest = name.partition(" ")
        if not rest or first.lower().replace(".", "") not in _TITLES:
            # A lone "M." or "Ing" can be an initial or a name: a title is followed by a name.
            break
        name = rest
    return name


def _cut_generation(name: str | None, generation: str | None) -> tuple[str | None, str | None]:
    if name is None:
        return None, generation
    rest, _, last = name.rpartition(" ")
    marked = _generation(last)
    return (rest.rstrip(", "), generation or marked) if rest and marked else (name, generation)


def _generation(text: str | None) -> str | None:
    return GENERATIONS.means.get(text.strip(" .,").lower()) if text else None
