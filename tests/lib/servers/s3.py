"""A real S3 server over a folder: versitygw, built once at a pinned version into a cache outside the tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from pydantic import SecretStr

from dataflow.settings import S3Settings
from lakehouse import S3Access, S3Keys
from tests.lib.go_programs import go_program
from tests.lib.servers.certificates import Certificate, Certificates
from tests.lib.servers.ports import free_port, wait_for_port

VERSION = "v1.8.0"


@dataclass(frozen=True)
class S3Server:
    """A running server. `folder` holds its buckets as plain folders, so tests can look at what is really stored."""

    port: int
    pid: int
    key_id: str
    secret: str
    folder: Path
    ca_file: Path | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def access(self) -> S3Access:
        return S3Access(
            keys=partial(S3Keys, key_id=self.key_id, secret=self.secret),
            endpoint=self.endpoint,
            use_ssl=self.ca_file is not None,
            ca_file=self.ca_file,
        )

    @property
    def settings(self) -> S3Settings:
        """The same, as dataflow.toml says it."""
        return S3Settings(
            endpoint=self.endpoint,
            key_id=SecretStr(self.key_id),
            secret=SecretStr(self.secret),
            url_style="path",
            use_tls=self.ca_file is not None,
            ca_file=str(self.ca_file or ""),
        )

    def client(self) -> Any:
        """A client that writes: what the owner of the bucket uses."""
        return boto3.session.Session().client(
            "s3",
            region_name="us-east-1",
            endpoint_url=f"{'https' if self.ca_file else 'http'}://{self.endpoint}",
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
            verify=str(self.ca_file) if self.ca_file else None,
            # The gateway closes the connection after each answer, now and then while the next request is under way, and
            # at a folder before it has read a checksum that comes after the content.
            config=Config(
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "total_max_attempts": 5},
                request_checksum_calculation="when_required",
            ),
        )

    def create_reader(self, name: str, secret: str) -> None:
        """Create a user who may do nothing until a bucket's policy allows it."""
        words = ["create-user", "--access", name, "--secret", secret, "--role", "user"]
        root = ["--access", self.key_id, "--secret", self.secret, "--endpoint-url", f"http://{self.endpoint}"]
        subprocess.run([str(versitygw()), "admin", *root, *words], capture_output=True, check=True)

    def create_bucket(self, name: str) -> str:
        """Create a bucket and return its address."""
        (self.folder / name).mkdir()
        return f"s3://{name}"


def versitygw() -> Path:
    """The server's binary, built on first use (about 50 s)."""
    return go_program("versitygw", "github.com/versity/versitygw/cmd/versitygw", VERSION)


@contextmanager
def s3_server(
    *, folder: Path, certificate: Certificate | None = None, ca_file: Path | None = None, events: str = ""
) -> Iterator[S3Server]:
    """Run the server on a free port, over an empty folder, until the block ends.

    With a certificate it speaks TLS, and clients check it with `ca_file`. `events` is where it posts what happens.
    """
    binary = versitygw()
    server_port, key_id, secret = free_port(), "test-key", "test-secret"
    buckets = folder / "buckets"
    buckets.mkdir(parents=True)
    users = folder / "users"
    users.mkdir()
    tls = ["--cert", str(certificate.file), "--key", str(certificate.key)] if certificate else []
    webhook = ["--event-webhook-url", events] if events else []
    command = [str(binary), "--port", f"127.0.0.1:{server_port}", "--quiet", *tls, *webhook]
    command += ["--iam-dir", str(users), "posix", str(buckets)]
    environment = {**os.environ, "ROOT_ACCESS_KEY": key_id, "ROOT_SECRET_KEY": secret}
    with (folder / "versitygw.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for_port(server_port, process=process)
            yield S3Server(server_port, process.pid, key_id, secret, buckets, ca_file)
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server for the whole session; each test makes a bucket of its own."""
    with s3_server(folder=tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_tls(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server that speaks TLS, for the whole session; each test makes a bucket of its own."""
    folder = tmp_path_factory.mktemp("s3-tls")
    with s3_server(folder=folder, certificate=certificates.server, ca_file=certificates.ca) as server:
        yield server
