"""Locate the lake of the settings, and open it for writing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.access.catalogue import read_catalogue
from dataflow.access.modes import prepare_folders
from dataflow.errors import ConfigurationError
from dataflow.settings import S3Settings, Settings
from lakehouse import Lake, LakeLocation, PostgresCatalogue, S3Access, S3Keys
from lakehouse.damage import is_nowhere

if TYPE_CHECKING:
    from dataflow.connect.bucket import Bucket


def lake_location(settings: Settings) -> LakeLocation:
    """Return the place of the lake. Raises: ConfigurationError for a catalogue or data path that cannot be used."""
    declared = settings.lake
    access = _s3_access(settings)
    if declared.data.startswith("s3://") and access is None:
        raise ConfigurationError(
            f"lake.data is {declared.data}, but there are no lake.s3 settings to reach the bucket.",
            next_move="Set lake.s3 (key_id, secret, region, endpoint) or use a folder.",
        )
    return LakeLocation(
        catalogue=read_catalogue(declared.catalogue, setting="lake.catalogue"),
        data=declared.data if declared.data.startswith("s3://") else Path(declared.data),
        published=Path(declared.published),
        s3=access,
        inbox=_inbox_place(declared.inbox, access),
        is_shared=bool(declared.group),
    )


def bucket_at(place: str, settings: Settings, *, setting: str) -> Bucket:
    """Return the objects at `s3://bucket/prefix` of a setting, reached as the lake's data are.

    Raises: ConfigurationError where nothing says how.
    """
    # Imported late: the client of AWS takes a quarter of a second.
    from dataflow.connect.bucket import Bucket

    access = _s3_access(settings)
    if access is None:
        raise ConfigurationError(
            f"{setting} is {place}, but there are no lake.s3 settings to reach the bucket.",
            next_move="Set lake.s3 (region, endpoint, key_id, secret), or name a folder.",
        )
    return Bucket.of(place, access, setting="lake.s3")


def reading_location(settings: Settings) -> LakeLocation:
    """Return the place of the lake for readers: with the readers' role on the catalogue server, if one is set.

    Raises: ConfigurationError, also when the readers' address is of another catalogue.
    """
    place, declared = lake_location(settings), settings.lake.catalogue_reader
    if declared is None:
        return place
    reader = read_catalogue(declared.get_secret_value(), setting="lake.catalogue_reader")
    if _name(reader) is None or _name(reader) != _name(place.catalogue):
        raise ConfigurationError(
            f"lake.catalogue_reader names {reader}, lake.catalogue {place.catalogue}.",
            next_move="Give both the same PostgreSQL database and schema; user, password and host can differ.",
        )
    return replace(place, catalogue=reader)


def open_lake(
    settings: Settings, *, purpose: str, alone: bool = False, create: bool = True, temp_directory: Path | None = None
) -> Lake:
    """Open the lake for writing; `alone` excludes other writers, as maintenance needs.

    Only a run creates a lake that is missing: work on an existing lake opens it with `create=False`.

    Raises: LakeLocked naming the holder, LakeUnreachable, LakeUnwritable, ConfigurationError.
    """
    location = lake_location(settings)
    if create or not is_nowhere(location):
        prepare_folders(settings)
    return Lake.open(
        location,
        purpose=purpose,
        alone=alone,
        create=create,
        wait_seconds=settings.lake.wait_seconds,
        memory_limit=settings.lake.memory_limit,
        threads=settings.lake.threads or None,
        temp_directory=temp_directory,
    )


def _name(catalogue: Path | PostgresCatalogue) -> tuple[str, str] | None:
    return (catalogue.database, catalogue.schema) if isinstance(catalogue, PostgresCatalogue) else None


def _s3_access(settings: Settings) -> S3Access | None:
    declared = settings.lake.s3
    if declared is None:
        return None
    if declared.ca_file and not Path(declared.ca_file).is_file():
        raise ConfigurationError(
            f"lake.s3.ca_file is {declared.ca_file}, which does not exist.",
            next_move="Correct it; without it, the authorities of this machine are trusted.",
        )
    return S3Access(
        keys=_keys_of(declared),
        endpoint=declared.endpoint,
        region=declared.region,
        use_ssl=declared.use_tls,
        url_style=declared.url_style,
        ca_file=Path(declared.ca_file) if declared.ca_file else None,
    )


def _inbox_place(declared: str, access: S3Access | None) -> Path | str | None:
    if not declared.startswith("s3://"):
        return Path(declared) if declared else None
    if access is None:
        raise ConfigurationError(
            f"lake.inbox is {declared}, but there are no lake.s3 settings to reach the bucket.",
            next_move="Set lake.s3 (key_id, secret, region, endpoint) or use a folder.",
        )
    return declared


def _keys_of(declared: S3Settings) -> Callable[[], S3Keys]:
    """Return what gives the keys of the bucket: the declared ones, or those that the machine has at the time."""
    if (declared.key_id is None) != (declared.secret is None):
        raise ConfigurationError(
            "Of lake.s3.key_id and lake.s3.secret one is set and the other is not.",
            next_move="Set both, or neither to use those of the environment or the machine's role.",
        )
    if declared.key_id is None or declared.secret is None:
        # Imported late: the client of AWS takes a quarter of a second.
        from dataflow.connect.aws import machine_keys

        return machine_keys
    return partial(S3Keys, key_id=declared.key_id.get_secret_value(), secret=declared.secret.get_secret_value())
