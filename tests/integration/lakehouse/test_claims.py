"""Claims on a PostgreSQL server: who is at work, by processes that are killed or cut off."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time

import pytest

from lakehouse import LakeLocked, PostgresCatalogue
from lakehouse.claims import claiming, drop_claims, read_claims
from lakehouse.lease import server_connection
from tests.lib.servers.postgres import PostgresServer

HOLDER = """
import pickle, sys, time
from lakehouse.claims import claiming
with claiming(pickle.loads(bytes.fromhex(sys.argv[1])), sys.argv[2], owner="the victim"):
    print("held", flush=True)
    time.sleep(600)
"""
PATIENCE_SECONDS = 60.0


@pytest.fixture
def catalogue(postgres: PostgresServer, request: pytest.FixtureRequest) -> PostgresCatalogue:
    place = postgres.create_database(request.node.name)
    with server_connection(place, purpose="test") as con:
        con.execute(f'CREATE SCHEMA IF NOT EXISTS "{place.schema}"'.encode())
    return place


def _states(catalogue: PostgresCatalogue) -> list[tuple[str, str, bool]]:
    return [(claim.name, claim.owner, claim.is_held) for claim in read_claims(catalogue)]


def _wait_for(catalogue: PostgresCatalogue, states: list[tuple[str, str, bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _states(catalogue) != states:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_claim_is_seen_while_it_is_held_and_gone_after(catalogue: PostgresCatalogue) -> None:
    assert read_claims(catalogue) == []
    with claiming(catalogue, "one", owner="me") as held, claiming(catalogue, "two", owner="you"):
        assert _states(catalogue) == [("one", "me", True), ("two", "you", True)]
        held.require()
        with pytest.raises(LakeLocked, match="another process holds it"), claiming(catalogue, "one", owner="x"):
            pass
        drop_claims(catalogue, ["one"])
        assert ("one", "me", True) in _states(catalogue), "one that is held stays"
    assert read_claims(catalogue) == []


def test_the_claim_of_a_killed_process_stays_until_it_is_dropped(catalogue: PostgresCatalogue) -> None:
    place = pickle.dumps(catalogue).hex()
    with subprocess.Popen([sys.executable, "-c", HOLDER, place, "run"], stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "held\n"
        assert _states(catalogue) == [("run", "the victim", True)]
        victim.kill()
    _wait_for(catalogue, [("run", "the victim", False)])
    drop_claims(catalogue, ["run", "another"])
    assert read_claims(catalogue) == []


def test_a_process_that_was_cut_off_does_not_go_on(catalogue: PostgresCatalogue) -> None:
    with claiming(catalogue, "run", owner="me") as held:
        with server_connection(catalogue, purpose="admin") as con:
            con.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%run'")
        with pytest.raises(LakeLocked, match="cut off from the server"):
            held.require()
    _wait_for(catalogue, [("run", "me", False)])
    with claiming(catalogue, "run", owner="again"):
        assert _states(catalogue) == [("run", "again", True)]
