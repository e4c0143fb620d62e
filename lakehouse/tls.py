"""Find the trusted authorities of this machine, and check whether a server supports TLS 1.3."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

MINIMUM_VERSION = "TLSv1.3"
_CONNECT_SECONDS = 10.0
# Debian, Ubuntu; Fedora, RHEL, Amazon Linux; Alpine, macOS.
_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)


def trusted_authorities() -> str:
    """Return the file of the authorities that this machine trusts, or `system`, libpq's default.

    The file comes first: the OpenSSL in psycopg's wheel looks in a folder that does not exist.
    """
    named = ssl.get_default_verify_paths().cafile
    found = Path(named) if named else next((bundle for bundle in _BUNDLES if bundle.is_file()), None)
    return str(found) if found else "system"


def speaks_tls13(host: str, port: int, *, ca_file: Path | None) -> bool:
    """Return whether a server accepts TLS 1.3, which DuckDB's client then prefers. Raises: OSError."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with socket.create_connection((host, port), timeout=_CONNECT_SECONDS) as plain:
        try:
            context.wrap_socket(plain, server_hostname=host).close()
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError:
            return False
    return True
