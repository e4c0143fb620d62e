"""Import a module when it is first used: a command that needs none of it does not wait for it."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class _Deferred:
    def __init__(self, name: str) -> None:
        self.__dict__["_module"] = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self._module), name)
        # The next use finds it here.
        self.__dict__[name] = found
        return found


def deferred(name: str) -> Any:
    """Return a stand-in for the module `name`; beside it, the module itself is imported for the type checker alone."""
    return _Deferred(name)
