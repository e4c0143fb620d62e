"""What a new user meets at the command line: each source gone wrong in each way, in doctor, plan and run.

One clear message with the next move, the exit code of its kind, never a secret and never a traceback.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataflow.cli.main import run
from dataflow.sources.salesforce.connection import close_connections
from tests.lib.older_tls import older_tls
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.mariadb import MariaServer
from tests.lib.servers.ports import free_port
from tests.lib.servers.s3 import S3Server, s3_server
from tests.lib.servers.salesforce import Org, Simulator, simulator
from tests.lib.servers.salesforce.tls import Papers, write_papers
from tests.lib.shops import ITEM_TABLE

WRONG = "not-the-secret-of-anything"
FIELDS = {
    "crm": 'Id = "VARCHAR"\nLastName = "VARCHAR"\nEmail = "VARCHAR"\nSystemModstamp = "TIMESTAMPTZ"',
    "shop": 'id = "BIGINT"\nprice = "DECIMAL(12,2)"\nupdated_at = "TIMESTAMP"\ndeleted_at = "TIMESTAMP"',
    "desk": 'ticket_id = "VARCHAR"\nsubject = "VARCHAR"\nupdated_at = "TIMESTAMPTZ"',
}
OBJECTS = {
    "crm": 'key = "Id"\ncursor = "SystemModstamp"\non_drift = "freeze"',
    "shop": 'key = "id"\ncursor = "updated_at"\non_drift = "freeze"',
    "desk": 'format = "csv"\npath = "{date}/*.csv"\nkey = "ticket_id"\ncursor = "updated_at"\non_drift = "freeze"',
}

# Source and fault: the message and the next move, the same wherever it is reported.
FAULTS = {
    "crm_password": ("it was refused (invalid_client)", "Correct client_id and client_secret"),
    "crm_host": ("nothing listens at", "Check domain, endpoint and proxy"),
    "crm_expired": ("certificate has expired", "Have its certificate renewed"),
    "crm_old_tls": ("does not agree on TLS 1.3", "Have TLS 1.3 switched on there"),
    "crm_table": ("NOT_FOUND", "Check the object's name (remote)"),
    "crm_revoked": ("gone Email", "Grant the integration user read access"),
    "shop_password": ("it refuses the user or the password", "Correct user and password under [sources.shop_password"),
    "shop_host": ("nothing listens there", "Check host and port under [sources.shop_host.mysql]"),
    "shop_expired": ("certificate has expired", "Have its certificate renewed"),
    "shop_old_tls": ("it does not agree on TLS 1.3", "Have TLS 1.3 switched on there"),
    "shop_table": ("has no table items", "Correct the object's remote in dataflow.toml"),
    "shop_revoked": ("gone price", "Have SELECT on the gone columns granted"),
    "desk_password": ("the secret does not belong to the access key", "Correct sources.desk_password.s3.key_id"),
    "desk_host": ("nothing listens there", "Check sources.desk_host.s3.endpoint"),
    "desk_expired": ("its certificate has expired", "Have its certificate renewed"),
    "desk_old_tls": ("it does not agree on TLS 1.3", "Have TLS 1.3 switched on there"),
    "desk_table": ("there is no bucket no-such-bucket", "Correct sources.desk_table.root"),
}
# A plan reads no row: what is gone of a row's fields is drift there.
FOUND_BY_RUN = {"crm_revoked": "gone Email", "shop_revoked": "gone price"}


@dataclass(frozen=True)
class Place:
    """A home whose dataflow.toml declares one source for each fault, and one of each kind without."""

    home: Path

    def dataflow(self, *words: str) -> int:
        return run(["--config", str(self.home / "dataflow.toml"), "--home", str(self.home), *words])


def section(name: str, *, reach: dict[str, object], remote: str = "", root: str = "") -> str:
    """One source of dataflow.toml."""
    kind = name.partition("_")[0]
    adapter = {"crm": "salesforce", "shop": "mysql", "desk": "s3"}[kind]
    lines = [f"[sources.{name}]", f'adapter = "{adapter}"', *([f'root = "{root}"'] if root else [])]
    lines += [f"[sources.{name}.{adapter}]", *(f"{word} = {json.dumps(value)}" for word, value in reach.items())]
    lines += [f"[sources.{name}.objects.thing]", OBJECTS[kind], *([f'remote = "{remote}"'] if remote else [])]
    return "\n".join([*lines, f"[sources.{name}.objects.thing.fields]", FIELDS[kind], ""])


def org(name: str, served: Simulator, *, remote: str = "Lead", **changed: object) -> str:
    reach = {
        "domain": "acme.my.salesforce.com",
        "client_id": served.door.client_id,
        "client_secret": served.door.client_secret,
        "endpoint": served.endpoint,
        "ca_file": str(served.ca_file),
        "backoff_seconds": 0.001,
    }
    return section(name, reach=reach | changed, remote=remote)


def shop(name: str, server: MariaServer, database: str, *, remote: str = "item", **changed: object) -> str:
    reach = {
        "host": server.host,
        "port": server.port,
        "user": server.reader,
        "password": server.password,
        "database": database,
        "time_zone": "UTC",
        "ca_file": str(server.ca),
    }
    return section(name, reach=reach | changed, remote=remote)


def desk(name: str, server: S3Server, *, root: str = "s3://new-user", **changed: object) -> str:
    reach = {
        "endpoint": server.endpoint,
        "key_id": server.key_id,
        "secret": server.secret,
        "url_style": "path",
        "ca_file": str(server.ca_file),
    }
    return section(name, reach=reach | changed, root=root)


@pytest.fixture(scope="module")
def place(
    mariadb: MariaServer,
    outdated_mariadb: MariaServer,
    expired_mariadb: MariaServer,
    s3_tls: S3Server,
    certificates: Certificates,
    salesforce_papers: Papers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    home, people = tmp_path_factory.mktemp("new-user"), Org()
    people.insert("Contact", LastName="Example", Email="a@example.org")
    people.insert("Lead", LastName="Example", Email="a@example.org")
    people.revoke("Contact", "Email")
    database = mariadb.create_database()
    mariadb.execute(
        ITEM_TABLE,
        "DROP USER IF EXISTS without_prices",
        "CREATE USER without_prices IDENTIFIED BY 'test-password'",
        f"GRANT SELECT (id, updated_at, deleted_at) ON {database}.item TO without_prices",
        "GRANT SLAVE MONITOR ON *.* TO without_prices",
        database=database,
    )
    s3_tls.create_bucket("new-user")
    s3_tls.client().put_object(Bucket="new-user", Key="2026-03-01/a.csv", Body=b"ticket_id,subject,updated_at\n")
    with ExitStack() as running:
        sf = running.enter_context(simulator(salesforce_papers, org=people))
        expired = running.enter_context(simulator(write_papers(home / "papers", expired=True), org=people))
        old = running.enter_context(simulator(salesforce_papers, org=people, newest_tls=ssl.TLSVersion.TLSv1_2))
        folder, certificate = home / "expired-s3", certificates.expired
        late = running.enter_context(s3_server(folder=folder, certificate=certificate, ca_file=certificates.ca))
        old_s3 = running.enter_context(older_tls(certificates.server))
        running.callback(close_connections)
        nobody = f"127.0.0.1:{free_port()}"
        sources = [
            org("crm_well", sf),
            org("crm_password", sf, client_secret=WRONG),
            org("crm_host", sf, endpoint=nobody),
            org("crm_expired", expired),
            org("crm_old_tls", old),
            org("crm_table", sf, remote="Kontakt"),
            org("crm_revoked", sf, remote="Contact"),
            shop("shop_well", mariadb, database),
            shop("shop_password", mariadb, database, password=WRONG),
            shop("shop_host", mariadb, database, port=free_port()),
            shop("shop_expired", expired_mariadb, database),
            shop("shop_old_tls", outdated_mariadb, database),
            shop("shop_table", mariadb, database, remote="items"),
            shop("shop_revoked", mariadb, database, user="without_prices"),
            desk("desk_well", s3_tls),
            desk("desk_password", s3_tls, secret=WRONG),
            desk("desk_host", s3_tls, endpoint=nobody),
            desk("desk_expired", late),
            desk("desk_old_tls", s3_tls, endpoint=f"127.0.0.1:{old_s3}"),
            desk("desk_table", s3_tls, root="s3://no-such-bucket"),
        ]
        enrich = '[enrich]\ngeoip = ""\nfirmographics = ""\n[prefect]\nretries = 0\n'
        (home / "dataflow.toml").write_text("\n".join([enrich, *sources]))
        yield Place(home)


def told_of(name: str, told: str) -> str:
    """The lines about one source, wrapped ones joined."""
    return " ".join(line.strip() for line in told.splitlines() if name in line)


def is_clean(told: str) -> bool:
    """Whether neither a secret nor the words of a broken program are in it."""
    return not any(
        word in told for word in (WRONG, "test-password", "test-secret", "its-secret", "Traceback", "unexpected")
    )


def test_doctor_names_each_with_the_fix_and_counts_them(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    code = place.dataflow("doctor", "-o", "json")
    probes = json.loads(capsys.readouterr().out)
    unwell = {probe["name"].split()[1].rstrip(":"): probe for probe in probes if not probe["is_well"]}
    assert set(unwell) == set(FAULTS)
    assert code == len(FAULTS)
    for name, (found, fix) in FAULTS.items():
        assert found in unwell[name]["found"], name
        assert fix in unwell[name]["fix"], name
    assert is_clean(json.dumps(probes))


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_plan_tells_it_in_one_message(place: Place, capsys: pytest.CaptureFixture[str], name: str) -> None:
    code = place.dataflow("plan", "--source", name, "-o", "json")
    told = capsys.readouterr()
    assert is_clean(told.out + told.err)
    if name in FOUND_BY_RUN:
        [window] = json.loads(told.out)
        assert (code, FOUND_BY_RUN[name] in window["drift"]) == (0, True)
        return
    found, fix = FAULTS[name]
    message = " ".join(told.err.split())
    assert (code, message.startswith("Error: "), message.count("Error")) == (1, True, 1)
    assert found in message
    assert fix in message


def test_a_run_lands_what_is_well_and_tells_the_rest(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.dataflow("run", "--ingest-only", "-o", "json") == 4
    told = capsys.readouterr()
    assert is_clean(told.out + told.err)
    lines = {
        line.split()[1].partition(".")[0]: line for line in told.err.splitlines() if line.startswith("Incomplete: ")
    }
    assert set(lines) == set(FAULTS)
    for name, (found, _) in FAULTS.items():
        assert FOUND_BY_RUN.get(name, found) in lines[name], name
    steps = json.loads(told.out)["steps"]
    assert {step["subject"].partition(".")[0] for step in steps if "gap" not in step["facts"]} == {
        "crm_well",
        "shop_well",
        "desk_well",
    }


def test_a_source_that_is_alone_and_cannot_be_read_fails_the_run(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.dataflow("run", "--ingest-only", "--source", "shop_password") == 1
    told = capsys.readouterr()
    assert is_clean(told.out + told.err)
    assert "Error: Planning shop_password.thing" in told.err
    assert "Correct user and password under [sources.shop_password.mysql]" in " ".join(told.err.split())
