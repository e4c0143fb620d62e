"""Have PyArrow build arrays without importing pandas, which takes half a second and which no stage uses.

PyArrow looks for pandas with its first array, to recognise its types, and remembers the answer; `to_pandas` still
imports it (PyArrow 26, November 2026).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec

import pyarrow as pa


class _Hiding(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002 (the protocol's)
        if name == "pandas":
            raise ModuleNotFoundError(name)
        return None


def hide_pandas() -> None:
    """Build a first array while pandas cannot be found."""
    hiding = _Hiding()
    sys.meta_path.insert(0, hiding)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hiding)
