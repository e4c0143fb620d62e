"""An emulator of AWS: moto's server, in an environment of its own, on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests.lib.servers.ports import free_port, wait_for_port
from tests.lib.tool_environments import tool_environment

VERSION = "5.2.5"
REGION = "eu-central-1"


@dataclass(frozen=True)
class MotoServer:
    """A running emulator. `environment` is what a process sets to use it in place of AWS."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test-key",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """Return a client of the emulator, as the owner of the account has it."""
        return boto3.session.Session().client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test-key",
            aws_secret_access_key="test-secret",
        )

    def reset(self) -> None:
        """Forget everything that was made on it."""
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def moto_server() -> Iterator[MotoServer]:
    """Run an empty emulator until the block ends."""
    programs = tool_environment(f"moto-{VERSION}", f"moto[server]=={VERSION}")
    port = free_port()
    command = [str(programs / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with tempfile.NamedTemporaryFile(prefix="moto-") as log:
        process = subprocess.Popen(command, env={**os.environ}, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for_port(port, process=process)
            yield MotoServer(port, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="session")
def moto_process() -> Iterator[MotoServer]:
    """The emulator of this test process."""
    with moto_server() as server:
        yield server


@pytest.fixture
def moto(moto_process: MotoServer) -> MotoServer:
    """The emulator, empty."""
    moto_process.reset()
    return moto_process
