"""Clients of AWS services over TLS 1.3, and the keys that this machine has there.

A machine has its keys from the environment, a profile, or its role (ECS task, EC2 instance). Keys of a role expire;
botocore asks for the next ones when less than 15 minutes remain.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dataflow.connect.botocore_tls import speak_tls13
from dataflow.connect.tls import tls_context
from dataflow.errors import ConfigurationError
from lakehouse import LakeUnreachable, S3Access, S3Keys

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
# After three attempts the run retries later.
_ATTEMPTS = 3
_CONNECTIONS = 16
_ADDRESSING = {"path": "path", "vhost": "virtual"}


def aws_client(
    service: str,
    *,
    region: str | None = None,
    endpoint: str | None = None,
    keys: S3Keys | None = None,
    ca_file: str = "",
    setting: str = "ca_file",
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return a client; threads can share it. Without `keys` it signs with those of the machine.

    `endpoint`: the URL of another server than AWS. `options`: of botocore's Config, over those of all clients.
    `setting`: what declares `ca_file`, for messages.
    Raises: ConfigurationError.
    """
    chosen: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
        "max_pool_connections": _CONNECTIONS,
        **(options or {}),
    }
    client = boto3.session.Session().client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=keys.key_id if keys else None,
        aws_secret_access_key=keys.secret if keys else None,
        aws_session_token=keys.token or None if keys else None,
        config=Config(**chosen),
    )
    speak_tls13(
        client,
        tls_context(ca_file, setting=setting),
        ca_file=ca_file,
        timeout=(chosen["connect_timeout"], chosen["read_timeout"]),
        connections=chosen["max_pool_connections"],
    )
    return client


def bucket_client(access: S3Access, *, setting: str) -> Any:
    """Return the client of a bucket's server. Keys of the machine are renewed by the client itself.

    `setting` declares the file of authorities, for messages. Raises: ConfigurationError.
    """
    scheme = "https" if access.use_ssl else "http"
    return aws_client(
        "s3",
        region=access.region,
        endpoint=f"{scheme}://{access.endpoint}" if access.endpoint else None,
        keys=None if access.keys is machine_keys else access.keys(),
        ca_file=str(access.ca_file or ""),
        setting=setting,
        options={"s3": {"addressing_style": _ADDRESSING[access.url_style]}},
    )


def machine_keys() -> S3Keys:
    """Return the keys that this machine has now; call it again before each longer use.

    Raises: ConfigurationError without any, LakeUnreachable where they cannot be renewed.
    """
    try:
        found = _credentials()
        if found is None:
            raise ConfigurationError(
                "This machine has no key of AWS: neither the environment, nor a profile, nor its role gives one.",
                next_move="Give it a role, or set key_id and secret beside the bucket.",
            )
        keys = found.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        # Only the name of the error: its message can contain the address with a token.
        raise LakeUnreachable(
            f"The keys of this machine's role could not be renewed ({type(error).__name__}); check the role, then run "
            "again"
        ) from None
    return S3Keys(key_id=keys.access_key, secret=keys.secret_key, token=keys.token or "")


@lru_cache(maxsize=1)
def _credentials() -> Any:
    return boto3.session.Session().get_credentials()
