"""Index declarations by name; refuse duplicates when they are declared, unknown names when they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from checks.errors import CheckDeclarationError

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """The declarations of one kind by name, in order of declaration."""

    def __init__(self, kind: str, declared: Iterable[T], *, name: Callable[[T], str]) -> None:
        """Index `declared`. Raises: CheckDeclarationError naming each duplicate."""
        self.kind = kind
        self._found: dict[str, T] = {}
        twice: list[str] = []
        for one in declared:
            if name(one) in self._found:
                twice.append(name(one))
            self._found[name(one)] = one
        if twice:
            raise CheckDeclarationError(f"Declared twice: {kind} {', '.join(sorted(set(twice)))}.")

    def __getitem__(self, name: str) -> T:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def find(self, name: str) -> T:
        """Return the declaration of this name. Raises: CheckDeclarationError with the nearest name and the list."""
        if name not in self._found:
            raise CheckDeclarationError(unknown_name(self.kind, name, self._found))
        return self._found[name]


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for an undeclared name: the nearest declared name, then all of them."""
    names = sorted(known)
    return f"There is no {kind} {name}.{nearest(name, names)} There are: {', '.join(names) or 'none'}."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the question whether the nearest declared name is meant, after a blank; empty where none is near."""
    # Loaded here: every command imports this module, and unknown names are rare.
    from difflib import get_close_matches

    folded = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), folded, n=1)
    return f" Did you mean {folded[near[0]]}?" if near else ""
