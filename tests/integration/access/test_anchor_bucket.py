"""Heads of the access log in a bucket with Object Lock, on a real S3 server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dataflow.access.log.anchors import anchors_in_bucket, put_in_bucket
from dataflow.access.log.place import newest_heads, own_writer
from dataflow.errors import AccessLogError, ConfigurationError
from dataflow.govern.audit import verify_log
from dataflow.settings import Settings
from dataflow.settings.model import AuditSettings
from tests.lib.servers.s3 import S3Server
from tests.unit.access.log.test_writer import READ


@pytest.fixture
def bucket(s3: S3Server, tmp_path: Path) -> tuple[Settings, Any]:
    client = s3.client()
    name = f"heads-{tmp_path.name[-20:].strip('_').replace('_', '-').lower()}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    audit = AuditSettings(anchor_bucket=f"s3://{name}/heads", anchor_s3=s3.settings, anchor_days=7)
    return Settings(home=tmp_path, audit=audit), client


def test_each_head_is_put_once_and_cannot_be_removed_or_replaced(bucket: tuple[Settings, Any]) -> None:
    settings, client = bucket
    now = datetime.now(UTC)
    assert put_in_bucket(settings, now=now) == 0
    log = own_writer(settings)
    log.append(READ)
    assert (put_in_bucket(settings, now=now), put_in_bucket(settings, now=now)) == (1, 0)
    first = newest_heads(settings)
    log.append(replace(READ, rows=2))
    assert put_in_bucket(settings, now=now) == 1
    anchors = anchors_in_bucket(settings)
    assert [anchor.note for anchor in anchors] == [*first, *newest_heads(settings)]
    assert verify_log(settings.home / "access" / "log", anchors=anchors)[0][0].findings == ()
    place = {"Bucket": settings.audit.anchor_bucket.split("/")[2], "Key": anchors[0].kept.split()[-1]}
    kept = client.head_object(**place)
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    assert kept["ObjectLockRetainUntilDate"] > now + timedelta(days=6)
    with pytest.raises(ClientError):
        client.delete_object(**place, VersionId=kept.get("VersionId", "null"))
    assert client.get_object(**place)["Body"].read().decode() == first[0]


def test_a_bucket_that_refuses_is_an_error_with_its_code_alone(s3: S3Server, tmp_path: Path) -> None:
    audit = AuditSettings(anchor_bucket="s3://missing", anchor_s3=s3.settings)
    settings = Settings(home=tmp_path, audit=audit)
    own_writer(settings).append(READ)
    with pytest.raises(AccessLogError, match="NoSuchBucket"):
        put_in_bucket(settings, now=datetime.now(UTC))
    with pytest.raises(AccessLogError, match="NoSuchBucket"):
        anchors_in_bucket(settings)
    wrong = settings.model_copy(update={"audit": AuditSettings(anchor_bucket="heads")})
    with pytest.raises(ConfigurationError, match="s3://bucket/prefix"):
        put_in_bucket(wrong, now=datetime.now(UTC))
