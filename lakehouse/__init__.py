"""Storage: a DuckLake with one transaction API, history that can be read and restored, and readers that never wait.

Knows no customer, vendor or orchestrator.
"""

from __future__ import annotations

from lakehouse.errors import (
    LakeConflict,
    LakeError,
    LakeIncompatible,
    LakeLocked,
    LakeUnreachable,
    LakeUnwritable,
    SnapshotNotFound,
    TableNotFound,
)
from lakehouse.lake import Lake
from lakehouse.location import LakeLocation, PostgresCatalogue, S3Access
from lakehouse.reader import open_reader
from lakehouse.snapshot import Snapshot
from lakehouse.table import Column, Table

__all__ = [
    "Column",
    "Lake",
    "LakeConflict",
    "LakeError",
    "LakeIncompatible",
    "LakeLocation",
    "LakeLocked",
    "LakeUnreachable",
    "LakeUnwritable",
    "PostgresCatalogue",
    "S3Access",
    "Snapshot",
    "SnapshotNotFound",
    "Table",
    "TableNotFound",
    "open_reader",
]
