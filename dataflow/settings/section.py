"""The base of every section of dataflow.toml, and the section of a bucket, which several have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr


class BesideConfig:
    """Marks a setting whose relative path is of the folder of dataflow.toml, whatever the working folder is."""


ProjectPath = Annotated[str, BesideConfig()]
"""A path of a file or folder, or a URL; relative to dataflow.toml."""


def _on_disk(path: str) -> str:
    if "://" in path:
        # As a path it would be a folder named `s3:`.
        raise ValueError(f"{path.partition('://')[0]}:// is not a path of this machine, which this setting needs")
    return path


DiskPath = Annotated[str, BesideConfig(), AfterValidator(_on_disk)]
"""A path of a file or folder, never a URL; relative to dataflow.toml."""


class Section(BaseModel):
    """A table of dataflow.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class S3Settings(Section):
    """How to reach the bucket of an `s3://` path; without a key, by the environment or the machine's role."""

    endpoint: str = ""
    """`host:port` of the server; empty: AWS."""
    region: str = "us-east-1"
    """Region of the bucket."""
    key_id: SecretStr | None = None
    """Access key."""
    secret: SecretStr | None = None
    """Secret of the access key."""
    url_style: Literal["path", "vhost"] = "vhost"
    """Whether URLs have the bucket in the path or in the host name."""
    use_tls: bool = True
    """Use TLS and verify the server's certificate."""
    ca_file: ProjectPath = ""
    """File of certificate authorities for the server's certificate; empty: the public ones."""
