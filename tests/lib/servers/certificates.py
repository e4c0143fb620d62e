"""Certificates of an authority of the tests' own: one for servers of this machine, and one that has run out."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMES = ("localhost",)
ADDRESSES = ("127.0.0.1", "::1")
# The nodes of a Redis cluster are also clients of each other.
_USES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, each in a PEM file."""

    file: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    """What servers and clients of the tests need. `other_ca` signed none of them; `elsewhere` names another host."""

    ca: Path
    server: Certificate
    expired: Certificate
    elsewhere: Certificate
    other_ca: Path


def make_certificates(folder: Path, *, now: datetime | None = None) -> Certificates:
    """Write an authority and its certificates for 127.0.0.1, ::1 and localhost into `folder`."""
    today = now or datetime.now(UTC)
    valid = (today - timedelta(days=1), today + timedelta(days=30))
    ca_key, ca = _authority("Tests of DataFlow", today)
    _, stranger = _authority("Somebody else", today)
    return Certificates(
        ca=_write(folder / "ca.pem", _pem(ca)),
        server=_sign(folder, "server", ca, ca_key, valid),
        expired=_sign(folder, "expired", ca, ca_key, (today - timedelta(days=30), today - timedelta(days=1))),
        elsewhere=_sign(folder, "elsewhere", ca, ca_key, valid, names=("elsewhere.example",), addresses=()),
        other_ca=_write(folder / "other-ca.pem", _pem(stranger)),
    )


def _authority(name: str, today: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    started = today - timedelta(days=60)
    builder = _begin(subject, key.public_key(), (started, started + timedelta(days=3650)), issuer=subject)
    usage = _usage(signs_certificates=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return key, builder.sign(key, hashes.SHA256())


def _sign(
    folder: Path,
    name: str,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    valid: tuple[datetime, datetime],
    *,
    names: tuple[str, ...] = NAMES,
    addresses: tuple[str, ...] = ADDRESSES,
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
    builder = _begin(_name(names[0]), key.public_key(), valid, issuer=ca.subject)
    # Python from 3.13 on asks for the identifiers of both keys.
    made = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_USES), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(_write(folder / f"{name}.pem", _pem(made)), _write(folder / f"{name}-key.pem", private))


def _begin(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    valid: tuple[datetime, datetime],
    *,
    issuer: x509.Name,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificates of this session's servers."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
