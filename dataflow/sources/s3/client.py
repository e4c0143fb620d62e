"""Connections to S3: TLS 1.3 only, one client for all sources with the same connection settings."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

from dataflow.errors import ConfigurationError
from dataflow.settings import S3Settings
from dataflow.sources.s3.botocore_tls import speak_tls13
from dataflow.sources.tls import tls_context

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
# After three attempts the run retries later.
_ATTEMPTS = 3
_CONNECTIONS = 16
_ADDRESSING = {"path": "path", "vhost": "virtual"}


@lru_cache(maxsize=8)
def connect(settings: S3Settings) -> Any:
    """Return the client for these settings, made on first use: clients can be shared by threads.

    Without a key in the settings it uses the key of the environment, the profile or the machine's role.
    Raises: ConfigurationError.
    """
    _check(settings)
    context = tls_context(settings.ca_file, setting="ca_file of the S3 source")
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=_CONNECTIONS,
        s3={"addressing_style": _ADDRESSING[settings.url_style]},
    )
    scheme = "https" if settings.use_tls else "http"
    client = boto3.session.Session().client(
        "s3",
        region_name=settings.region,
        endpoint_url=f"{scheme}://{settings.endpoint}" if settings.endpoint else None,
        use_ssl=settings.use_tls,
        aws_access_key_id=settings.key_id.get_secret_value() if settings.key_id else None,
        aws_secret_access_key=settings.secret.get_secret_value() if settings.secret else None,
        config=config,
    )
    speak_tls13(
        client,
        context,
        ca_file=settings.ca_file,
        timeout=(_CONNECT_SECONDS, _READ_SECONDS),
        connections=_CONNECTIONS,
    )
    return client


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
