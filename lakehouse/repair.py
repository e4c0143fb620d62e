"""Replace a damaged catalogue of a local lake by its readers' copy, or the copy by the catalogue."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.attach import foreign_file
from lakehouse.damage import damaged_catalogue
from lakehouse.errors import LakeIncompatible, Part
from lakehouse.inventory import read_catalogue
from lakehouse.lake import Lake
from lakehouse.lease import writing
from lakehouse.location import LakeLocation
from lakehouse.publish import sync


@dataclass(frozen=True)
class RepairedCatalogue:
    """The replaced part: none where both were whole. `kept` is the new place of the damaged catalogue."""

    part: Part | None
    snapshot: int
    kept: Path | None = None


def repair_catalogue(location: LakeLocation, *, wait_seconds: float = 0.0) -> RepairedCatalogue:
    """Replace a damaged catalogue by the readers' copy, or a damaged or lost copy by one of the catalogue.

    Every commit is followed by its copy before anything else depends on it. So the copy lacks at most the commit after
    which its process was killed; the next run repeats that work.
    Raises: LakeDamaged when neither is whole, LakeLocked, LakeIncompatible for a catalogue on a server, or a file
    that is another database.
    """
    catalogue = location.catalogue
    if not isinstance(catalogue, Path):
        raise LakeIncompatible(
            f"Repairing the catalogue {catalogue}: it is on a server; restore it from the server's own backup"
        )
    with writing(location, purpose="repairing the catalogue", alone=True, wait_seconds=wait_seconds):
        found, copy = read_catalogue(catalogue), read_catalogue(location.published_catalogue)
        if found.foreign:
            raise foreign_file(catalogue, found.foreign)
        is_older = found.snapshot is not None and copy.snapshot is not None and found.snapshot < copy.snapshot
        if not found.is_whole or is_older:
            if copy.snapshot is None:
                raise damaged_catalogue(location, found.fault)
            return RepairedCatalogue(Part.CATALOGUE, copy.snapshot, _take_copy(catalogue, location.published_catalogue))
    with Lake.open(location, purpose="publishing the catalogue", wait_seconds=wait_seconds) as lake:
        snapshot = lake.snapshot().id
        if copy.snapshot == snapshot:
            return RepairedCatalogue(None, snapshot)
        lake.publish_catalogue()
        return RepairedCatalogue(Part.COPY, snapshot)


def _take_copy(catalogue: Path, copy: Path) -> Path | None:
    """Put a copy in the catalogue's place; return where the former file and its log are kept."""
    draft = catalogue.with_name(f"{catalogue.name}.draft")
    shutil.copyfile(copy, draft)
    sync(draft)
    aside = f"{catalogue.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    kept = None
    # The log first: replayed onto another file it would damage that file too.
    for suffix in (".wal", ""):
        there = catalogue.with_name(catalogue.name + suffix)
        if there.exists():
            kept = there.rename(catalogue.with_name(aside + suffix))
    draft.replace(catalogue)
    sync(catalogue.parent)
    return kept
