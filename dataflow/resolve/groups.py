"""Disjoint groups of records or customers, joined pair by pair."""

from __future__ import annotations

from collections.abc import Iterable


class Groups:
    """Disjoint sets of names; `apart` are pairs that must not come into one set. A name never joined is alone."""

    def __init__(self, apart: Iterable[tuple[str, str]] = ()) -> None:
        self._parent: dict[str, str] = {}
        self._members: dict[str, set[str]] = {}
        self._apart: dict[str, set[str]] = {}
        for left, right in apart:
            self._apart.setdefault(left, set()).add(right)
            self._apart.setdefault(right, set()).add(left)

    def join(self, left: str, right: str) -> bool:
        """Join the groups of two names and return True, or return False where a pair of `apart` forbids it."""
        small, large = sorted((self._root(left), self._root(right)), key=lambda root: len(self._group(root)))
        if small == large:
            return True
        if not self._apart.get(small, set()).isdisjoint(self._group(large)):
            return False
        self._parent[small] = large
        self._members[large] = self._group(large) | self._group(small)
        self._apart[large] = self._apart.get(large, set()) | self._apart.get(small, set())
        return True

    def are_one(self, left: str, right: str) -> bool:
        return self._root(left) == self._root(right)

    def members(self, name: str) -> set[str]:
        """Return the names in the group of a name, itself included."""
        return self._group(self._root(name))

    def _root(self, name: str) -> str:
        while (parent := self._parent.get(name, name)) != name:
            name = parent
        return name

    def _group(self, root: str) -> set[str]:
        return self._members.get(root) or {root}
