"""Errors of the lake, and whether a retry can help.

LakeError
├── LakeLocked          another writer holds it                     exit 1   the caller, retry helps
├── LakeConflict        a concurrent commit won, attempts used up   exit 1   the caller, retry helps
├── LakeUnreachable     catalogue or data path cannot be opened     exit 1   the engineer, retry helps
├── LakeUnwritable      no permission, no space                     exit 1   the engineer
├── LakeDamaged         a file of it is lost or broken              exit 1   the engineer
├── LakeIncompatible    not a lake, or of another version           exit 2   the engineer
├── MessageTooLarge     more than one message of the inbox holds    exit 1   the caller
├── SnapshotNotFound    no such version or time, or it was expired  exit 2   the caller
└── TableNotFound       no such table at that snapshot              exit 2   the caller
"""

from __future__ import annotations

from enum import Enum


class LakeError(Exception):
    """The root of lake errors. `retryable`: the same call can succeed later.

    `owner` is who acts, `exit_code` the exit code of a command that it ends, `usual_move` the usual next move.
    """

    retryable: bool = False
    exit_code: int = 1
    owner: str = "engineer"
    usual_move: str = "Run `dataflow doctor`, which probes the lake."


class LakeLocked(LakeError):
    """Another writer holds the lake."""

    retryable = True
    owner = "caller"
    usual_move = "Run again when the run that the message names has ended, or set lake.wait_seconds."


class LakeConflict(LakeError):
    """A concurrent commit won, and the attempts are used up."""

    retryable = True
    owner = "caller"
    usual_move = "Run again when there are fewer writers."


class LakeUnreachable(LakeError):
    """The catalogue or the data path cannot be opened."""

    retryable = True
    usual_move = "Check that the server runs and that address and credentials are right, then run again."


class LakeUnwritable(LakeError):
    """The lake cannot be written: no permission, or no space."""

    usual_move = "Free space on that disk or give this user write access, then run again."


class Part(Enum):
    """The damaged part of a lake."""

    CATALOGUE = "the catalogue"
    COPY = "the readers' copy of the catalogue"
    FILES = "data files"


class LakeDamaged(LakeError):
    """A file of the lake is lost or broken; `next_move` is the way back."""

    usual_move = "Run `dataflow doctor`, which names what is damaged and the way back."

    def __init__(self, message: str, *, part: Part, next_move: str) -> None:
        super().__init__(f"{message}. {next_move}")
        self.part = part
        self.next_move = next_move


class LakeIncompatible(LakeError):
    """The catalogue is not a lake, or has another version."""

    exit_code = 2
    usual_move = "Name the right catalogue, or install the version that made it."


class MessageTooLarge(LakeError):
    """A message exceeds the size limit of the inbox."""

    owner = "caller"
    usual_move = "Split the decision into smaller ones."


class SnapshotNotFound(LakeError):
    """There is no such snapshot or time, or it was expired."""

    exit_code = 2
    owner = "caller"
    usual_move = "Choose a snapshot from `dataflow query \"from ducklake_snapshots('lake')\"`."


class TableNotFound(LakeError):
    """There is no such table at that snapshot."""

    exit_code = 2
    owner = "caller"
    usual_move = "Choose a table from `dataflow describe table`."
