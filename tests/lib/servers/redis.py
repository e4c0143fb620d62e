"""A real Redis of the system's packages, in a folder of its own, on a free port, over TLS 1.3 with an ACL."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from dataflow.settings import Settings
from dataflow.settings.model import CacheSettings
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.ports import free_port, wait_for_port

_INSTALL = "apt-get install -y redis-server   (macOS: brew install redis)"
WRITER, READER, ADMIN = ("writer", "writer-password"), ("reader", "reader-password"), ("admin", "admin-password")
_ACL = f"""user default off
user {ADMIN[0]} on >{ADMIN[1]} ~* &* +@all
user {WRITER[0]} on >{WRITER[1]} ~df:* +@read +@write +@connection +info -@dangerous +info
user {READER[0]} on >{READER[1]} ~df:* +@read +@connection
"""


@dataclass(frozen=True)
class RedisServer:
    """A running server; `admin` is a client of its own that may do anything."""

    port: int
    pid: int
    ca_file: Path
    admin: Redis

    def settings(self, settings: Settings, *, user: tuple[str, str] = WRITER, keep_seconds: int = 3600) -> Settings:
        """The same settings with this server as the cache."""
        cache = CacheSettings.model_validate(
            {
                "url": f"rediss://{user[0]}@127.0.0.1:{self.port}",
                "password": user[1],
                "ca_file": str(self.ca_file),
                "keep_seconds": keep_seconds,
            }
        )
        return settings.model_copy(update={"cache": cache})


@contextmanager
def redis_server(certificates: Certificates, *, port: int | None = None, tls: str = "TLSv1.3") -> Iterator[RedisServer]:
    """Run an empty server until the block ends."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError(f"These tests need Redis, and there is none here. Install it with: {_INSTALL}")
    home = Path(tempfile.mkdtemp(prefix="dataflow-redis-", dir="/tmp"))
    port = port or free_port()
    (home / "users.acl").write_text(_ACL)
    options = {
        "port": "0",
        "tls-port": str(port),
        "tls-protocols": tls,
        "tls-auth-clients": "no",
        "tls-cert-file": str(certificates.server.file),
        "tls-key-file": str(certificates.server.key),
        "tls-ca-cert-file": str(certificates.ca),
        "aclfile": str(home / "users.acl"),
        "dir": str(home),
        "save": "",
    }
    command = [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]
    with (home / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=home)
    try:
        wait_for_port(port, process=process)
        admin = Redis(
            host="127.0.0.1",
            port=port,
            username=ADMIN[0],
            password=ADMIN[1],
            ssl=True,
            ssl_ca_certs=str(certificates.ca),
            ssl_min_version=ssl.TLSVersion.TLSv1_2,
        )
        with admin:
            yield RedisServer(port, process.pid, certificates.ca, admin)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_of_tests(certificates: Certificates) -> Iterator[RedisServer]:
    """One server for all tests of a process; a test clears it before it begins."""
    with redis_server(certificates) as server:
        yield server
