"""The store of a source's parts: here a folder, in `dataflow.sources.s3` a bucket.

The readers of CSV, REST pages and Parquet take a store and a part, and are independent of paths and keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, Protocol

from dataflow.errors import SourceUnavailable
from dataflow.sources.files.listing import FoundFile, check_unchanged, find_files, identify
from dataflow.sources.protocol import ObjectState, Part


class Store(Protocol):
    """A place that holds files by path. Its text form is its name in messages."""

    windows_by_arrival: bool
    """Whether a file whose path names no day belongs to the day it was written; else there is one window for all."""
    is_sure_when_empty: bool
    """Whether an empty listing means that all files were withdrawn."""

    def find(self, pattern: str) -> list[FoundFile]:
        """List the files of a pattern, by path. Raises: SourceMissing, SourceUnavailable, SourceRefused."""
        ...

    def identify(self, files: Sequence[FoundFile], state: ObjectState) -> list[Part]:
        """Fingerprint the files. Raises: SourceUnavailable."""
        ...

    def check_unchanged(self, part: Part) -> None:
        """Refuse a file that changed since it was planned. Raises: SourceMissing, SourceUnavailable."""
        ...

    def open(self, part: Part) -> BinaryIO:
        """Open a part at its first byte, in its stored form."""
        ...

    def read_range(self, part: Part, start: int, end: int) -> bytes:
        """Read the bytes from `start` up to `end`, exclusive. Raises: SourceUnavailable."""
        ...

    def as_file(self, part: Part) -> AbstractContextManager[Path]:
        """Provide the part as a file of this machine, for readers that seek."""
        ...

    def folders(self) -> list[str]:
        """List the folders at the top."""
        ...


class Folder:
    """A folder of this machine."""

    windows_by_arrival = False
    # A folder without any of an object's files is more likely a disk that is not mounted.
    is_sure_when_empty = False

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def find(self, pattern: str) -> list[FoundFile]:
        return find_files(self.root, pattern)

    def identify(self, files: Sequence[FoundFile], state: ObjectState) -> list[Part]:
        return [part for _, part in identify(self.root, files, state)]

    def check_unchanged(self, part: Part) -> None:
        check_unchanged(self.root, part)

    def open(self, part: Part) -> BinaryIO:
        return (self.root / part.path).open("rb")

    def read_range(self, part: Part, start: int, end: int) -> bytes:
        try:
            with self.open(part) as stream:
                stream.seek(start)
                return stream.read(end - start)
        except OSError as error:
            raise SourceUnavailable(
                f"Reading {part.path} under {self}: {error.strerror}.", next_move="Check that this user can read it."
            ) from error

    def as_file(self, part: Part) -> AbstractContextManager[Path]:
        return nullcontext(self.root / part.path)

    def folders(self) -> list[str]:
        return sorted(entry.name for entry in self.root.iterdir() if entry.is_dir()) if self.root.is_dir() else []
