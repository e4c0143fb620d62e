"""Connect to Redis over verified TLS 1.3, and say what its errors mean."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dataflow.access.catalogue import is_this_machine
from dataflow.connect.tls import Peer, explain_connection, tls_context
from dataflow.errors import ConfigurationError, SinkError

if TYPE_CHECKING:
    from dataflow.settings import Settings

_EXTRA = "`pip install 'dataflow[redis]'` installs it."
_CONNECT_SECONDS = 5.0
# redis-py has a class for some answers and the server's own word for the others.
_MEANINGS = (
    (("OutOfMemoryError", "OOM "), "it is full", "Raise its maxmemory, or lower cache.keep_seconds."),
    (("ReadOnlyError", "READONLY"), "it is a read-only replica", "Name its primary in cache.url."),
    (("MISCONF",), "it cannot save to its disk", "Free space on its disk."),
    (
        ("BusyLoadingError", "LOADING", "BUSY", "TryAgainError", "ClusterDownError", "MasterDownError"),
        "it is busy",
        "Run again; this passes.",
    ),
    (
        ("NoPermissionError", "NOPERM"),
        "its user lacks a permission",
        "Give the user the commands and the keys ~df:* that README names.",
    ),
    (
        ("AuthenticationError", "WRONGPASS", "NOAUTH"),
        "it does not accept user and password",
        "Correct the user in cache.url and cache.password.",
    ),
)


def connect_cache(settings: Settings) -> Any:
    """Return a client of redis-py, of one server or of a cluster. One server is reached with the first command.

    Raises: ConfigurationError for an address that cannot be used, or without the package.
    """
    declared = settings.cache
    parts = urlsplit(declared.url)
    if parts.scheme not in ("rediss", "redis") or not parts.hostname:
        raise ConfigurationError(
            "cache.url is not an address of Redis.", next_move="Write it as rediss://user@host:6380"
        )
    if parts.password:
        raise ConfigurationError(
            "cache.url has a password in it.",
            next_move="Set it as cache.password, by ${env:NAME} or DATAFLOW_CACHE__PASSWORD.",
        )
    if parts.scheme == "redis" and not is_this_machine(parts.hostname):
        raise ConfigurationError(
            f"cache.url sends customers to {parts.hostname} in the clear.",
            next_move="Write rediss://; redis:// is for a server on this machine only.",
        )
    try:
        from redis import Redis, RedisCluster
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry
    except ImportError:
        raise ConfigurationError("The package redis is not installed.", next_move=_EXTRA) from None
    options: dict[str, Any] = {
        "host": parts.hostname,
        "port": parts.port or 6379,
        "username": parts.username,
        "password": declared.password.get_secret_value() if declared.password else None,
        "socket_connect_timeout": _CONNECT_SECONDS,
        "socket_timeout": declared.timeout_seconds,
        # A lost connection is made anew at once; a server that is down is the next run's, and its readers ask the lake.
        "retry": Retry(ExponentialBackoff(cap=0.2, base=0.05), 2),
        **(_tls(declared.ca_file) if parts.scheme == "rediss" else {}),
    }
    if not declared.cluster:
        return Redis(**options, db=_database(parts.path))
    with naming_cache_errors(settings, doing="Reaching the cache"):
        return RedisCluster(**options)


@contextmanager
def naming_cache_errors(settings: Settings, *, doing: str) -> Iterator[None]:
    """Turn errors of Redis into SinkError, which names what was done and the next move, never a value."""
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError) as error:
        found, next_move = _meaning(error)
        raise SinkError(f"{doing} at {address(settings)}: {found}.", next_move=next_move) from None


def address(settings: Settings) -> str:
    """Return host and port of the cache."""
    parts = urlsplit(settings.cache.url)
    return f"{parts.hostname}:{parts.port or 6379}"


def _meaning(error: BaseException) -> tuple[str, str]:
    words = f"{type(error).__name__} {error}"
    for beginnings, found, next_move in _MEANINGS:
        if any(beginning in words for beginning in beginnings):
            return found, next_move
    peer = Peer(host="cache.url", ca_file="cache.ca_file")
    failure = explain_connection(error, peer)
    if failure is not None:
        return failure.found, failure.next_move
    return f"unexpected {type(error).__name__}", "Run `dataflow doctor`, which probes it; the next run goes on."


def _tls(ca_file: str) -> dict[str, Any]:
    # For its clear message about an unusable file; redis-py makes its own context from the same settings.
    tls_context(ca_file, setting="cache.ca_file")
    return {
        "ssl": True,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": ca_file or None,
        "ssl_min_version": ssl.TLSVersion.TLSv1_3,
    }


def _database(path: str) -> int:
    number = path.strip("/") or "0"
    if not number.isdecimal():
        raise ConfigurationError(
            "cache.url names a database that is not a number.", next_move="Write it as rediss://user@host:6380/0"
        )
    return int(number)
