"""Messages as files of a folder: each is written atomically, under a unique name."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from lakehouse.errors import LakeUnreachable, LakeUnwritable

_ASIDE = "set-aside"
OUTBOX = "outbox"
"""The folder of an inbox with the messages that leave the lake; it is not a message of the inbox."""
# A writer needs milliseconds; an older draft is left by a killed one.
_STALE_DRAFT_SECONDS = 24 * 3600.0


class MessageFolder:
    """A folder of small immutable files. Names that begin with a dot are drafts, not messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def below(self, name: str) -> MessageFolder:
        """Return the messages of a folder one level deeper."""
        return MessageFolder(self._folder / name)

    def __str__(self) -> str:
        return str(self._folder)

    def names(self) -> list[str]:
        """Return all files except drafts, those set aside and the outbox, unordered; a missing folder is empty.

        Raises: LakeUnreachable.
        """
        return _entries(self._folder, without=(_ASIDE, OUTBOX))

    def names_set_aside(self) -> list[str]:
        """Return the files that were set aside."""
        return _entries(self._folder / _ASIDE)

    def read(self, name: str, *, limit: int) -> bytes:
        """Read at most `limit` bytes of a file. Raises: FileNotFoundError, another OSError."""
        # A symbolic link would make a reader read any other file.
        descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(limit)

    def put_if_absent(self, name: str, data: bytes) -> None:
        """Write a file atomically and durably. Raises: FileExistsError, LakeUnwritable."""
        draft = self._folder / f".{name}.{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(mode=0o770, parents=True, exist_ok=True)
            self._remove_stale_drafts()
            try:
                _write_durably(draft, data)
                # Unlike a rename, a link refuses a name that is taken.
                os.link(draft, self._folder / name)
            finally:
                draft.unlink(missing_ok=True)
            _sync_folder(self._folder)
        except FileExistsError:
            raise
        except OSError as error:
            raise LakeUnwritable(
                f"Writing a message to the inbox {self._folder}: {error.strerror}; free space on that disk or give "
                "this user write access, then run again"
            ) from error

    def remove(self, name: str) -> None:
        """Remove a file; one that is missing or cannot be removed is not an error."""
        with suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)

    def set_aside(self, name: str) -> None:
        """Set a file aside that is not a message, under a unique name. A file that cannot be moved stays."""
        aside = self._folder / _ASIDE
        with suppress(OSError):
            aside.mkdir(mode=0o770, exist_ok=True)
            target = aside / name
            if target.exists():
                target = aside / f"{name}.{secrets.token_hex(4)}"
            (self._folder / name).rename(target)

    def _remove_stale_drafts(self) -> None:
        with os.scandir(self._folder) as entries:
            drafts = [entry for entry in entries if entry.name.startswith(".")]
        for draft in drafts:
            with suppress(FileNotFoundError):
                if time.time() - draft.stat(follow_symlinks=False).st_mtime > _STALE_DRAFT_SECONDS:
                    Path(draft.path).unlink()


def _entries(folder: Path, *, without: tuple[str, ...] = ()) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and entry.name not in without]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LakeUnreachable(
            f"Reading the inbox {folder}: {error.strerror}; give this user access to the folder, then run again"
        ) from error


def _write_durably(path: Path, data: bytes) -> None:
    # The umask decides whether the group can read it, as in a shared lake.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
