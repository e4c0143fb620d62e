"""Storage: a DuckLake with one transaction API, history that can be read and restored, and readers that never wait.

Knows no customer, vendor or orchestrator.
"""

from __future__ import annotations

from lakehouse.erase import Erased, Selection, erase
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
from lakehouse.lease import lease
from lakehouse.location import LakeLocation, PostgresCatalogue, S3Access
from lakehouse.maintain import GRACE, Maintained, clean_up, compact, expire, maintain
from lakehouse.reader import open_reader
from lakehouse.snapshot import Snapshot
from lakehouse.table import Column, Table
from lakehouse.view import LakeView

__all__ = [
    "GRACE",
    "Column",
    "Erased",
    "Lake",
    "LakeConflict",
    "LakeError",
    "LakeIncompatible",
    "LakeLocation",
    "LakeLocked",
    "LakeUnreachable",
    "LakeUnwritable",
    "LakeView",
    "Maintained",
    "PostgresCatalogue",
    "S3Access",
    "Selection",
    "Snapshot",
    "SnapshotNotFound",
    "Table",
    "TableNotFound",
    "clean_up",
    "compact",
    "erase",
    "expire",
    "lease",
    "maintain",
    "open_reader",
]
