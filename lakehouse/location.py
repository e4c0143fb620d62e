"""The location of a lake: its catalogue, its data files, and the copy of the catalogue that readers attach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.tls import MINIMUM_VERSION, trusted_authorities


@dataclass(frozen=True, kw_only=True)
class S3Keys:
    """What signs requests to a bucket; temporary keys have a token."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class S3Access:
    """How to reach a bucket. `endpoint` is `host:port` without a scheme; empty means AWS itself.

    `keys` returns what is valid now: keys of a role are replaced while a run goes on, so they are asked for before each
    stage and each transaction. `ca_file` has the authorities for the server's certificate, if not this machine's.
    """

    keys: Callable[[], S3Keys] = field(repr=False, compare=False)
    endpoint: str = ""
    region: str = "us-east-1"
    use_ssl: bool = True
    # Servers other than AWS rarely support bucket.host names.
    url_style: str = "path"
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class PostgresCatalogue:
    """A catalogue in a PostgreSQL schema, over TLS 1.3. `host` can be the folder of a local server's socket.

    `sslmode` and `sslrootcert` have libpq's meaning; without `sslrootcert` the authorities are those that this machine
    trusts. Any mode other than the default sends the password to an unverified server.
    """

    host: str
    port: int = 5432
    database: str
    user: str
    password: str = field(default="", repr=False)
    schema: str = "lake_meta"
    sslmode: str = "verify-full"
    sslrootcert: Path | None = None

    @property
    def connection_options(self) -> dict[str, str]:
        """Return the options of libpq, for psycopg and DuckDB alike."""
        return {
            "host": self.host,
            "port": str(self.port),
            "dbname": self.database,
            "user": self.user,
            "password": self.password,
            "sslmode": self.sslmode,
            "sslrootcert": str(self.sslrootcert or trusted_authorities()) if self.is_encrypted else "",
            "ssl_min_protocol_version": MINIMUM_VERSION,
        }

    @property
    def is_encrypted(self) -> bool:
        return self.sslmode != "disable" and not self.host.startswith("/")

    def __str__(self) -> str:
        return f"postgresql://{self.host}:{self.port}/{self.database} (schema {self.schema})"


@dataclass(frozen=True, kw_only=True)
class LakeLocation:
    """One lake. `data` is a folder or an `s3://bucket/prefix`; `published` is the folder of the readers' copy.

    With a PostgreSQL catalogue readers attach the server itself, and `published` stays empty. `inbox` is the folder or
    `s3://bucket/prefix` of messages to the next committer where it is not the one beside the lake. `is_shared`: the
    group of the folder `data` can write in it too.
    """

    catalogue: Path | PostgresCatalogue
    data: Path | str
    published: Path
    s3: S3Access | None = None
    inbox: Path | str | None = None
    is_shared: bool = False

    @property
    def inbox_place(self) -> Path | str | None:
        """Return the folder or the `s3://bucket/prefix` of the inbox for all processes.

        None where the data are a whole bucket, which has no place beside them.
        """
        if self.inbox is not None:
            return self.inbox
        shared = self.catalogue if isinstance(self.catalogue, Path) else self.data
        if isinstance(shared, Path):
            return shared.with_name(f"{shared.name}.inbox")
        bucket, _, prefix = shared.removeprefix("s3://").strip("/").partition("/")
        return f"s3://{bucket}/{prefix}.inbox" if prefix else None

    @property
    def data_path(self) -> str:
        """Return the data path for DuckLake: absolute, ending in a slash."""
        return str(self.data if isinstance(self.data, str) else self.data.resolve()).rstrip("/") + "/"

    @property
    def published_catalogue(self) -> Path:
        return self.published / "catalogue.ducklake"

    @property
    def extensions(self) -> tuple[str, ...]:
        """Return the DuckDB extensions that this lake needs; no others, since loading costs time."""
        needed = ["ducklake"]
        if isinstance(self.catalogue, PostgresCatalogue):
            needed.append("postgres_scanner")
        if isinstance(self.data, str):
            needed.append("httpfs")
        return tuple(needed)
