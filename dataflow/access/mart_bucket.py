"""Role marts in a bucket: each machine has copies in its home, which follow the objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from dataflow.access.lake import bucket_at
from dataflow.connect.bucket import Bucket
from dataflow.connect.bucket_error import BucketError
from dataflow.errors import ConfigurationError, SinkError
from dataflow.settings import Settings

T = TypeVar("T")

_SUFFIX = ".duckdb"


class MartBucket:
    """The objects of `access.folder`, and the folder of this machine's copies of them."""

    def __init__(self, bucket: Bucket, copies: Path) -> None:
        self._bucket, self._copies = bucket, copies

    @classmethod
    def of(cls, settings: Settings, copies: Path) -> MartBucket:
        """Return the marts of the settings.

        Raises: ConfigurationError where nothing says how to reach the bucket, or each machine would make its own key.
        """
        if settings.access.key is None:
            raise ConfigurationError(
                f"The role marts are in {settings.access.folder}, and this machine has no access.key: its masks would "
                "not be those of other machines.",
                next_move="Set DATAFLOW_ACCESS__KEY to the same secret on all machines.",
            )
        return cls(bucket_at(settings.access.folder, settings, setting="access.folder"), copies)

    def pull(self, role: str) -> None:
        """Make the copy of a role's mart what its object is; remove it where there is none. Raises: SinkError."""
        name = f"{role}{_SUFFIX}"
        copy = self._copies / name
        put_at = self._try("reading", lambda: dict(self._bucket.modified(name)).get(name))
        if put_at is None:
            copy.unlink(missing_ok=True)
            return
        at = put_at.timestamp()
        if copy.exists() and copy.stat().st_mtime == at:
            return
        # Whole under another name first: a reader opens the former file or the new one, each with its time.
        draft = copy.with_name(f".pulled-{os.getpid()}-{name}")
        with suppress(FileNotFoundError):
            self._try("reading", lambda: self._bucket.download(name, draft))
            draft.chmod(0o600)
            os.utime(draft, (at, at))
            draft.replace(copy)

    def push(self, role: str) -> None:
        """Put a role's mart, which was written here. Raises: SinkError."""
        name = f"{role}{_SUFFIX}"
        self._try("writing", lambda: self._bucket.upload(self._copies / name, name))
        # The time of the object is this copy's: it is not fetched back.
        put_at = self._try("reading", lambda: dict(self._bucket.modified(name)).get(name))
        if put_at is not None:
            os.utime(self._copies / name, (put_at.timestamp(), put_at.timestamp()))

    def remove(self, *, besides: Iterable[str]) -> int:
        """Remove the objects of all roles but some; return how many there were. Raises: SinkError."""
        kept = {f"{role}{_SUFFIX}" for role in besides}
        names = self._try("reading", lambda: [name for name in self._bucket.names() if name.endswith(_SUFFIX)])
        gone = [name for name in names if name not in kept]
        for name in gone:
            self._try("removing", partial(self._bucket.remove, name))
        return len(gone)

    def _try(self, doing: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except BucketError as error:
            raise SinkError(
                f"The role marts in {self._bucket} (access.folder): {doing} failed with {error}.",
                next_move="Check that this user may list, get, put and delete objects there.",
            ) from None
