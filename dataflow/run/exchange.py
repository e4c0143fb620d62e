"""Files that a run and its workers exchange: by a folder of a disk that they share, or through a bucket.

Each side works on a local folder. Through a bucket, a side pushes what it has written whole and pulls what it is going
to read; over a shared disk both do nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.access.lake import lake_location
from dataflow.connect.bucket_error import BucketError
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from lakehouse import LakeUnreachable, LakeUnwritable, S3Access

if TYPE_CHECKING:
    from dataflow.connect.bucket import Bucket

_LANDING = "landing"


@dataclass(frozen=True)
class Exchange:
    """A local folder, and the objects of the same names where the two sides share no disk."""

    folder: Path
    bucket: Bucket | None = None

    @property
    def address(self) -> str:
        """Return what the other side is given to find it."""
        return str(self.bucket or self.folder)

    def push(self, names: Iterable[str]) -> None:
        """Send files of these names. Raises: LakeUnwritable."""
        if self.bucket is None:
            return
        try:
            for name in names:
                self.bucket.upload(self.folder / name, name)
        except BucketError as error:
            raise LakeUnwritable(
                f"Writing to {self.bucket} (prefect.exchange): {error}; check that this user may put objects there, "
                "then run again"
            ) from None

    def pull(self, names: Iterable[str]) -> None:
        """Get files of these names; one that is not there is not an error. Raises: LakeUnreachable."""
        if self.bucket is None:
            return
        try:
            for name in names:
                with suppress(FileNotFoundError):
                    self.bucket.download(name, self.folder / name)
        except BucketError as error:
            raise self._unreachable(error) from None

    def pull_times(self, start: str) -> None:
        """Give local files whose names begin with `start` the times of their pushes. Raises: LakeUnreachable."""
        if self.bucket is None:
            return
        try:
            for name, at in self.bucket.modified(start):
                (self.folder / name).touch()
                os.utime(self.folder / name, (at.timestamp(), at.timestamp()))
        except BucketError as error:
            raise self._unreachable(error) from None

    def remove(self, names: Iterable[str]) -> None:
        """Remove what was exchanged; what cannot be removed is left to the bucket's lifecycle rule."""
        if self.bucket is not None:
            for name in names:
                with suppress(BucketError):
                    self.bucket.remove(name)

    def _unreachable(self, error: BucketError) -> LakeUnreachable:
        return LakeUnreachable(
            f"Reading {self.bucket} (prefect.exchange): {error}; check that this user may list and read there, then "
            "run again"
        )


def offer(folder: Path, settings: Settings) -> Exchange:
    """Return the exchange over a folder of the run, for the side that has made it."""
    bucket = _bucket(settings)
    return Exchange(folder, bucket.below("-".join(folder.parts[-3:])) if bucket else None)


@contextmanager
def join(address: str, settings: Settings) -> Iterator[Exchange]:
    """Yield the exchange that the other side has made. Raises: ConfigurationError where this side has no bucket."""
    if not address.startswith("s3://"):
        yield Exchange(Path(address))
        return
    access = lake_location(settings).s3
    if access is None:
        raise ConfigurationError(
            f"The files to work on are in {address}, but there are no lake.s3 settings to reach the bucket.",
            next_move="Give the workers the settings of the run.",
        )
    with tempfile.TemporaryDirectory(prefix="dataflow-exchange-") as folder:
        yield Exchange(Path(folder), _bucket_at(address, access))


def paths_for_workers(settings: Settings) -> dict[str, str]:
    """Return home and configuration as parameters of a worker's flow; none where it shares no disk, and has its own."""
    if settings.prefect.exchange:
        return {}
    config = {"config": str(settings.config_file)} if settings.config_file else {}
    return {"home": str(settings.home), **config}


def landing_exchange(settings: Settings) -> Exchange:
    """Return the exchange of staged windows, whose names are their paths below the landing area."""
    bucket = _bucket(settings)
    return Exchange(Path(settings.landing), bucket.below(_LANDING) if bucket else None)


def _bucket(settings: Settings) -> Bucket | None:
    place = settings.prefect.exchange
    if not place:
        return None
    access = lake_location(settings).s3
    if not place.startswith("s3://") or access is None:
        fault = "which is not a bucket" if access is not None else "but there are no lake.s3 settings to reach a bucket"
        raise ConfigurationError(
            f"prefect.exchange is {place}, {fault}.",
            next_move="Write s3://bucket/prefix and set lake.s3; leave it out where runs and workers share a disk.",
        )
    return _bucket_at(place, access)


def _bucket_at(address: str, access: S3Access) -> Bucket:
    # Imported late: only those who share no disk need the client of AWS.
    from dataflow.connect.bucket import Bucket

    return Bucket.of(address, access, setting="lake.s3")
