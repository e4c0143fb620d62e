"""Which authorities a server's certificate is checked against where none are named."""

from __future__ import annotations

import ssl
from pathlib import Path

MINIMUM_VERSION = "TLSv1.3"
# Debian, Ubuntu; Fedora, RHEL, Amazon Linux; Alpine, macOS.
_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)


def trusted_authorities() -> str:
    """The file of the authorities that this machine trusts, or `system`, libpq's word for its own default.

    The file comes first: the OpenSSL inside psycopg's wheel looks into a folder that exists nowhere.
    """
    named = ssl.get_default_verify_paths().cafile
    found = Path(named) if named else next((bundle for bundle in _BUNDLES if bundle.is_file()), None)
    return str(found) if found else "system"
