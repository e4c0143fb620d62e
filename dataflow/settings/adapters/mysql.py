"""The adapter `mysql`, and its section."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from dataflow.settings.adapters.adapter import Adapter
from dataflow.settings.amounts import Seconds, Timeout, TimeZone
from dataflow.settings.section import ProjectPath, Section


class MySQLSettings(Section):
    """How to reach a MySQL or MariaDB, preferably a read replica: TLS 1.3, with a certificate for the host's name."""

    host: str
    """Host name of the server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 3306
    """Port of the server."""
    user: str
    """A user with the privilege SELECT only."""
    password: SecretStr
    """Password of the user."""
    database: str
    """The database whose tables are the objects."""
    ca_file: ProjectPath = ""
    """File of certificate authorities for the server's certificate; empty: those that this machine trusts."""
    connect_timeout_seconds: Timeout = 10.0
    """How long to wait for the connection."""
    read_timeout_seconds: Timeout = 120.0
    """How long to wait for the next bytes of an answer."""
    time_zone: TimeZone = "UTC"
    """Time zone of columns without one (DATETIME); a TIMESTAMP is read in UTC."""
    chunk_rows: Annotated[int, Field(gt=0)] = 500_000
    """A window of more rows is cut into ranges of about this many, read in parallel, each in a short transaction."""
    max_replica_lag_seconds: Seconds = 300.0
    """A replica that lags by more is not read: the run ends as partial."""
    lookback_keys: Annotated[int, Field(ge=0)] = 10_000
    """Keys before the highest that are read again where the cursor is the key: a lower key can commit later. Of keys
    above 2^48, which hold a time (Snowflake ids), those of `lookback_seconds` are read again if that is more."""


MYSQL = Adapter(
    name="mysql",
    meaning="Tables and views of a MySQL or MariaDB, preferably a read replica, over TLS 1.3 with SELECT only",
    source="dataflow.sources.mysql.adapter:MySQLSource",
    probe="dataflow.sources.mysql.probe:probe",
    ways="dataflow.bench.tables:ways",
    section=MySQLSettings,
)
