"""The adapter `mysql`, and its section."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from dataflow.settings.adapters.adapter import Adapter
from dataflow.settings.section import Section


class MySQLSettings(Section):
    """How to reach a MySQL or MariaDB, best a read replica. TLS 1.3, and its certificate must bear the host's name."""

    host: str
    """Name of the server."""
    port: int = 3306
    """Its port."""
    user: str
    """A user that may SELECT and nothing else."""
    password: SecretStr
    """Its password."""
    database: str
    """The database whose tables are the objects."""
    ca_file: str = ""
    """Certificates that the server's is checked against; empty: the authorities that this machine trusts."""
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long to wait for the connection."""
    read_timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    """How long the server may be silent."""
    time_zone: str = "UTC"
    """Of columns that state none (DATETIME); a TIMESTAMP is UTC at the server already."""
    chunk_rows: Annotated[int, Field(gt=0)] = 500_000
    """A window of more rows is cut into ranges of about so many, read at once, each in a short transaction."""
    max_replica_lag_seconds: float = 300.0
    """A replica further behind is not read: the run ends as partial."""
    lookback_keys: Annotated[int, Field(ge=0)] = 10_000
    """How many keys before the highest are read again where the cursor is the key: a lower one may commit later."""

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is not a time zone such as UTC or Europe/Berlin") from None
        return name


MYSQL = Adapter(
    name="mysql",
    meaning="Tables and views of a MySQL or MariaDB, best a read replica, over TLS 1.3 with SELECT alone",
    source="dataflow.sources.mysql.adapter:MySQLSource",
    probe="dataflow.sources.mysql.probe:probe",
    ways="dataflow.bench.tables:ways",
    section=MySQLSettings,
)
