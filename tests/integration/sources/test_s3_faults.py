"""What goes wrong between here and a bucket: one clear error each, never a secret in it, and the same from doctor."""

from __future__ import annotations

import itertools
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dataflow.errors import ConfigurationError, DataFlowError, SourceMissing, SourceRefused, SourceUnavailable
from dataflow.observe.doctor import probe_all
from dataflow.settings import SourceSettings
from dataflow.sources import ObjectState
from dataflow.sources.s3 import S3Source
from dataflow.sources.s3.probe import probe
from tests.lib.cutting_answers import answer_cutter
from tests.lib.deliveries import TICKET, company
from tests.lib.older_tls import older_tls
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.s3 import S3Server, s3_server

NOT_THE_KEY = "not-the-access-key"
NOT_THE_SECRET = "not-the-secret"

_numbers = itertools.count(1)


@pytest.fixture
def bucket(s3_tls: S3Server) -> str:
    return s3_tls.create_bucket(f"faults-{next(_numbers)}")


def source(server: S3Server, root: str, **changed: Any) -> SourceSettings:
    s3 = server.settings.model_copy(update=changed)
    return SourceSettings(adapter="s3", root=root, s3=s3, objects={"ticket": TICKET})


def refusal(settings: SourceSettings) -> DataFlowError:
    with pytest.raises(DataFlowError) as caught:
        S3Source("desk", settings).plan("ticket", ObjectState())
    return caught.value


def unwell(settings: SourceSettings) -> tuple[str, str, str]:
    """The one finding of the doctor that is not well."""
    [finding] = [finding for finding in probe("desk", settings) if not finding.is_well]
    return finding.name, finding.found, finding.fix


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"key_id": SecretStr(NOT_THE_KEY)}, "the server does not know this access key"),
        ({"secret": SecretStr(NOT_THE_SECRET)}, "the secret does not belong to the access key"),
    ],
    ids=["key", "secret"],
)
def test_a_wrong_key_or_secret(s3_tls: S3Server, bucket: str, changed: dict[str, Any], found: str) -> None:
    settings = source(s3_tls, bucket, **changed)
    refused = refusal(settings)
    assert type(refused) is SourceRefused
    assert not refused.retryable
    assert found in str(refused)
    assert refused.next_move.startswith("Correct sources.desk.s3.key_id and secret")
    assert unwell(settings)[0] == "bucket"
    told = f"{refused} {unwell(settings)}"
    assert not any(secret in told for secret in (s3_tls.key_id, s3_tls.secret, NOT_THE_KEY, NOT_THE_SECRET))


def test_a_wrong_bucket(s3_tls: S3Server) -> None:
    refused = refusal(source(s3_tls, "s3://no-such-bucket/exports"))
    assert type(refused) is SourceMissing
    assert "there is no bucket no-such-bucket" in str(refused)
    assert refused.next_move == "Correct sources.desk.root, or have it created."
    assert unwell(source(s3_tls, "s3://no-such-bucket/exports"))[0] == "bucket"


