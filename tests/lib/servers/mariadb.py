"""A real MariaDB: it takes TLS 1.3 and nothing else; for tests of refusal, an old and an expired one."""

from __future__ import annotations

import os
import pwd
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors
import pytest

from tests.lib.servers.certificates import Certificate, Certificates
from tests.lib.servers.ports import free_port, wait_for_port

_INSTALL = "apt-get install -y mariadb-server   (macOS: brew install mariadb)"
_OWNER, _READER = "owner", "reader"
_PASSWORD = "test-password"
# Found by the server for itself in Debian; not on the PATH of a user there.
_FOLDERS = ("/usr/sbin", "/usr/libexec", "/opt/homebrew/opt/mariadb/bin", "/usr/local/opt/mariadb/bin")

_databases = count(1)


@dataclass(frozen=True)
class MariaServer:
    """A running server. `owner` may do everything, `reader` only SELECT and look at replication."""

    port: int
    pid: int
    ca: Path
    owner: str = _OWNER
    reader: str = _READER
    password: str = _PASSWORD
    host: str = "127.0.0.1"

    def create_database(self) -> str:
        """Create an empty database and return its name."""
        name = f"shop_{next(_databases)}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def connect(self, database: str | None = None) -> pymysql.connections.Connection[Any]:
        """Open a connection of the tests' own as the owner, in autocommit."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.owner,
            password=self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            ssl=context,
        )

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements on a connection of their own; the rows of the last one."""
        con = self.connect(database)
        try:
            with con.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            con.close()


def numbers(count: int) -> str:
    """A relation `seq` of the numbers from 1 to `count`, for a FROM clause that MySQL understands as well."""
    zeros = f"CONCAT('[0', REPEAT(',0', {count - 1}), ']')"
    return f"JSON_TABLE({zeros}, '$[*]' COLUMNS (seq FOR ORDINALITY)) numbered"


def mariadbd() -> Path:
    """The server's binary."""
    found = shutil.which("mariadbd", path=os.pathsep.join([os.environ["PATH"], *_FOLDERS]))
    if found is None:
        raise RuntimeError(f"These tests need MariaDB's server, and there is none here. Install it with: {_INSTALL}")
    return Path(found)


@contextmanager
def mariadb_server(
    certificate: Certificate, ca: Path, *, tls: str = "TLSv1.3", options: Sequence[str] = ()
) -> Iterator[MariaServer]:
    """Run a server on a free port, over an empty data folder, until the block ends."""
    binary = mariadbd()
    account = _account()
    # Not pytest's folder: its parents are closed to other users, and the server does not run as root.
    home = Path(tempfile.mkdtemp(prefix="dataflow-mariadb-", dir="/tmp"))
    try:
        own = [shutil.copy(file, home) for file in (certificate.file, certificate.key)]
        _prepare(binary, home, account)
        port = free_port()
        command = [
            str(binary),
            "--no-defaults",
            f"--datadir={home / 'data'}",
            # A server that starts removes the temporary tables that it finds there: those of the others in /tmp.
            f"--tmpdir={home}",
            f"--init-file={home / 'users.sql'}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={home / 'socket'}",
            f"--pid-file={home / 'pid'}",
            f"--tls-version={tls}",
            "--require-secure-transport=ON",
            f"--ssl-cert={own[0]}",
            f"--ssl-key={own[1]}",
            "--character-set-server=utf8mb4",
            # Durability of the machine's disk is not under test, and costs each commit milliseconds.
            "--innodb-flush-log-at-trx-commit=0",
            "--skip-innodb-doublewrite",
            "--innodb-log-file-size=32M",
            # A server that lives elsewhere: times must not depend on it.
            "--default-time-zone=+05:30",
            *options,
        ]
        if account:
            for path in (home, *home.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid)
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=home, **_as(account))
        try:
            wait_for_port(port, process=process)
            yield MariaServer(port=port, pid=process.pid, ca=ca)
        finally:
            process.terminate()
            process.wait(timeout=60)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _prepare(binary: Path, home: Path, account: pwd.struct_passwd | None) -> None:
    """Make the data folder, and the statements that the server runs first."""
    install = shutil.which("mariadb-install-db", path=os.pathsep.join([os.environ["PATH"], str(binary.parent)]))
    if install is None:
        raise RuntimeError(f"{binary} is here without mariadb-install-db. Install it anew: {_INSTALL}")
    (home / "users.sql").write_text("\n".join(_users()), encoding="utf-8")
    command = [install, "--no-defaults", f"--datadir={home / 'data'}", "--auth-root-authentication-method=normal"]
    command += ["--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=32M"]
    if account:
        # Told the user, it hands the data folder to it and needs no folder of its own.
        command.append(f"--user={account.pw_name}")
        os.chown(home, account.pw_uid, account.pw_gid)
    # Temporary tables in a folder of its own: servers that start at one time remove each other's in /tmp.
    made = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=home, env={**os.environ, "TMPDIR": str(home)}
    )
    if made.returncode:
        raise RuntimeError(f"making the data folder failed: {made.stderr[-2000:]}")


def _users() -> list[str]:
    return [
        f"CREATE USER '{_OWNER}'@'%' IDENTIFIED BY '{_PASSWORD}';",
        f"GRANT ALL PRIVILEGES ON *.* TO '{_OWNER}'@'%' WITH GRANT OPTION;",
        f"CREATE USER '{_READER}'@'%' IDENTIFIED BY '{_PASSWORD}';",
        f"GRANT SELECT, SLAVE MONITOR ON *.* TO '{_READER}'@'%';",
    ]


def _account() -> pwd.struct_passwd | None:
    """The user to run as: the server refuses root. None means: as the one who runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("mysql", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("MariaDB does not run as root, and there is neither a user mysql nor nobody")


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


@pytest.fixture(scope="session")
def mariadb(certificates: Certificates) -> Iterator[MariaServer]:
    """A MariaDB for the whole session that takes TLS 1.3 only; each test makes a database of its own."""
    with mariadb_server(certificates.server, certificates.ca) as server:
        yield server


@pytest.fixture(scope="session")
def outdated_mariadb(certificates: Certificates) -> Iterator[MariaServer]:
    """A MariaDB that takes TLS 1.2 only."""
    with mariadb_server(certificates.server, certificates.ca, tls="TLSv1.2") as server:
        yield server


@pytest.fixture(scope="session")
def expired_mariadb(certificates: Certificates) -> Iterator[MariaServer]:
    """A MariaDB whose certificate has run out."""
    with mariadb_server(certificates.expired, certificates.ca) as server:
        yield server
