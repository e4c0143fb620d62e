"""A company whose ticket exports, tables and pages lie in a bucket instead of folders."""

from __future__ import annotations

from pathlib import Path

from dataflow.settings import ObjectSettings, Settings, SourceSettings
from tests.lib.deliveries import company
from tests.lib.servers.s3 import S3Server


def in_bucket(home: Path, server: S3Server, root: str, **changed: ObjectSettings) -> Settings:
    """Settings of the company with every source below `root` (s3://bucket/prefix), each in a folder of its own name."""
    settings = company(home, **changed)
    sources = {
        name: SourceSettings(adapter="s3", root=f"{root}/{name}", s3=server.settings, objects=source.objects)
        for name, source in settings.sources.items()
    }
    return settings.model_copy(update={"sources": sources})


def upload(server: S3Server, root: str, folder: Path) -> None:
    """Put every file below a folder under `root`, by its path."""
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    client = server.client()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = f"{prefix}/{file.relative_to(folder).as_posix()}".lstrip("/")
        client.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