def test_a_wrong_host(s3_tls: S3Server, bucket: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()[1]
    settings = source(s3_tls, bucket, endpoint=f"127.0.0.1:{closed}")
    refused = refusal(settings)
    assert type(refused) is SourceUnavailable
    assert refused.retryable
    assert f"at 127.0.0.1:{closed}: nothing listens there. Check sources.desk.s3.endpoint" in str(refused)
    assert unwell(settings)[0] == "connection"


def test_a_certificate_of_a_stranger(s3_tls: S3Server, bucket: str, certificates: Certificates) -> None:
    settings = source(s3_tls, bucket, ca_file=str(certificates.other_ca))
    refused = refusal(settings)
    assert type(refused) is SourceRefused
    assert "its certificate is not trusted" in str(refused)
    assert "sources.desk.s3.ca_file" in refused.next_move
    assert unwell(settings)[0] == "connection"


def test_a_certificate_that_ran_out(certificates: Certificates, tmp_path: Path) -> None:
    with s3_server(folder=tmp_path / "s3", certificate=certificates.expired, ca_file=certificates.ca) as server:
        refused = refusal(source(server, server.create_bucket("exports")))
    assert type(refused) is SourceRefused
    assert "its certificate has expired" in str(refused)


def test_a_server_that_speaks_only_older_tls(s3_tls: S3Server, bucket: str, certificates: Certificates) -> None:
    with older_tls(certificates.server) as port:
        refused = refusal(source(s3_tls, bucket, endpoint=f"127.0.0.1:{port}"))
    assert type(refused) is SourceRefused
    assert "it does not agree on TLS 1.3" in str(refused)


def test_a_server_that_hangs_up_while_tls_is_spoken(s3_tls: S3Server, bucket: str) -> None:
    with answer_cutter(s3_tls.port) as cutter:
        cutter.cut(after_bytes=0, times=99)
        refused = refusal(source(s3_tls, bucket, endpoint=f"127.0.0.1:{cutter.port}"))
    assert cutter.cuts > 1
    assert type(refused) is SourceUnavailable
    assert refused.retryable
    assert "the connection was lost" in str(refused)


def test_tls_spoken_by_one_side_only(s3_tls: S3Server, s3: S3Server, bucket: str) -> None:
    refused = refusal(source(s3_tls, bucket, endpoint=s3.endpoint))
    assert type(refused) is SourceRefused
    assert "it does not speak TLS" in str(refused)
    refused = refusal(source(s3_tls, bucket, use_tls=False))
    assert "set sources.desk.s3.use_tls" in str(refused)


@pytest.mark.parametrize(
    ("root", "changed", "words"),
    [
        ("exports", {}, "The root of sources.desk is exports, which names no bucket"),
        ("s3://exports", {"endpoint": "https://127.0.0.1:9000"}, "is not of the form host:port"),
        ("s3://exports", {"secret": None}, "one is set and the other is not"),
        ("s3://exports", {"ca_file": "/no/such/file.pem"}, "/no/such/file.pem cannot be read"),
    ],
)
def test_settings_that_cannot_be_meant(s3_tls: S3Server, root: str, changed: dict[str, Any], words: str) -> None:
    refused = refusal(source(s3_tls, root, **changed))
    assert type(refused) is ConfigurationError
    assert words in str(refused)


def test_no_key_at_all(s3_tls: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    refused = refusal(source(s3_tls, bucket, key_id=None, secret=None, region="eu-west-1"))
    assert type(refused) is SourceRefused
    assert "there is no access key to sign with" in str(refused)


def test_a_key_of_the_environment_is_taken(
    s3_tls: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_tls.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_tls.secret)
    settings = source(s3_tls, bucket, key_id=None, secret=None, region="us-west-2")
    assert all(finding.is_well for finding in probe("desk", settings))


@pytest.mark.parametrize(
    ("allowed", "unwell_look", "words"),
    [((), "bucket", "Listing s3://"), (("s3:ListBucket",), "read ticket", "Reading s3://")],
    ids=["nothing", "listing"],
)
def test_a_key_that_may_not_do_all_that_is_needed(
    s3: S3Server, tmp_path: Path, allowed: tuple[str, ...], unwell_look: str, words: str
) -> None:
    number = next(_numbers)
    name, reader = f"restricted-{number}", f"reader-{number}"
    bucket = s3.create_bucket(name)
    s3.create_reader(reader, "reader-secret")
    s3.client().put_object(Bucket=name, Key="2026-03-01/a.csv", Body=b"ticket_id\n")
    if allowed:
        s3.client().put_bucket_policy(Bucket=name, Policy=json.dumps(policy(reader, allowed, name)))
    settings = source(s3, bucket, key_id=SecretStr(reader), secret=SecretStr("reader-secret"))
    found = {finding.name: finding for finding in probe("desk", settings)}
    [look] = [each for each in found.values() if not each.is_well and each.name != "connection"]
    assert look.name == unwell_look
    assert look.found.startswith(words)
    assert "not allowed to do this" in look.found
    assert f"Grant s3:ListBucket on {name} and s3:GetObject on its objects" in look.fix
    assert "reader-secret" not in look.found + look.fix


def policy(user: str, actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": list(actions)}
    return {"Version": "2012-10-17", "Statement": [{**allow, "Resource": [f"arn:aws:s3:::{resource}"]}]}


def test_a_clock_that_is_wrong(s3_tls: S3Server, bucket: str) -> None:
    def ahead() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=20)

    [finding] = [finding for finding in probe("desk", source(s3_tls, bucket), now=ahead) if not finding.is_well]
    assert finding.name == "clock"
    assert "s ahead of the server" in finding.found
    assert "NTP" in finding.fix


def test_doctor_looks_at_declared_buckets(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.create_bucket("seen-by-doctor")
    settings = company(tmp_path).model_copy(update={"sources": {"desk": source(s3, bucket)}})
    found = {each.name: each for each in probe_all(settings) if each.name.startswith("source")}
    assert list(found) == [f"source desk: {look}" for look in ("connection", "clock", "bucket", "read ticket")]
    assert not found["source desk: connection"].is_well
    assert found["source desk: connection"].fix == "Set sources.desk.s3.use_tls = true."
    assert found["source desk: read ticket"].found == "nothing matches {date}/*.csv yet"
