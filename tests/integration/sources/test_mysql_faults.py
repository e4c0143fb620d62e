"""What a new user meets: a wrong word, a server that is too old, a table that is not there. One clear error each."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.connect.tls import tls_context
from dataflow.errors import (
    ConfigurationError,
    DataFlowError,
    SchemaDrift,
    SourceMissing,
    SourceRefused,
    SourceUnavailable,
    UsageError,
)
from dataflow.settings import ObjectSettings
from dataflow.sources import ObjectState
from dataflow.sources.mysql import MySQLSource
from tests.lib.cutting_answers import answer_cutter
from tests.lib.cutting_proxy import cutting_proxy
from tests.lib.deliveries import ITEM, read_rows
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.mariadb import MariaServer, numbers
from tests.lib.servers.ports import free_port
from tests.lib.shops import ITEM_TABLE, add_items, fetch_all, plan_all, shop


@pytest.fixture(scope="module")
def database(mariadb: MariaServer) -> str:
    """Return a database with some items."""
    name = mariadb.create_database()
    mariadb.execute(ITEM_TABLE, database=name)
    add_items(mariadb, name, [(n, "1.00", "2026-03-01 12:00:00") for n in range(1, 4)])
    return name


def refusal(source: MySQLSource, kind: type[DataFlowError]) -> str:
    """The message with which planning fails; no secret is in it, and it says what to do."""
    with pytest.raises(kind) as raised:
        plan_all(source)
    message = str(raised.value)
    assert "password" not in message.replace("user or the password", "").replace("Correct user and password", "")
    assert raised.value.next_move
    assert raised.value.next_move in message
    return message


def test_a_wrong_password(mariadb: MariaServer, database: str) -> None:
    source = MySQLSource("shop", shop(mariadb, database, password="wrong-password"))
    message = refusal(source, SourceRefused)
    assert message.endswith(
        "it refuses the user or the password. Correct user and password under [sources.shop.mysql]."
    )


def test_a_wrong_host(mariadb: MariaServer, database: str) -> None:
    source = MySQLSource("shop", shop(mariadb, database, host="localhost", port=free_port()))
    assert "nothing listens there. Check host and port under [sources.shop.mysql]" in refusal(source, SourceUnavailable)


def test_a_wrong_database(mariadb: MariaServer) -> None:
    source = MySQLSource("shop", shop(mariadb, "elsewhere"))
    assert "it has no database elsewhere" in refusal(source, SourceMissing)


def test_a_table_that_is_not_there(mariadb: MariaServer, database: str) -> None:
    source = MySQLSource("shop", shop(mariadb, database, {"item": ITEM.model_copy(update={"remote": "items"})}))
    message = refusal(source, SourceMissing)
    assert f"the database {database} has no table items, or none that reader can read" in message


def test_an_object_that_is_not_declared(mariadb: MariaServer, database: str) -> None:
    with pytest.raises(UsageError, match="has no object order; it declares item"):
        plan_all(MySQLSource("shop", shop(mariadb, database)), "order")


def test_an_expired_certificate(expired_mariadb: MariaServer) -> None:
    message = refusal(MySQLSource("shop", shop(expired_mariadb, "mysql")), SourceRefused)
    assert "its certificate has expired. Have its certificate renewed." in message


def test_a_certificate_of_another_authority(mariadb: MariaServer, database: str, certificates: Certificates) -> None:
    source = MySQLSource("shop", shop(mariadb, database, ca_file=str(certificates.other_ca)))
    message = refusal(source, SourceRefused)
    assert "Put the authority that signed it into ca_file under [sources.shop.mysql]" in message


def test_the_certificate_must_bear_the_hosts_name(certificates: Certificates, mariadb: MariaServer) -> None:
    context = tls_context(str(certificates.ca), setting="ca_file")
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_a_ca_file_that_is_none(mariadb: MariaServer, database: str, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    message = refusal(MySQLSource("shop", shop(mariadb, database, ca_file=str(file))), ConfigurationError)
    assert "Name a file of PEM certificates in ca_file under [sources.shop.mysql]" in message


def test_a_server_that_offers_tls_1_2_only(outdated_mariadb: MariaServer) -> None:
    message = refusal(MySQLSource("shop", shop(outdated_mariadb, "mysql")), SourceRefused)
    assert "it does not agree on TLS 1.3" in message
    assert "older versions are refused" in message


def test_a_server_that_hangs_up_while_tls_is_spoken(mariadb: MariaServer, database: str) -> None:
    with answer_cutter(mariadb.port) as cutter:
        cutter.cut(after_bytes=200, times=99)  # the greeting, which comes before TLS, is shorter
        message = refusal(MySQLSource("shop", shop(mariadb, database, port=cutter.port)), SourceUnavailable)
    assert "the connection was lost" in message


def test_a_table_that_the_user_may_not_read(mariadb: MariaServer, database: str) -> None:
    mariadb.execute(
        "DROP USER IF EXISTS stranger",
        "CREATE USER stranger IDENTIFIED BY 'test-password'",
        f"CREATE TABLE IF NOT EXISTS {database}.open_to_all (id INT PRIMARY KEY)",
        f"GRANT SELECT ON {database}.open_to_all TO stranger",
    )
    source = MySQLSource("shop", shop(mariadb, database, user="stranger"))
    assert "none that stranger can read" in refusal(source, SourceMissing)


def test_a_column_that_the_user_may_no_longer_read(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute(ITEM_TABLE, database=name)
    mariadb.execute(
        "DROP USER IF EXISTS revoked",
        "CREATE USER revoked IDENTIFIED BY 'test-password'",
        f"GRANT SELECT (id, updated_at, deleted_at) ON {name}.item TO revoked",
    )
    # The server does not show what may not be read: to us the column is gone.
    source = MySQLSource("shop", shop(mariadb, name, user="revoked"))
    [planned] = plan_all(source)
    fetch = source.fetch(planned)
    assert read_rows(fetch.batches) == []
    assert fetch.report.drift.gone == ("price",)
    frozen = shop(mariadb, name, {"item": ITEM.model_copy(update={"on_drift": "freeze"})}, user="revoked")
    with pytest.raises(SchemaDrift, match="gone price"):
        read_rows(MySQLSource("shop", frozen).fetch(planned).batches)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"cursor": "changed"}, SchemaDrift, "the cursor changed is not among its columns"),
        ({"cursor": "price"}, ConfigurationError, "a time, or the key itself as a whole number, is expected"),
        ({"cursor": "id", "key": "id, price"}, ConfigurationError, "is a bigint column"),
    ],
)
def test_a_cursor_that_is_none(
    mariadb: MariaServer, database: str, changed: dict[str, str], error: type[DataFlowError], words: str
) -> None:
    source = MySQLSource("shop", shop(mariadb, database, {"item": ITEM.model_copy(update=changed)}))
    assert words in refusal(source, error)


def test_a_source_that_cannot_write(mariadb: MariaServer, database: str) -> None:
    source = MySQLSource("shop", shop(mariadb, database, user=mariadb.owner))
    with source._session("Testing") as session, pytest.raises(DataFlowError, match="error 1792"):
        session.ask("DELETE FROM item", doing="Testing")
    assert len(fetch_all(source)) == 3


def big(mariadb: MariaServer) -> tuple[str, ObjectSettings]:
    name = mariadb.create_database()
    mariadb.execute(
        "CREATE TABLE item (id INT PRIMARY KEY, updated_at DATETIME, v LONGTEXT)",
        f"INSERT INTO item SELECT seq, '2026-03-01', REPEAT('x', 1000) FROM {numbers(100_000)}",
        database=name,
    )
    return name, ITEM.model_copy(update={"fields": {"id": "INTEGER", "updated_at": "TIMESTAMP", "v": "VARCHAR"}})


def end_connection(server: MariaServer) -> None:
    server.execute(*[f"KILL {number}" for number in readers(server)])


def stop_query(server: MariaServer) -> None:
    server.execute(*[f"KILL QUERY {number}" for number in readers(server)])


def readers(server: MariaServer) -> list[int]:
    found = server.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'reader'")
    return [number for (number,) in found]


@pytest.mark.parametrize("fault", [end_connection, stop_query])
def test_a_reader_that_is_cut_off_says_so(mariadb: MariaServer, fault: Callable[[MariaServer], None]) -> None:
    name, declared = big(mariadb)
    source = MySQLSource("shop", shop(mariadb, name, {"item": declared}))
    [planned] = plan_all(source)
    batches = source.fetch(planned).batches
    next(batches)
    fault(mariadb)
    with pytest.raises(SourceUnavailable) as raised:
        read_rows(batches)
    assert raised.value.retryable
    assert sum(batch.num_rows for batch in source.fetch(planned).batches) == 100_000


def test_a_network_that_breaks_says_so(mariadb: MariaServer) -> None:
    name, declared = big(mariadb)
    with cutting_proxy(mariadb.port) as proxy:
        source = MySQLSource("shop", shop(mariadb, name, {"item": declared}, port=proxy.port))
        [planned] = plan_all(source)
        batches = source.fetch(planned).batches
        next(batches)
        proxy.close()
        with pytest.raises(SourceUnavailable, match=r"the connection was lost|the connection failed"):
            read_rows(batches)


def test_a_server_that_falls_silent_is_given_up(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute(ITEM_TABLE, database=name)
    source = MySQLSource("shop", shop(mariadb, name, read_timeout_seconds=0.5))
    [planned] = plan_all(source)
    holder = mariadb.connect(name)
    holder.query("LOCK TABLES item WRITE")
    try:
        with pytest.raises(SourceUnavailable, match="it does not answer in time"):
            read_rows(source.fetch(planned).batches)
    finally:
        holder.close()


def test_a_view_is_read_as_a_table_is(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute(ITEM_TABLE, "CREATE VIEW bought AS SELECT * FROM item WHERE price > 1", database=name)
    add_items(mariadb, name, [(1, "1.00", "2026-03-01 12:00:00"), (2, "2.00", "2026-03-01 12:00:00")])
    bought = ITEM.model_copy(update={"remote": "bought"})
    assert [row["record_key"] for row in fetch_all(MySQLSource("shop", shop(mariadb, name, {"item": bought})))] == ["2"]


def test_a_reader_that_has_seen_enough_leaves_nothing_behind(mariadb: MariaServer) -> None:
    name, declared = big(mariadb)
    source = MySQLSource("shop", shop(mariadb, name, {"item": declared}))
    [planned] = plan_all(source)
    batches = source.fetch(planned).batches
    next(batches)
    assert readers(mariadb)
    batches.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    while readers(mariadb) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert readers(mariadb) == []


def test_a_plan_needs_no_lake(mariadb: MariaServer, database: str) -> None:
    source = MySQLSource("shop", shop(mariadb, database))
    [planned] = source.plan("item", ObjectState())
    assert planned.parts == ()
    assert planned.subject.startswith("shop.item 1970-01-01T000000Z--")
