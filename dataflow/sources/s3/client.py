"""Connections to S3: TLS 1.3 only, one client for all sources with the same connection settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from dataflow.connect.aws import bucket_client, machine_keys
from dataflow.errors import ConfigurationError
from dataflow.settings import S3Settings
from lakehouse import S3Access, S3Keys


@lru_cache(maxsize=8)
def connect(settings: S3Settings) -> Any:
    """Return the client for these settings, made on first use: clients can be shared by threads.

    Without a key in the settings it uses the key of the environment, the profile or the machine's role.
    Raises: ConfigurationError.
    """
    _check(settings)
    keys: Callable[[], S3Keys] = machine_keys
    if settings.key_id is not None and settings.secret is not None:
        keys = partial(S3Keys, key_id=settings.key_id.get_secret_value(), secret=settings.secret.get_secret_value())
    access = S3Access(
        keys=keys,
        endpoint=settings.endpoint,
        region=settings.region,
        use_ssl=settings.use_tls,
        url_style=settings.url_style,
        ca_file=Path(settings.ca_file) if settings.ca_file else None,
    )
    return bucket_client(access, setting="ca_file of the S3 source")


def _check(settings: S3Settings) -> None:
    if "/" in settings.endpoint:
        raise ConfigurationError(
            f"The S3 endpoint {settings.endpoint} is not of the form host:port.",
            next_move="Write it without https:// and without a path; use_tls decides the protocol.",
        )
    if (settings.key_id is None) != (settings.secret is None):
        raise ConfigurationError(
            "Of key_id and secret of an S3 source one is set and the other is not.",
            next_move="Set both, or neither to use those of the environment or the machine's role.",
        )
