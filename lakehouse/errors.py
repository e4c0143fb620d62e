"""What can go wrong with the lake, and whether trying again can help.

LakeError
├── LakeLocked          another writer holds it                     retry helps
├── LakeConflict        a concurrent commit won, attempts used up   retry helps
├── LakeUnreachable     catalogue or data path cannot be opened     retry may help
├── LakeUnwritable      no permission, no space                     an engineer acts
├── LakeIncompatible    not a lake, or of another version           an engineer acts
├── MessageTooLarge     more than one message of the inbox holds    the caller acts
├── SnapshotNotFound    no such version or time, or it was expired  the caller acts
└── TableNotFound       no such table at that snapshot              the caller acts
"""

from __future__ import annotations


class LakeError(Exception):
    """Anything the lake refuses. `retryable` says whether the same call can succeed later."""

    retryable: bool = False


class LakeLocked(LakeError):
    retryable = True


class LakeConflict(LakeError):
    retryable = True


class LakeUnreachable(LakeError):
    retryable = True


class LakeUnwritable(LakeError):
    pass


class LakeIncompatible(LakeError):
    pass


class MessageTooLarge(LakeError):
    pass


class SnapshotNotFound(LakeError):
    pass


class TableNotFound(LakeError):
    pass
