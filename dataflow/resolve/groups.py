"""Disjoint groups of records, or of customers, as pairs of them are joined one after the other."""

from __future__ import annotations

from collections.abc import Iterable


class Groups:
    """Disjoint sets of names, each knowing the names that may not come in. Whoever was never joined is alone."""

    def __init__(self, apart: Iterable[tuple[str, str]] = ()) -> None:
        self._parent: dict[str, str] = {}
        self._members: dict[str, set[str]] = {}
        self._foes: dict[str, set[str]] = {}
        for left, right in apart:
            self._foes.setdefault(left, set()).add(right)
            self._foes.setdefault(right, set()).add(left)

    def join(self, left: str, right: str) -> bool:
        """Put two and their groups together, or leave all as it is and say no."""
        small, large = sorted((self._root(left), self._root(right)), key=lambda root: len(self._group(root)))
        if small == large:
            return True
        if not self._foes.get(small, set()).isdisjoint(self._group(large)):
            return False
        self._parent[small] = large
        self._members[large] = self._group(large) | self._group(small)
        self._foes[large] = self._foes.get(large, set()) | self._foes.get(small, set())
        return True

    def are_one(self, left: str, right: str) -> bool:
        return self._root(left) == self._root(right)

    def members(self, name: str) -> set[str]:
        """Everybody in the group of a name, itself included."""
        return self._group(self._root(name))

    def _root(self, name: str) -> str:
        while (parent := self._parent.get(name, name)) != name:
            name = parent
        return name

    def _group(self, root: str) -> set[str]:
        return self._members.get(root) or {root}
