"""Storage: a DuckLake with one transaction API, readable and restorable history, and readers that never wait.

Independent of customers, vendors and orchestrators.
"""

from __future__ import annotations

from lakehouse.erase import Erased, Selection, erase
from lakehouse.errors import (
    LakeConflict,
    LakeDamaged,
    LakeError,
    LakeIncompatible,
    LakeLocked,
    LakeUnreachable,
    LakeUnwritable,
    MessageTooLarge,
    SnapshotNotFound,
    TableNotFound,
)
from lakehouse.inbox import Inbox, InboxContents, Message
from lakehouse.lake import Lake
from lakehouse.lease import lease
from lakehouse.location import LakeLocation, PostgresCatalogue, S3Access, S3Keys
from lakehouse.lockdown import lock_down
from lakehouse.maintain import GRACE, Maintained, clean_up, compact, expire, maintain
from lakehouse.message_files import MessageFolder
from lakehouse.reader import open_reader
from lakehouse.snapshot import Snapshot
from lakehouse.table import Column, SubjectColumn, Table
from lakehouse.view import LakeView

__all__ = [
    "GRACE",
    "Column",
    "Erased",
    "Inbox",
    "InboxContents",
    "Lake",
    "LakeConflict",
    "LakeDamaged",
    "LakeError",
    "LakeIncompatible",
    "LakeLocation",
    "LakeLocked",
    "LakeUnreachable",
    "LakeUnwritable",
    "LakeView",
    "Maintained",
    "Message",
    "MessageFolder",
    "MessageTooLarge",
    "PostgresCatalogue",
    "S3Access",
    "S3Keys",
    "Selection",
    "Snapshot",
    "SnapshotNotFound",
    "SubjectColumn",
    "Table",
    "TableNotFound",
    "clean_up",
    "compact",
    "erase",
    "expire",
    "lease",
    "lock_down",
    "maintain",
    "open_reader",
]
