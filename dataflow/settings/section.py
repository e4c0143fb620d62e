"""The base of every table of dataflow.toml, and the table that several of them have: a bucket."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr


class Section(BaseModel):
    """A table of dataflow.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class S3Settings(Section):
    """How to reach the bucket of an `s3://` path; without a key, what the environment or the machine's role gives."""

    endpoint: str = ""
    """`host:port` of the server; empty: AWS."""
    region: str = "us-east-1"
    """Region of the bucket."""
    key_id: SecretStr | None = None
    """Access key."""
    secret: SecretStr | None = None
    """Its secret."""
    url_style: Literal["path", "vhost"] = "vhost"
    """Whether the bucket stands in the path or in the host's name."""
    use_tls: bool = True
    """Encrypt, and check the server's certificate."""
    ca_file: str = ""
    """Certificates that the server's is checked against; empty: the public authorities."""
