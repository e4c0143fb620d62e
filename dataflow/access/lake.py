"""Where the lake of the settings is, and opening it for writing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from dataflow.access.modes import prepare_folders
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from lakehouse import Lake, LakeLocation, PostgresCatalogue, S3Access


def lake_location(settings: Settings) -> LakeLocation:
    """Say where the lake is. Raises: ConfigurationError for a catalogue or data path that nobody can open."""
    declared = settings.lake
    access = _s3_access(settings)
    if declared.data.startswith("s3://") and access is None:
        raise ConfigurationError(
            f"lake.data is {declared.data}, but there are no lake.s3 settings to reach the bucket.",
            next_move="Set lake.s3 (key_id, secret, region, endpoint) or use a folder.",
        )
    return LakeLocation(
        catalogue=_catalogue(declared.catalogue),
        data=declared.data if declared.data.startswith("s3://") else Path(declared.data),
        published=Path(declared.published),
        s3=access,
        inbox=Path(declared.inbox) if declared.inbox else None,
        is_shared=bool(declared.group),
    )


def open_lake(settings: Settings, *, purpose: str, alone: bool = False, temp_directory: Path | None = None) -> Lake:
    """Open the lake for writing; `alone` for maintenance, which no writer may run beside.

    Raises: LakeLocked naming the holder, LakeUnreachable, LakeUnwritable, ConfigurationError.
    """
    prepare_folders(settings)
    return Lake.open(
        lake_location(settings),
        purpose=purpose,
        alone=alone,
        wait_seconds=settings.lake.wait_seconds,
        memory_limit=settings.lake.memory_limit,
        threads=settings.lake.threads or None,
        temp_directory=temp_directory,
    )


def _catalogue(declared: str) -> Path | PostgresCatalogue:
    if "://" not in declared:
        return Path(declared)
    parts = urlsplit(declared)
    database = parts.path.strip("/")
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not parts.username or not database:
        raise ConfigurationError(
            f"lake.catalogue names a {parts.scheme} server in a form that is not understood.",
            next_move="Use a file, or postgresql://user:password@host:5432/database?schema=lake_meta&sslmode=…",
        )
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    root = options.get("sslrootcert")
    return PostgresCatalogue(
        host=parts.hostname,
        port=parts.port or 5432,
        database=database,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        schema=options.get("schema", "lake_meta"),
        sslmode=options.get("sslmode", "prefer"),
        sslrootcert=Path(root) if root else None,
    )


def _s3_access(settings: Settings) -> S3Access | None:
    declared = settings.lake.s3
    if declared is None:
        return None
    return S3Access(
        key_id=declared.key_id.get_secret_value() if declared.key_id else "",
        secret=declared.secret.get_secret_value() if declared.secret else "",
        endpoint=declared.endpoint,
        region=declared.region,
        use_ssl=declared.use_tls,
        url_style=declared.url_style,
    )
