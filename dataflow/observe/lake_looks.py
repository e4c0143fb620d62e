"""Probes of the lake for `dataflow doctor`: the data path, its files, TLS, and the rights of readers."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from dataflow.access.catalogue import is_this_machine
from dataflow.access.lake import lake_location, reading_location
from dataflow.access.pipeline import open_published
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from lakehouse import LakeLocation, PostgresCatalogue, S3Access
from lakehouse.damage import damaged_files
from lakehouse.inventory import lost_files
from lakehouse.probe import probe_data, write_privileges
from lakehouse.tls import speaks_tls13


def look_at_data(settings: Settings) -> str:
    """Write, read and remove a file below the data path. Raises: ConfigurationError, LakeError."""
    place = lake_location(settings)
    if isinstance(place.data, Path) and not place.data.is_dir():
        return f"not created yet: the first run creates {place.data}"
    with tempfile.TemporaryDirectory(prefix="dataflow-probe-") as scratch:
        probe_data(place, scratch=Path(scratch))
    found = f"a file was written, read and removed at {place.data_path}"
    return found if isinstance(place.data, Path) or place.s3 is None else f"{found}, {encryption_of(place.s3)}"


def look_at_files(settings: Settings) -> str:
    """Check that the files of the newest snapshot exist. Raises: LakeDamaged, another LakeError."""
    place = lake_location(settings)
    if isinstance(place.catalogue, Path) and not place.published_catalogue.exists():
        return "nothing published yet"
    with closing(open_published(settings)) as con:
        lost, count = lost_files(con, place)
        if lost:
            raise damaged_files(place, lost)
    return f"all {count:,} data files of the newest snapshot are in {place.data}, in their sizes"


def encryption_of(access: S3Access) -> str:
    """Return how the data path is reached, as the end of a sentence. Raises: ConfigurationError if unsafely."""
    host, _, port = access.endpoint.rpartition(":") if ":" in access.endpoint else (access.endpoint, "", "443")
    host = host.strip("[]") or f"s3.{access.region}.amazonaws.com"
    if not access.use_ssl:
        if is_this_machine(host):
            return "unencrypted, which stays on this machine"
        raise ConfigurationError(
            f"The lake's data is reached at {host} unencrypted, so others on the network can read the rows.",
            next_move="Set lake.s3.use_tls = true.",
        )
    try:
        is_current = speaks_tls13(host, int(port), ca_file=access.ca_file)
    except OSError:
        # DuckDB reached it, this process did not: there is a proxy. DuckDB has checked the certificate.
        return "over TLS, and the certificate is trusted"
    if not is_current:
        raise ConfigurationError(
            f"The lake's data is reached at {host} over an older version than TLS 1.3.",
            next_move="Enable TLS 1.3 on that server: DuckDB's client has no setting to refuse older versions.",
        )
    return "over TLS 1.3, and the certificate is trusted"


def look_at_readers(settings: Settings) -> str:
    """Return the role of readers. Raises: ConfigurationError naming a role that can write; LakeError."""
    place = reading_location(settings)
    catalogue = place.catalogue
    if not isinstance(catalogue, PostgresCatalogue):
        return "a catalogue in a file: readers attach a copy of their own, read-only"
    if settings.lake.catalogue_reader is None:
        raise ConfigurationError(
            f"readers connect to {catalogue} as {catalogue.user}, who writes the lake.",
            next_move="Create a role with SELECT only and set lake.catalogue_reader to its address; "
            "deployments/dataflow.example.toml shows the grants.",
        )
    granted = write_privileges(catalogue)
    if granted:
        raise ConfigurationError(
            f"readers connect to {catalogue} as {catalogue.user}, who {', '.join(granted)}.",
            next_move="Revoke it: readers need CONNECT, USAGE on the schema, and SELECT on its tables.",
        )
    return f"readers connect as {catalogue.user}, who can only read"


def connection_of(place: LakeLocation) -> str:
    """Return how the catalogue's server is reached, as the end of a sentence; empty for a catalogue in a file."""
    if not isinstance(place.catalogue, PostgresCatalogue):
        return ""
    if place.catalogue.is_encrypted:
        return ", over TLS 1.3, and the certificate is trusted"
    return ", unencrypted, which stays on this machine"
