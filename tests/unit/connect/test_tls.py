"""What a connection that fails means, found by connecting to peers that are wrong in each way."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from dataflow.connect.tls import Failure, Fault, Peer, explain_connection, tls_context
from dataflow.errors import ConfigurationError, SourceRefused, SourceUnavailable
from tests.lib.older_tls import older_tls
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.ports import free_port

PEER = Peer(host="host of it", ca_file="ca_file of it")


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that knows no TLS: it answers every caller with these bytes and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(1024)
                        client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@contextmanager
def silent() -> Iterator[int]:
    """A server that takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def connect(port: int, ca: Path, *, host: str = "localhost") -> Failure | None:
    """Connect as a client library does, which nests what it meets in an error of its own."""
    context = tls_context(str(ca), setting="ca_file of it")
    try:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=1) as plain,
                context.wrap_socket(plain, server_hostname=host) as secured,
            ):
                assert secured.version() == "TLSv1.3"
                return None
        except OSError as error:
            raise RuntimeError("the library's own words", error) from None
    except RuntimeError as error:
        return explain_connection(error, PEER)


Served = Callable[[ExitStack, Certificates], int]

PEERS: dict[str, tuple[Served, Fault, str, str]] = {
    "expired": (
        lambda at, papers: at.enter_context(older_tls(papers.expired, ssl.TLSVersion.TLSv1_3)),
        Fault.EXPIRED,
        "its certificate has expired",
        "Have its certificate renewed.",
    ),
    "older": (
        lambda at, papers: at.enter_context(older_tls(papers.server)),
        Fault.OLDER_TLS,
        "it does not agree on TLS 1.3 (",
        "older versions are refused.",
    ),
    "plain": (
        lambda at, _: at.enter_context(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        Fault.PLAIN,
        "it does not speak TLS",
        "Correct host of it, or have TLS 1.3 switched on there.",
    ),
    "hangs up": (
        lambda at, _: at.enter_context(answering(b"")),
        Fault.LOST,
        "the connection was lost",
        "Run again; the failure can be temporary.",
    ),
    "silent": (
        lambda at, _: at.enter_context(silent()),
        Fault.NO_ANSWER,
        "it does not answer in time",
        "Check host of it and the firewall, and that the server runs.",
    ),
    "nobody": (
        lambda _at, _: free_port(),
        Fault.NOTHING_LISTENS,
        "nothing listens there",
        "Check host of it, and that the server runs.",
    ),
}


@pytest.mark.parametrize("peer", PEERS)
def test_each_fault_is_told_from_the_others(certificates: Certificates, peer: str) -> None:
    served, fault, found, move = PEERS[peer]
    with ExitStack() as at:
        failure = connect(served(at, certificates), certificates.ca)
    assert failure is not None
    assert failure.fault is fault
    assert failure.found.startswith(found)
    assert failure.next_move.endswith(move)
    refused = fault in (Fault.EXPIRED, Fault.OLDER_TLS, Fault.PLAIN)
    assert failure.kind is (SourceRefused if refused else SourceUnavailable)


@pytest.mark.parametrize(
    ("ca", "host", "fault", "move"),
    [
        ("ca", "localhost", None, ""),
        ("ca", "elsewhere.example.com", Fault.OTHER_NAME, "Write in host of it a name that is in its certificate."),
        ("other_ca", "localhost", Fault.UNTRUSTED, "Put the authority that signed it into ca_file of it."),
    ],
)
def test_the_certificate_is_checked(
    certificates: Certificates, ca: str, host: str, fault: Fault | None, move: str
) -> None:
    with older_tls(certificates.server, ssl.TLSVersion.TLSv1_3) as port:
        failure = connect(port, getattr(certificates, ca), host=host)
    assert (failure and failure.fault) == fault
    assert failure is None or failure.next_move == move


def test_a_name_that_does_not_resolve() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "x")
    failure = explain_connection(error, PEER)
    assert failure == Failure(Fault.NO_HOST, "there is no such host", "Correct host of it.")
    later = explain_connection(socket.gaierror(socket.EAI_AGAIN, "x"), PEER)
    assert later is not None
    assert later.fault is Fault.LOST


def test_what_is_no_connection_is_not_explained() -> None:
    assert explain_connection(ValueError("x"), PEER) is None
    assert explain_connection(FileNotFoundError("x"), PEER) is None


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_a_ca_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match="Name a file of PEM certificates in ca_file of it"):
        tls_context(str(file), setting="ca_file of it")


def test_without_a_ca_file_the_public_authorities_are_trusted() -> None:
    context = tls_context("", setting="ca_file of it")
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert len(context.get_ca_certs()) > 50
