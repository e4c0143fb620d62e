"""Read the address of a catalogue: a file, or a schema in PostgreSQL, reached over verified TLS."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from dataflow.errors import ConfigurationError
from lakehouse import PostgresCatalogue

_FORM = "postgresql://user:password@host:5432/database?schema=lake_meta&sslrootcert=/path/ca.pem"
_OPTIONS = ("host", "schema", "sslmode", "sslrootcert")
_CHECKED = "verify-full"


def read_catalogue(declared: str, *, setting: str) -> Path | PostgresCatalogue:
    """Return the place that `setting` names. Raises: ConfigurationError, which shows no password."""
    if "://" not in declared:
        return Path(declared)
    parts = urlsplit(declared)
    database = unquote(parts.path.strip("/"))
    if parts.scheme not in ("postgresql", "postgres") or not parts.username or not database:
        raise ConfigurationError(
            f"{setting} names a {parts.scheme} server in an unknown form.",
            next_move=f"Use a file, or {_FORM}",
        )
    options = _options(parts, setting)
    host = options.get("host") or parts.hostname or ""
    if not host:
        raise ConfigurationError(f"{setting} does not name a host.", next_move=f"Write it as {_FORM}")
    root = options.get("sslrootcert")
    return PostgresCatalogue(
        host=host,
        port=_port(parts, setting),
        database=database,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        schema=options.get("schema", "lake_meta"),
        sslmode=_mode(options, host, setting),
        sslrootcert=Path(root) if root else None,
    )


def is_this_machine(host: str) -> bool:
    """Return whether this host is this machine: a loopback address, or the folder of a socket."""
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _options(parts: SplitResult, setting: str) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(options.keys() - set(_OPTIONS))
    if unknown:
        raise ConfigurationError(
            f"{setting} has unknown options: {', '.join(unknown)}; there are {', '.join(_OPTIONS)}.",
            next_move="Correct or remove them.",
        )
    root = options.get("sslrootcert")
    if root and not Path(root).is_file():
        raise ConfigurationError(
            f"{setting} names the authorities file {root}, which does not exist.",
            next_move="Correct sslrootcert; without it, the authorities of this machine are trusted.",
        )
    return options


def _mode(options: dict[str, str], host: str, setting: str) -> str:
    mode = options.get("sslmode", _CHECKED)
    if mode == _CHECKED or (mode == "verify-ca" and options.get("sslrootcert")):
        return mode
    if mode == "disable" and is_this_machine(host):
        return mode
    raise ConfigurationError(
        f"{setting} has sslmode={mode}, which sends the password to any server that answers for {host}.",
        next_move=f"Remove sslmode ({_CHECKED} is the default) and name a private authority with sslrootcert; only "
        "a server on this machine can be used with sslmode=disable.",
    )


def _port(parts: SplitResult, setting: str) -> int:
    try:
        return parts.port or 5432
    except ValueError:
        raise ConfigurationError(f"{setting} has a port that is not a number.", next_move=f"Use {_FORM}") from None
