"""The policy of the lake's bucket, which alone refuses TLS older than 1.3, on an emulated S3 of AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigurationError
from dataflow.observe.bucket_policy import denies_older_tls, look_at_policy
from dataflow.settings import S3Settings, Settings
from dataflow.settings.model import LakeSettings
from tests.lib.servers.moto import MotoServer

STATEMENT: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"],
    "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.3"}},
}


def policy(**changed: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | changed]})


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"Principal": {"AWS": "*"}},
        {"Action": ["s3:*"], "Resource": "*"},
        {"Condition": {"NumericLessThan": {"s3:TLSVersion": [1.3]}}},
    ],
)
def test_a_statement_that_refuses_all_older_versions(changed: dict[str, Any]) -> None:
    assert denies_older_tls(policy(**changed), "lake")


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "Allow"},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:role/reader"}},
        {"Action": "s3:PutObject"},
        {"Resource": "arn:aws:s3:::lake"},
        {"Resource": "arn:aws:s3:::another/*"},
        {"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Condition": {**STATEMENT["Condition"], "StringEquals": {"aws:SourceVpc": "vpc-1"}}},
    ],
)
def test_a_statement_that_leaves_some_through(changed: dict[str, Any]) -> None:
    assert not denies_older_tls(policy(**changed), "lake")


def test_a_bucket_is_asked(moto: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    lake = LakeSettings(
        catalogue="postgresql://user@localhost/lake", data="s3://lake/data", s3=S3Settings(url_style="path")
    )
    settings = Settings(home=tmp_path, lake=lake)
    owner = moto.client("s3")
    owner.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    with pytest.raises(ConfigurationError, match="has no policy"):
        look_at_policy(settings)
    owner.put_bucket_policy(Bucket="lake", Policy=policy(Action="s3:GetObject"))
    with pytest.raises(ConfigurationError, match=r"does not refuse TLS older than 1\.3") as found:
        look_at_policy(settings)
    # What it says to add is what it asks for.
    _, _, statement = str(found.value).partition("policy of lake: ")
    owner.put_bucket_policy(
        Bucket="lake", Policy=json.dumps({"Version": "2012-10-17", "Statement": json.loads(statement)})
    )
    assert look_at_policy(settings) == "the policy of lake refuses TLS older than 1.3"
