"""The daily run over the systems themselves, from the dataflow.toml that deployments/ shows: what it publishes is what
the same deliveries publish as files, and what changes in a system arrives with the next run.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.settings import Settings, load_settings
from tests.lib.homes import NOW, lake_state
from tests.lib.peers import EXAMPLE, Peers, peers_of
from tests.lib.servers.mariadb import MariaServer
from tests.lib.servers.s3 import S3Server
from tests.lib.servers.salesforce import Fault
from tests.lib.servers.salesforce.tls import Papers

DAY = "2026-01-01"
SALESFORCE = ("account", "contact", "lead")
EXPLAINED = {
    # A row lies elsewhere: in a table or an org, not in a file.
    *(f"raw.mysql_{name}" for name in ("customers", "addresses", "orders", "order_items")),
    *(f"raw.salesforce_{name}" for name in SALESFORCE),
    # A record's `attributes`, its address at the API, are not taken over: the hash of the row is another.
    *(f"valid.salesforce_{name}" for name in SALESFORCE),
    "conformed.customer_record",
    # A page may hold a contact without Id, which is set aside; an org holds none.
    "ops.dead_letters",
    # Files are known by their bytes, windows by their times.
    "ops.landed_file",
    "ops.completeness",
}
SET_ASIDE = "SELECT _source, _object, rule, reason FROM ops.dead_letters ORDER BY ALL"
TICKET = (
    b"ticket_id,requester_name,requester_email,requester_phone,ip_address,subject,category,priority,status,channel,"
    b"country,opened_at,first_response_at,closed_at,updated_at\n"
    b"T-NEW,Ada Example,ada@example.org,,,Where is it?,shipping,low,open,web,US,2026-01-02 09:00:00,,,"
    b"2026-01-02 09:00:00\n"
)


@pytest.fixture
def peers(first_day: Path, mariadb: MariaServer, s3_tls: S3Server, salesforce_papers: Papers) -> Iterator[Peers]:
    """The three systems, with the first day in them."""
    with peers_of(first_day / "sample", DAY, mariadb, s3_tls, salesforce_papers) as made:
        yield made


def ask(settings: Settings, query: str) -> list[Any]:
    con = open_published(settings)
    try:
        return con.execute(query).fetchall()
    finally:
        con.close()


def test_from_the_first_day_to_the_next_change(
    first_day: Path, peers: Peers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = load_settings(home=first_day)
    expected, set_aside = lake_state(files), ask(files, SET_ASIDE)
    for name, value in peers.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("geoip", "firmographics"):
        monkeypatch.setenv(f"DATAFLOW_ENRICH__{name.upper()}", getattr(files.enrich, name))
    company = load_settings(EXAMPLE, home=tmp_path)
    dataflow = ["--config", str(EXAMPLE), "--home", str(tmp_path)]

    def published() -> dict[str, str]:
        return {name: state for name, state in lake_state(company).items() if name.startswith("published.")}

    def contacts() -> set[str]:
        found = ask(company, "SELECT record_key FROM published.xref WHERE source = 'salesforce' AND object = 'contact'")
        return {key for (key,) in found}

    assert run([*dataflow, "doctor"]) == 0
    assert run([*dataflow, "run", "--now", NOW]) == 0
    state = lake_state(company)
    assert {name for name in expected if state[name] != expected[name]} == EXPLAINED
    [without_key] = set(set_aside) - set(ask(company, SET_ASIDE))
    assert without_key[1:] == ("contact", "unreadable", "no key")

    before = published()
    peers.salesforce.calls.clear()
    assert run([*dataflow, "run", "--now", NOW]) == 0
    assert "Unchanged" in capsys.readouterr().out
    assert published() == before
    assert len(peers.salesforce.calls) <= 3 * len(SALESFORCE)

    gone = min(contacts())
    peers.org.hard_delete("Contact", gone)
    come = peers.org.insert("Contact", LastName="Example", Email="ada@example.org")
    peers.mariadb.execute(
        "UPDATE orders SET status = 'refunded', updated_at = UTC_TIMESTAMP() WHERE id = 1", database=peers.database
    )
    peers.put_export("2026-01-02/late.csv", TICKET)
    peers.salesforce.faults.add(Fault("daily_limit", "describe", times=3))
    assert run([*dataflow, "run", "--ingest-only"]) == 4
    assert published() == before
    assert run([*dataflow, "run"]) == 0
    assert come in contacts()
    assert gone not in contacts()
    assert ask(company, "SELECT status FROM published.orders WHERE order_id = 'mysql|orders|1'") == [("refunded",)]
    assert ask(company, "SELECT status FROM published.tickets WHERE ticket_id = 'tickets|ticket|T-NEW'") == [("open",)]

    late = peers.commit_late(stamp=datetime(2025, 6, 1, tzinfo=UTC))
    assert run([*dataflow, "check"]) == 4
    gaps = "SELECT object, missing_count FROM ops.gap WHERE status = '{}' AND reason = 'missing' ORDER BY 1"
    assert ask(company, gaps.format("open")) == [("contact", 1), ("orders", 1)]
    assert run([*dataflow, "run", "--ingest-only"]) == 0
    assert ask(company, gaps.format("closed")) == [("contact", 1), ("orders", 1)]
    assert ask(company, f"SELECT payload->>'LastName' FROM raw.salesforce_contact WHERE _record_key = '{late}'") == [
        ("Late",)
    ]
