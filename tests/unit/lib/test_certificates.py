"""The tests' certificates: a strict client takes the server's, and no other."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.lib.servers.certificates import Certificate, Certificates


def greet(certificate: Certificate, ca: Path, *, name: str = "127.0.0.1") -> str:
    """Shake hands over a socket pair; what the client saw: the version, or why it refused."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate.file, certificate.key)
    context = ssl.create_default_context(cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server_context.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with context.wrap_socket(here, server_hostname=name) as wrapped:
            return str(wrapped.version())
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        here.close()
        thread.join()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_server_is_trusted(certificates: Certificates, name: str) -> None:
    assert greet(certificates.server, certificates.ca, name=name) == "TLSv1.3"


def test_what_is_not_trusted(certificates: Certificates) -> None:
    assert "expired" in greet(certificates.expired, certificates.ca)
    assert "unable to get" in greet(certificates.server, certificates.other_ca)
    assert "mismatch" in greet(certificates.server, certificates.ca, name="example.org")
