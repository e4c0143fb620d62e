"""The s3 adapter: `root` is s3://bucket/prefix, and objects below it are read like files of a folder."""

from __future__ import annotations

from dataflow.errors import ConfigurationError
from dataflow.settings import S3Settings, SourceSettings
from dataflow.sources.files.parts import PartsSource
from dataflow.sources.s3.bucket import Bucket
from dataflow.sources.s3.client import connect


class S3Source(PartsSource):
    """A source whose objects are files below one prefix of a bucket."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        super().__init__(name, settings, open_bucket(name, settings))


def open_bucket(name: str, settings: SourceSettings) -> Bucket:
    """Make the store of a source's `root` without connecting. Raises: ConfigurationError."""
    scheme, _, place = settings.root.partition("://")
    bucket, _, prefix = place.partition("/")
    if scheme != "s3" or not bucket:
        raise ConfigurationError(
            f"The root of sources.{name} is {settings.root}, which names no bucket.",
            next_move="Write s3://bucket or s3://bucket/prefix.",
        )
    return Bucket(connect(settings.section(S3Settings)), bucket, prefix.strip("/"), setting=f"sources.{name}")
