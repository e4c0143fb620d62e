"""TLS 1.3 with verification for every socket of a source, and the meaning of connection errors.

Clients nest the socket's error in their own errors; it is found at any depth.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import certifi

from dataflow.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable

AGAIN = "Run again; the failure can be temporary."

# OpenSSL's reasons when the other side does not speak TLS, and when it has no accepted version of it.
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER", "PACKET_LENGTH", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
_OLDER = ("PROTOCOL", "VERSION", "HANDSHAKE_FAILURE", "NO_SHARED", "NO_CIPHERS")


class Fault(Enum):
    """Reasons for a failed connection."""

    EXPIRED = auto()
    OTHER_NAME = auto()
    UNTRUSTED = auto()
    PLAIN = auto()
    OLDER_TLS = auto()
    NO_HOST = auto()
    NOTHING_LISTENS = auto()
    NO_ANSWER = auto()
    LOST = auto()


_REFUSED = frozenset({Fault.EXPIRED, Fault.OTHER_NAME, Fault.UNTRUSTED, Fault.PLAIN, Fault.OLDER_TLS})

_MOVES: Mapping[Fault, str] = {
    Fault.EXPIRED: "Have its certificate renewed.",
    Fault.OTHER_NAME: "Write in {host} a name that is in its certificate.",
    Fault.UNTRUSTED: "Put the authority that signed it into {ca_file}.",
    Fault.PLAIN: "Correct {host}, or have TLS 1.3 switched on there.",
    Fault.OLDER_TLS: "Have TLS 1.3 switched on there; older versions are refused.",
    Fault.NO_HOST: "Correct {host}.",
    Fault.NOTHING_LISTENS: "Check {host}, and that the server runs.",
    Fault.NO_ANSWER: "Check {host} and the firewall, and that the server runs.",
    Fault.LOST: AGAIN,
}


@dataclass(frozen=True)
class Peer:
    """The settings that name a server and the authority that signed its certificate, for the next move."""

    host: str
    ca_file: str


@dataclass(frozen=True)
class Failure:
    """The meaning of a failed connection. `found` continues "the server: …"."""

    fault: Fault
    found: str
    next_move: str

    @property
    def kind(self) -> type[SourceError]:
        """Return the error class: refused where the same call fails until someone changes a setting."""
        return SourceRefused if self.fault in _REFUSED else SourceUnavailable


def tls_context(ca_file: str, *, setting: str) -> ssl.SSLContext:
    """Return a context that allows TLS 1.3 only and verifies certificate and host name against `ca_file`.

    Without `ca_file` the public authorities are trusted: the system's, or Mozilla's on a system without any.
    Raises: ConfigurationError naming `setting`.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if not ca_file:
            context.load_verify_locations(certifi.where())
    except OSError:
        # A file that is missing, unreadable, or without a certificate: ssl.SSLError is an OSError too.
        raise ConfigurationError(
            f"The certificates in {ca_file} cannot be read.",
            next_move=f"Name a file of PEM certificates in {setting}, or leave it out.",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Self-made authorities lack identifiers that the strict flag requires; the verification is the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def explain_connection(error: BaseException, peer: Peer) -> Failure | None:
    """Return the meaning of the socket's or TLS error nested in an error; None where there is none."""
    found = [one for cause in causes_of(error) if (one := _read(cause)) is not None]
    # The handshake's error is the reason; the lost connection only follows from it.
    found.sort(key=lambda one: one[0].value)
    if not found:
        return None
    fault, words = found[0]
    return Failure(fault, words, _MOVES[fault].format(host=peer.host, ca_file=peer.ca_file))


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those nested in it, as cause, context, argument, reason or keyword."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        kwargs = getattr(one, "kwargs", None)
        nested = kwargs.values() if isinstance(kwargs, dict) else ()
        original = getattr(one, "original_exception", None)
        waiting += [one.__cause__, one.__context__, original, getattr(one, "reason", None), *one.args, *nested]


def _read(error: BaseException) -> tuple[Fault, str] | None:
    if isinstance(error, ssl.SSLError):
        return _read_tls(error)
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_NONAME:
            return Fault.NO_HOST, "there is no such host"
        return Fault.LOST, "its name cannot be looked up now"
    if isinstance(error, ConnectionRefusedError):
        return Fault.NOTHING_LISTENS, "nothing listens there"
    if isinstance(error, TimeoutError):
        return Fault.NO_ANSWER, "it does not answer in time"
    if isinstance(error, ConnectionError):
        return Fault.LOST, "the connection was lost"
    if type(error) is OSError:
        return Fault.LOST, f"the connection failed ({error.strerror or 'OSError'})"
    return None


def _read_tls(error: ssl.SSLError) -> tuple[Fault, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _read_certificate(error.verify_message.rstrip(".").lower())
    # Before Python 3.12, an error that Python raises for a broken connection lacks this attribute.
    reason = getattr(error, "reason", None) or ""
    if any(word in reason for word in _PLAIN):
        return Fault.PLAIN, "it does not speak TLS"
    if any(word in reason for word in _OLDER):
        return Fault.OLDER_TLS, f"it does not agree on TLS 1.3 ({reason.lower().replace('_', ' ')})"
    return Fault.LOST, "the connection was lost"


def _read_certificate(reason: str) -> tuple[Fault, str]:
    if "expired" in reason:
        return Fault.EXPIRED, "its certificate has expired"
    if "match" in reason or "not valid for" in reason:
        return Fault.OTHER_NAME, "its certificate is for another name"
    return Fault.UNTRUSTED, f"its certificate is not trusted ({reason})"
