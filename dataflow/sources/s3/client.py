"""Connections to S3: over TLS 1.3 alone, one client for all sources that are reached in the same way."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from dataflow.errors import ConfigurationError
from dataflow.settings.model import S3Settings

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
# What does not heal in three attempts is tried again by the run, later.
_ATTEMPTS = 3
_CONNECTIONS = 16
_ADDRESSING = {"path": "path", "vhost": "virtual"}


@lru_cache(maxsize=8)
def connect(settings: S3Settings) -> Any:
    """Make a client, or give the one that was made for the same settings: clients may be shared by threads.

    Without a key in the settings it takes what the environment, the profile or the role of the machine gives.
    Raises: ConfigurationError.
    """
    _check(settings)
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
    session = _Tls13Session(
        verify=settings.ca_file or True,
        proxies=get_environ_proxies(client.meta.endpoint_url),
        timeout=(_CONNECT_SECONDS, _READ_SECONDS),
        max_pool_connections=_CONNECTIONS,
    )

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        return session.send(request)

    # The one public place to put in a session of one's own.
    client.meta.events.register("before-send.s3", send)
    return client


def _check(settings: S3Settings) -> None:
    if "/" in settings.endpoint:
        raise ConfigurationError(
            f"The S3 endpoint {settings.endpoint} is no host:port.",
            next_move="Write it without https:// and without a path; use_tls says how it is spoken to.",
        )
    if (settings.key_id is None) != (settings.secret is None):
        raise ConfigurationError(
            "Of key_id and secret of an S3 source one is set and the other is not.",
            next_move="Set both; or neither, and the environment or the machine's role gives them.",
        )
    if settings.ca_file and not Path(settings.ca_file).is_file():
        raise ConfigurationError(
            f"The ca_file of an S3 source is {settings.ca_file}, and there is no such file.",
            next_move="Correct it; empty means the public authorities.",
        )


class _Tls13Session(URLLib3Session):  # type: ignore[misc]  # botocore is untyped
    """Speaks TLS 1.3 or nothing."""

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context
