"""The memory that this machine, or the container around this process, has free."""

from __future__ import annotations

from pathlib import Path

import psutil

_MB = 1_000_000
_SHARE = 0.5
"""Of the free memory for DuckDB: what Python, Arrow and the system's cache of files take comes on top of its limit."""
_LEAST = 500 * _MB

_CONTAINERS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Folders of control groups, second version and first: the files of the limit and of what is in use."""


def usual_memory() -> str:
    """Return the memory that DuckDB may use here where nothing is set, as it writes it."""
    given = max(int(free_memory() * _SHARE), _LEAST)
    return f"{given // (100 * _MB) * 100}MB"


def free_memory() -> int:
    """Return the memory, in bytes, that is free on the machine, or in this container if that is less."""
    free = int(psutil.virtual_memory().available)
    return min([free, *(left for folder, most, used in _CONTAINERS if (left := _left(folder, most, used)) is not None)])


def _left(folder: Path, most: str, used: str) -> int | None:
    """Return what a container's limit leaves, its cache of files counted as free; None without a limit."""
    try:
        limit, taken = (folder / most).read_text().strip(), int((folder / used).read_text())
        stat = dict(line.split(maxsplit=1) for line in (folder / "memory.stat").read_text().splitlines())
        return max(int(limit) - taken + int(stat.get("inactive_file", 0)), 0)
    except (OSError, ValueError):
        # No such file outside a container; "max" without a limit.
        return None
