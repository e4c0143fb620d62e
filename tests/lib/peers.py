"""The sample inside the systems that it is a sample of: a Salesforce org, an orders database, a bucket of exports.

A system holds each record once, as it is now. So of a day's deliveries it gets the newest version of each record, and
none of a row without key: no table and no org could hold one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from dataflow.sources.salesforce.connection import close_connections
from tests.lib.sample import SALESFORCE, Row, delivered
from tests.lib.servers.mariadb import MariaServer
from tests.lib.servers.s3 import S3Server
from tests.lib.servers.salesforce import Org, Simulator, simulator
from tests.lib.servers.salesforce.org import Record, Version, record_id
from tests.lib.servers.salesforce.server import DOMAIN
from tests.lib.servers.salesforce.tls import Papers

EXAMPLE = Path(__file__).parents[2] / "deployments" / "dataflow.example.toml"
"""The dataflow.toml of such a company."""

TABLES = {
    "customers": """
        id BIGINT PRIMARY KEY, customer_type VARCHAR(20), first_name VARCHAR(100), last_name VARCHAR(100),
        company_name VARCHAR(200), email VARCHAR(200), phone VARCHAR(50), date_of_birth DATE,
        last_login_ip VARCHAR(50), created_at DATETIME, updated_at DATETIME, deleted_at DATETIME, KEY (updated_at)
    """,
    "addresses": """
        id BIGINT PRIMARY KEY, customer_id BIGINT, kind VARCHAR(20), is_primary BOOLEAN, line1 VARCHAR(200),
        line2 VARCHAR(200), city VARCHAR(100), state VARCHAR(100), postcode VARCHAR(20), country VARCHAR(100),
        created_at DATETIME, updated_at DATETIME, deleted_at DATETIME, KEY (updated_at)
    """,
    "orders": """
        id BIGINT PRIMARY KEY, order_number VARCHAR(50), customer_id BIGINT, status VARCHAR(20), currency VARCHAR(10),
        total_amount DECIMAL(12,2), ordered_at DATETIME, updated_at DATETIME, deleted_at DATETIME, KEY (updated_at)
    """,
    "order_items": """
        id BIGINT PRIMARY KEY, order_id BIGINT, sku VARCHAR(50), product_name VARCHAR(200), category VARCHAR(100),
        quantity INT, unit_price DECIMAL(12,2), updated_at DATETIME, deleted_at DATETIME, KEY (updated_at)
    """,
}
_buckets = count(1)


@dataclass(frozen=True)
class Peers:
    """The three systems, running."""

    org: Org
    salesforce: Simulator
    mariadb: MariaServer
    database: str
    s3: S3Server
    bucket: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which the example's sources reach these systems."""
        sections = {
            "SALESFORCE__SALESFORCE": {
                "DOMAIN": DOMAIN,
                "ENDPOINT": self.salesforce.endpoint,
                "CA_FILE": str(self.salesforce.ca_file),
            },
            "MYSQL__MYSQL": {
                "HOST": self.mariadb.host,
                "PORT": str(self.mariadb.port),
                "USER": self.mariadb.reader,
                "DATABASE": self.database,
                "CA_FILE": str(self.mariadb.ca),
            },
            "TICKETS": {"ROOT": f"s3://{self.bucket}/tickets"},
            "TICKETS__S3": {
                "ENDPOINT": self.s3.endpoint,
                "URL_STYLE": "path",
                "CA_FILE": str(self.s3.ca_file),
            },
        }
        places = {
            f"DATAFLOW_SOURCES__{section}__{name}": value
            for section, words in sections.items()
            for name, value in words.items()
        }
        secrets = {
            "SALESFORCE_CLIENT_ID": self.salesforce.door.client_id,
            "SALESFORCE_CLIENT_SECRET": self.salesforce.door.client_secret,
            "MYSQL_PASSWORD": self.mariadb.password,
            "S3_KEY_ID": self.s3.key_id,
            "S3_SECRET": self.s3.secret,
        }
        return places | secrets

    def commit_late(self, *, stamp: datetime) -> str:
        """Let a contact be seen only now whose stamp is long past, and move an order within the past; its Id."""
        key = record_id(self.org.types["Contact"].prefix, 999_999)
        late = Version({"LastName": "Late"}, stamp, stamp)
        self.org.records["Contact"][key] = Record(key, stamp, [late])
        moved = "UPDATE orders SET status = 'cancelled', updated_at = updated_at + INTERVAL 1 SECOND WHERE id = 2"
        self.mariadb.execute(moved, database=self.database)
        return key

    def put_export(self, name: str, content: bytes) -> None:
        """Lay an export into the bucket, by its path below the source's root."""
        self.s3.client().put_object(Bucket=self.bucket, Key=f"tickets/{name}", Body=content)


@contextmanager
def peers_of(sample: Path, day: str, mariadb: MariaServer, s3: S3Server, papers: Papers) -> Iterator[Peers]:
    """Give the systems what the sample delivers on a day."""
    org, database, bucket = Org(), mariadb.create_database(), f"company-{next(_buckets)}"
    fill_org(org, sample, day)
    fill_database(mariadb, database, sample, day)
    s3.create_bucket(bucket)
    try:
        with simulator(papers, org=org) as salesforce:
            made = Peers(org, salesforce, mariadb, database, s3, bucket)
            for file in sorted((sample / "tickets" / day).glob("*.csv")):
                made.put_export(f"{day}/{file.name}", file.read_bytes())
            yield made
    finally:
        close_connections()


def fill_org(org: Org, sample: Path, day: str) -> None:
    """Give an org the records of a day, under the ids and stamps that they have in the sample."""
    for name, type_name in SALESFORCE.items():
        for row in newest(delivered(sample, "salesforce", name, day), key="Id", cursor="SystemModstamp"):
            values = {field: value for field, value in row.items() if field in org.types[type_name].fields}
            stamp, created = (datetime.fromisoformat(row[field]) for field in ("SystemModstamp", "CreatedDate"))
            org.records[type_name][row["Id"]] = Record(row["Id"], created, [Version(values, stamp, stamp)])


def fill_database(server: MariaServer, database: str, sample: Path, day: str) -> None:
    """Make the shop's tables and fill them with the rows of a day."""
    for name, columns in TABLES.items():
        server.execute(f"CREATE TABLE {name} ({columns})", database=database)
        rows = newest(delivered(sample, "mysql", name, day), key="id", cursor="updated_at")
        names = list(rows[0])
        statement = f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
        with server.connect(database) as con, con.cursor() as cursor:
            cursor.executemany(statement, [tuple(row.values()) for row in rows])


def newest(rows: Iterable[Row], *, key: str, cursor: str) -> list[Row]:
    """The newest version of each record; rows without key stay out."""
    found: dict[Any, Row] = {}
    for row in rows:
        known = found.get(row[key])
        if row[key] is not None and (known is None or row[cursor] >= known[cursor]):
            found[row[key]] = row
    return list(found.values())
