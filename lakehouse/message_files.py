"""Messages as files of a folder: each is written whole or not at all, under a name that is used once."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from lakehouse.errors import LakeUnreachable, LakeUnwritable

_ASIDE = "set-aside"
# A writer needs milliseconds; a draft of yesterday is what a killed one left.
_STALE_DRAFT_SECONDS = 24 * 3600.0


class MessageFolder:
    """A folder of small immutable files. Names that begin with a dot are drafts, and no messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def names(self) -> list[str]:
        """Everything in the folder but drafts and what was set aside, in no order; a missing folder is empty.

        Raises: LakeUnreachable.
        """
        return _entries(self._folder, without=_ASIDE)

    def names_set_aside(self) -> list[str]:
        """Everything that was set aside."""
        return _entries(self._folder / _ASIDE)

    def read(self, name: str, *, limit: int) -> bytes:
        """Read at most `limit` bytes of a file. Raises: FileNotFoundError, another OSError."""
        # A symbolic link would have a reader read any other file.
        descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(limit)

    def put_if_absent(self, name: str, data: bytes) -> None:
        """Write a file whole and durable. Raises: FileExistsError, LakeUnwritable."""
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
        """Remove a file; one that is gone already, or cannot be removed, is no error."""
        with suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)

    def set_aside(self, name: str) -> None:
        """Move what is not a message out of the way, under a name of its own. What cannot be moved stays."""
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


def _entries(folder: Path, *, without: str = "") -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and entry.name != without]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LakeUnreachable(
            f"Reading the inbox {folder}: {error.strerror}; give this user access to the folder, then run again"
        ) from error


def _write_durably(path: Path, data: bytes) -> None:
    # The umask says whether the group may read it too, as that of a shared lake must.
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
