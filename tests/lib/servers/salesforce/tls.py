"""An authority of the simulator's own, and the certificate it gives for Salesforce's names."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("*.my.salesforce.com", "*.sandbox.my.salesforce.com", "login.salesforce.com", "test.salesforce.com")


@dataclass(frozen=True)
class Papers:
    """What the server shows, and what a client checks it against."""

    ca_file: Path
    certificate: Path
    key: Path


def write_papers(folder: Path, *, expired: bool = False, names: tuple[str, ...] = NAMES) -> Papers:
    """Make an authority and a certificate for Salesforce's names and this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("Simulated Salesforce CA")
    ends = now - timedelta(days=1) if expired else now + timedelta(days=30)
    ca = (
        _begin(issuer, issuer, authority.public_key(), until=now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    holders: list[x509.GeneralName] = [x509.DNSName(each) for each in (*names, "localhost")]
    holders.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        _begin(_name(names[0]), issuer, leaf.public_key(), until=ends)
        .add_extension(x509.SubjectAlternativeName(holders), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    key = leaf.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    papers = Papers(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    papers.ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    papers.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    papers.key.write_bytes(key)
    return papers


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    others = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False
    )  # fmt: skip
    return x509.KeyUsage(digital_signature=True, key_cert_sign=signs, crl_sign=signs, **others)


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=60))
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
