"""A real Redis of the system's packages, in a folder of its own, on a free port, over TLS 1.3 with an ACL."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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

_ACL_OF_CLUSTER = _ACL.replace(" +@connection", " +@connection +cluster|slots +cluster|shards +cluster|myid")
_MASTERS, _SLOTS = 3, 16384
_CLUSTER_SECONDS = 60.0


@dataclass(frozen=True)
class RedisServer:
    """A running server; `admin` is a client of its own that may do anything."""

    port: int
    pid: int
    ca_file: Path
    admin: Redis
    bus_port: int = 0

    def settings(self, settings: Settings, *, user: tuple[str, str] = WRITER, keep_seconds: int = 3600) -> Settings:
        """The same settings with this server as the cache."""
        cache = CacheSettings.model_validate(
            {
                "url": f"rediss://{user[0]}@127.0.0.1:{self.port}",
                "password": user[1],
                "ca_file": str(self.ca_file),
                "keep_seconds": keep_seconds,
                "cluster": self.bus_port > 0,
            }
        )
        return settings.model_copy(update={"cache": cache})


@contextmanager
def redis_server(certificates: Certificates, *, port: int | None = None, tls: str = "TLSv1.3") -> Iterator[RedisServer]:
    """Run an empty server until the block ends."""
    with _running(certificates, port or free_port(), tls=tls, acl=_ACL, more={}) as server:
        yield server


@contextmanager
def redis_cluster(certificates: Certificates) -> Iterator[list[RedisServer]]:
    """Run an empty cluster of three masters without replicas until the block ends."""
    with ExitStack() as stack:
        nodes = []
        for _ in range(_MASTERS):
            more = {"cluster-enabled": "yes", "tls-cluster": "yes", "cluster-port": str(free_port())}
            nodes.append(
                stack.enter_context(_running(certificates, free_port(), tls="TLSv1.3", acl=_ACL_OF_CLUSTER, more=more))
            )
        bounds = [_SLOTS * number // _MASTERS for number in range(_MASTERS + 1)]
        for node, first, after in zip(nodes, bounds, bounds[1:], strict=False):
            node.admin.execute_command("CLUSTER ADDSLOTSRANGE", first, after - 1)
            node.admin.execute_command("CLUSTER MEET", "127.0.0.1", nodes[0].port, nodes[0].bus_port)
        deadline = time.monotonic() + _CLUSTER_SECONDS
        while not all(_is_whole(node) for node in nodes):
            assert time.monotonic() < deadline, "the nodes did not become a cluster"
            time.sleep(0.05)
        yield nodes


def _is_whole(node: RedisServer) -> bool:
    told = str(node.admin.execute_command("CLUSTER INFO"))
    return "cluster_state:ok" in told or "'cluster_state': 'ok'" in told


@contextmanager
def _running(
    certificates: Certificates, port: int, *, tls: str, acl: str, more: dict[str, str]
) -> Iterator[RedisServer]:
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError(f"These tests need Redis, and there is none here. Install it with: {_INSTALL}")
    home = Path(tempfile.mkdtemp(prefix="dataflow-redis-", dir="/tmp"))
    (home / "users.acl").write_text(acl)
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
        **more,
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
            yield RedisServer(port, process.pid, certificates.ca, admin, bus_port=int(more.get("cluster-port", 0)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_of_tests(certificates: Certificates) -> Iterator[RedisServer]:
    """One server for all tests of a process; a test clears it before it begins."""
    with redis_server(certificates) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_of_tests(certificates: Certificates) -> Iterator[list[RedisServer]]:
    """One cluster for all tests of a process; a test clears it before it begins."""
    with redis_cluster(certificates) as nodes:
        yield nodes
