"""A company whose sources are the tests' own servers, to be measured: `python -m tests.lib.bench`.

The rows of the table are of the usual types: whole numbers, decimals, a double, days, times, texts with quotes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dataflow.cli.main import run
from tests.lib.servers.certificates import make_certificates
from tests.lib.servers.mariadb import MariaServer, mariadb_server, numbers
from tests.lib.servers.s3 import S3Server, s3_server
from tests.lib.servers.salesforce import Org, Simulator, simulator
from tests.lib.servers.salesforce.server import DOMAIN
from tests.lib.servers.salesforce.tls import write_papers

_TABLE = """
    CREATE TABLE orders (
        id BIGINT PRIMARY KEY, customer_id INT NOT NULL, email VARCHAR(100) NOT NULL, name VARCHAR(80) NOT NULL,
        status ENUM('new', 'paid', 'shipped', 'returned') NOT NULL, quantity SMALLINT UNSIGNED NOT NULL,
        price DECIMAL(12,2) NOT NULL, weight DOUBLE, is_gift TINYINT(1) NOT NULL, ordered_on DATE NOT NULL,
        note VARCHAR(200), updated_at DATETIME(6) NOT NULL, KEY (updated_at)
    )
"""
_FILL = """
    INSERT INTO orders SELECT seq, seq MOD 99991, CONCAT('customer.', seq MOD 99991, '@example.org'),
        CONCAT('Ana Pérez ', seq MOD 997), 1 + seq MOD 4, seq MOD 500, (seq * 7919 MOD 1000000) / 100,
        (seq * 31 MOD 100000) / 977, seq MOD 2, '2020-01-01' + INTERVAL seq MOD 2000 DAY,
        IF(seq MOD 3 = 0, NULL, CONCAT('Leave it "at the door" ', seq MOD 1009)),
        '2024-01-01 00:00:00' + INTERVAL seq SECOND + INTERVAL seq * 7919 MOD 1000000 MICROSECOND
    FROM {numbers}
"""
_CONFIG = """
[sources.mysql]
adapter = "mysql"
[sources.mysql.mysql]
host = "{mariadb.host}"
port = {mariadb.port}
user = "{mariadb.reader}"
password = "{mariadb.password}"
database = "{database}"
ca_file = "{mariadb.ca}"
[sources.mysql.objects.orders]
key = "id"
cursor = "updated_at"
fields = {{ id = "BIGINT", price = "DECIMAL(12,2)", updated_at = "TIMESTAMP" }}

[sources.salesforce]
adapter = "salesforce"
[sources.salesforce.salesforce]
domain = "{domain}"
client_id = "{salesforce.door.client_id}"
client_secret = "{salesforce.door.client_secret}"
endpoint = "{salesforce.endpoint}"
ca_file = "{salesforce.ca_file}"
[sources.salesforce.objects.contact]
remote = "Contact"
key = "Id"
cursor = "SystemModstamp"
deleted_flag = "IsDeleted"
fields = {{ Id = "VARCHAR", LastName = "VARCHAR", Email = "VARCHAR", SystemModstamp = "TIMESTAMPTZ" }}

[sources.tickets]
adapter = "s3"
root = "{bucket}/exports"
[sources.tickets.s3]
endpoint = "{s3.endpoint}"
key_id = "{s3.key_id}"
secret = "{s3.secret}"
url_style = "path"
ca_file = "{s3.ca_file}"
[sources.tickets.objects.ticket]
format = "csv"
path = "{{date}}/*.csv"
key = "ticket_id"
cursor = "updated_at"
fields = {{ ticket_id = "BIGINT", requester = "VARCHAR", subject = "VARCHAR", updated_at = "TIMESTAMPTZ" }}
"""
_FILES = 20


def write_company(folder: Path, mariadb: MariaServer, salesforce: Simulator, s3: S3Server, *, rows: int) -> Path:
    """Fill the servers with so many orders, a tenth as many contacts, and exports of as many tickets.

    Returns the dataflow.toml of whoever reads them.
    """
    database, bucket = mariadb.create_database(), s3.create_bucket("bench")
    mariadb.execute(_TABLE, _FILL.format(numbers=numbers(rows)), "ANALYZE TABLE orders", database=database)
    for number in range(max(rows // 10, 1)):
        salesforce.org.insert("Contact", LastName=f"Example {number}", Email=f"contact{number}@example.com")
    # What changed in the very second of the reading belongs to the next window.
    salesforce.org.clock.advance(60)
    client = s3.client()
    for number in range(_FILES):
        export = "".join(_tickets(range(number * rows // _FILES, (number + 1) * rows // _FILES)))
        key = f"exports/2026-01-{number + 1:02}/tickets.csv"
        client.put_object(Bucket="bench", Key=key, Body=export.encode())
    file = folder / "dataflow.toml"
    file.write_text(
        _CONFIG.format(domain=DOMAIN, mariadb=mariadb, database=database, salesforce=salesforce, s3=s3, bucket=bucket)
    )
    return file


def _tickets(numbers: range) -> Iterator[str]:
    yield "ticket_id,requester,subject,opened_at,updated_at\n"
    for number in numbers:
        minute = f"2026-01-05T{number % 24:02}:{number % 60:02}:00Z"
        yield f'{number},Ana Pérez {number % 997},"Order {number}, late; again ""urgent""",{minute},{minute}\n'


@contextmanager
def company(rows: int) -> Iterator[Path]:
    """Start the servers and fill them; the dataflow.toml."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dataflow-bench-")))
        for name in ("certificates", "papers", "s3"):
            (home / name).mkdir()
        certificates = make_certificates(home / "certificates")
        mariadb = stack.enter_context(mariadb_server(certificates.server, certificates.ca))
        s3 = s3_server(folder=home / "s3", certificate=certificates.server, ca_file=certificates.ca)
        salesforce = stack.enter_context(simulator(write_papers(home / "papers"), org=Org()))
        yield write_company(home, mariadb, salesforce, stack.enter_context(s3), rows=rows)


def main() -> int:
    """Measure and print, as `dataflow bench sources` does for a company's own sources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("words", nargs="*", help="what to add to `dataflow bench sources`, such as: -- -o json")
    given = parser.parse_args()
    with company(given.rows) as config:
        return run(["--config", str(config), "bench", "sources", *given.words])


if __name__ == "__main__":
    sys.exit(main())
