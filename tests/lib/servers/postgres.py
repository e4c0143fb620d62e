"""A real PostgreSQL from the system's packages, in a folder of its own, on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from lakehouse import PostgresCatalogue
from tests.lib.servers.certificates import Certificate, Certificates
from tests.lib.servers.ports import free_port, wait_for_port

_INSTALL = "apt-get install -y postgresql   (macOS: brew install postgresql@16)"


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `user` is its superuser, and connects over TCP with a password.

    One with a `ca_file` speaks TLS, and can be made to show another certificate or an older protocol.
    """

    port: int
    pid: int
    user: str
    password: str
    home: Path
    ca_file: Path | None = None

    @property
    def whole(self) -> PostgresCatalogue:
        """The database that is always there."""
        return PostgresCatalogue(
            host="127.0.0.1",
            port=self.port,
            database="postgres",
            user=self.user,
            password=self.password,
            sslmode="verify-full" if self.ca_file else "disable",
            sslrootcert=self.ca_file,
        )

    def create_reader(self, name: str, catalogue: PostgresCatalogue) -> PostgresCatalogue:
        """Create a role that reads a catalogue that is there, with the grants that dataflow.example.toml shows."""
        words = {"role": sql.Identifier(name), "schema": sql.Identifier(catalogue.schema)}
        with connect(catalogue) as con:
            for statement in (
                "CREATE ROLE {role} LOGIN PASSWORD 'reader-password'",
                "GRANT USAGE ON SCHEMA {schema} TO {role}",
                "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
            ):
                con.execute(sql.SQL(statement).format(**words))
        return replace(catalogue, user=name, password="reader-password")

    def address(self, catalogue: PostgresCatalogue) -> str:
        """A catalogue on this server, as dataflow.toml says it."""
        tls = f"sslrootcert={self.ca_file}" if self.ca_file else "sslmode=disable"
        who = f"{catalogue.user}:{catalogue.password}"
        return f"postgresql://{who}@{catalogue.host}:{catalogue.port}/{catalogue.database}?{tls}"

    @contextmanager
    def speaking(self, certificate: Certificate, *, newest: str = "TLSv1.3") -> Iterator[None]:
        """Show this certificate, and speak no newer version of TLS than `newest`, to who connects in the block."""
        before = [(self.home / name).read_bytes() for name in ("server.pem", "server-key.pem")]
        self._reload([certificate.file.read_bytes(), certificate.key.read_bytes()], newest)
        try:
            yield
        finally:
            self._reload(before, "TLSv1.3")

    def _reload(self, contents: list[bytes], newest: str) -> None:
        for name, content in zip(("server.pem", "server-key.pem"), contents, strict=True):
            # Written over, not replaced: the file stays that of the server's user.
            (self.home / name).write_bytes(content)
        options = self.home / "data" / "postgresql.auto.conf"
        options.write_text(f"ssl_max_protocol_version = '{newest}'\nssl_min_protocol_version = 'TLSv1.2'\n")
        log = self.home / "postgres.log"
        before = log.read_text().count("received SIGHUP")
        os.kill(self.pid, signal.SIGHUP)
        _wait_for(lambda: log.read_text().count("received SIGHUP") > before)

    def create_database(self, name: str) -> PostgresCatalogue:
        """Create an empty database and return it as the place of a catalogue."""
        with connect(self.whole) as con:
            con.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return replace(self.whole, database=name)


def connect(catalogue: PostgresCatalogue) -> psycopg.Connection[tuple[object, ...]]:
    """Open a connection of the tests' own, in autocommit."""
    return psycopg.connect(make_conninfo(**catalogue.connection_options), autocommit=True)


def binaries() -> Path:
    """The folder with initdb and postgres: the newest of Debian's, or the one on the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError(f"These tests need PostgreSQL's server, and there is none here. Install it with: {_INSTALL}")
    return Path(found).resolve().parent


@contextmanager
def postgres_server(*, certificate: Certificate | None = None, ca_file: Path | None = None) -> Iterator[PostgresServer]:
    """Run a server on a free port, over an empty data folder, until the block ends; over TLS with a certificate."""
    folder = binaries()
    account = _account()
    # Not pytest's folder: its parents are closed to other users, and the server refuses to run as root.
    home = Path(tempfile.mkdtemp(prefix="dataflow-postgres-", dir="/tmp"))
    try:
        if account:
            os.chown(home, account.pw_uid, account.pw_gid)
        port, password = free_port(), "test-password"
        _initialise(folder, home, password, account)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(home),
            "max_connections": "200",
            # Durability of the machine's disk is not under test, and costs each commit milliseconds.
            "fsync": "off",
        }
        if certificate:
            settings |= _encrypted(home, certificate, account)
        command = [str(folder / "postgres"), "-D", str(home / "data")]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (home / "postgres.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=home, **_as(account))
        try:
            wait_for_port(port, process=process)
            server = PostgresServer(port, process.pid, "dataflow", password, home, ca_file)
            _wait_until_ready(server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown: does not wait for clients
            process.wait(timeout=30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _initialise(folder: Path, home: Path, password: str, account: pwd.struct_passwd | None) -> None:
    secret = home / "password"
    secret.write_text(password)
    if account:
        os.chown(secret, account.pw_uid, account.pw_gid)
    command = [str(folder / "initdb"), "-D", str(home / "data"), "-U", "dataflow", "--encoding=UTF8", "--locale=C"]
    command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=home, **_as(account))
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr[-2000:]}")


def _encrypted(home: Path, certificate: Certificate, account: pwd.struct_passwd | None) -> dict[str, str]:
    """Place the certificate where the server may read it, and return its settings."""
    for name, source in (("server.pem", certificate.file), ("server-key.pem", certificate.key)):
        shutil.copy(source, home / name)
        (home / name).chmod(0o600)
        if account:
            os.chown(home / name, account.pw_uid, account.pw_gid)
    return {"ssl": "on", "ssl_cert_file": str(home / "server.pem"), "ssl_key_file": str(home / "server-key.pem")}


def _wait_for(is_so: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "PostgreSQL did not read its configuration again"
        time.sleep(0.02)


def _wait_until_ready(server: PostgresServer, *, seconds: float = 60.0) -> None:
    """It listens a moment before it answers: "the database system is starting up"."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connect(server.whole).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _account() -> pwd.struct_passwd | None:
    """The user to run as: the server refuses root. None means: as the one who runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for the whole session; each test makes a database of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_tls(certificates: Certificates) -> Iterator[PostgresServer]:
    """A PostgreSQL that speaks TLS, for the whole session; each test makes a database of its own."""
    with postgres_server(certificate=certificates.server, ca_file=certificates.ca) as server:
        yield server
