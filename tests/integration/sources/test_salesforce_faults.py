"""Faults: temporary ones are retried and no row is lost; lasting ones are reported with a next move."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dataflow.errors import (
    ConfigurationError,
    DataFlowError,
    ExitCode,
    Owner,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceUnavailable,
)
from dataflow.sources import ObjectState
from dataflow.sources.salesforce import SalesforceSource, requests_body
from dataflow.sources.salesforce.connection import close_connections
from dataflow.sources.salesforce.probe import probe
from tests.lib.forward_proxy import forward_proxy
from tests.lib.servers.ports import free_port
from tests.lib.servers.salesforce import Clock, Fault, Org, Simulator, simulator
from tests.lib.servers.salesforce.faults import Kind
from tests.lib.servers.salesforce.tls import Papers, write_papers
from tests.lib.servers.salesforce_org import CONTACT, NOON, source_settings

HEALING: tuple[Kind, ...] = (
    "expired_session",
    "concurrent_limit",
    "too_many",
    "server_error",
    "unavailable",
    "cut",
    "duplicate_page",
)
PLACES = {
    "rest": ("/queryAll", "/query/01g", "describe", "deleted"),
    "bulk": ("jobs/query$", r"jobs/query/\w+$", "resultPages", r"results\?"),
}
PAGES = ("/query/01g", r"results\?")
CASES = [
    (kind, api, place)
    for kind in HEALING
    for api, places in PLACES.items()
    for place in places
    if kind != "duplicate_page" or place in PAGES
]


def source(served: Simulator, **section: Any) -> SalesforceSource:
    return SalesforceSource("sf", source_settings(served, **section))


def keys(reader: SalesforceSource) -> list[str]:
    [planned] = reader.plan("contact", ObjectState(watermark=NOON))
    fetch = reader.fetch(planned)
    found = [key for batch in fetch.batches for key in batch.column("record_key").to_pylist()]
    assert fetch.report.rows == fetch.report.promised == len(found)
    return found


def fill(served: Simulator, count: int = 25) -> list[str]:
    made = [served.org.insert("Contact", LastName=str(number)) for number in range(count)]
    served.org.clock.advance(60)
    served.api.page_rows = 10
    served.bulk.page_rows = 4
    return made


@pytest.mark.parametrize(("kind", "api", "place"), CASES)
def test_what_heals_is_tried_again(salesforce: Simulator, kind: Kind, api: str, place: str) -> None:
    made = fill(salesforce)
    salesforce.faults.add(Fault(kind, place, times=2))
    assert keys(source(salesforce, bulk_from_rows=10 if api == "bulk" else 10_000)) == made
    assert salesforce.faults.struck == 2


def test_a_new_session_is_shared_by_all_downloads(salesforce: Simulator) -> None:
    made = fill(salesforce)
    reader = source(salesforce, bulk_from_rows=1, downloads=4)
    salesforce.faults.add(Fault("expired_session", "results"))
    assert keys(reader) == made
    assert salesforce.door.logins <= 3


def test_all_sessions_ended_by_an_administrator(salesforce: Simulator) -> None:
    made = fill(salesforce)
    reader = source(salesforce)
    assert keys(reader) == made
    salesforce.door.expire()
    assert keys(reader) == made
    assert salesforce.door.logins == 2


def test_many_threads_share_one_session(salesforce: Simulator) -> None:
    made = fill(salesforce)
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(keys(source(salesforce)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [made] * 6
    assert salesforce.door.logins == 1


def test_a_slow_drip_is_given_up_and_asked_again(salesforce: Simulator) -> None:
    made = fill(salesforce)
    salesforce.faults.add(Fault("drip", "/queryAll"))
    assert keys(source(salesforce, answer_seconds=0.2)) == made


def test_a_pause_that_is_asked_for_is_kept_or_ends_the_run(salesforce: Simulator) -> None:
    made = fill(salesforce)
    salesforce.faults.add(Fault("too_many", "describe", retry_after=0.01))
    assert keys(source(salesforce)) == made
    salesforce.faults.add(Fault("too_many", "describe", retry_after=7200))
    with pytest.raises(SourceUnavailable, match="asks for a pause of 7200 s") as raised:
        keys(source(salesforce))
    assert raised.value.retryable


@pytest.mark.parametrize("kind", ["server_error", "cut", "too_many"])
def test_a_lasting_fault_ends_the_run_and_a_later_run_can_succeed(salesforce: Simulator, kind: Kind) -> None:
    made = fill(salesforce)
    salesforce.faults.add(Fault(kind, "/queryAll", times=3))
    with pytest.raises(SourceUnavailable, match="after 3 tries") as raised:
        keys(source(salesforce, attempts=3))
    assert raised.value.retryable
    assert keys(source(salesforce, attempts=3)) == made


def test_a_page_that_stays_a_repetition_is_no_success(salesforce: Simulator) -> None:
    fill(salesforce)
    salesforce.faults.add(Fault("duplicate_page", "/query/", times=9))
    with pytest.raises(SourceUnavailable, match="repeats rows"):
        keys(source(salesforce))


@pytest.mark.parametrize("rows", [10_000, 10])
def test_a_row_that_is_left_out_is_told_by_the_promise(salesforce: Simulator, rows: int) -> None:
    made = fill(salesforce)
    salesforce.faults.add(Fault("lost_row", "|".join(PAGES)))
    reader = source(salesforce, bulk_from_rows=rows)
    [planned] = reader.plan("contact", ObjectState(watermark=NOON))
    fetch = reader.fetch(planned)
    assert sum(batch.num_rows for batch in fetch.batches) == len(made) - 1
    assert fetch.report.promised == len(made)


@pytest.mark.parametrize(("rows", "place"), [(10_000, "/queryAll"), (10, r"results\?")])
def test_an_answer_that_unpacks_to_far_more_than_records_do_is_refused(
    salesforce: Simulator, rows: int, place: str
) -> None:
    made = fill(salesforce)
    salesforce.faults.add(Fault("bomb", place))
    with pytest.raises(SourceMalformed, match=r"bytes of gzip unpack to 6\d,.* over 500 times as many") as raised:
        keys(source(salesforce, bulk_from_rows=rows))
    assert not raised.value.retryable
    assert raised.value.owner is Owner.SOURCE
    assert "Asking Salesforce for " in str(raised.value)
    assert raised.value.next_move.startswith("Check where endpoint and proxy lead")
    assert keys(source(salesforce, bulk_from_rows=rows)) == made


def test_an_answer_that_does_not_fit_memory_is_refused(salesforce: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_body, "LARGEST_ANSWER_BYTES", 1000)
    fill(salesforce)
    with pytest.raises(SourceMalformed, match="the answer is larger than 1,000 bytes"):
        keys(source(salesforce))


def test_a_bulk_job_that_fails_may_be_tried_again(salesforce: Simulator) -> None:
    made = fill(salesforce)
    salesforce.bulk.fail_jobs = 1
    reader = source(salesforce, bulk_from_rows=10)
    with pytest.raises(SourceUnavailable, match="is Failed and has no rows") as raised:
        keys(reader)
    assert raised.value.retryable
    assert keys(reader) == made


def test_the_days_calls_are_never_spent_to_the_reserve(salesforce: Simulator) -> None:
    fill(salesforce, 95)
    salesforce.api.daily_calls, salesforce.api.used = 100, 84
    reader = source(salesforce, reserve_share=0.1)
    with pytest.raises(SourceIncomplete, match=r"needs 9 API calls and 3 are left: 87 of 100") as raised:
        reader_keys_of_all(reader)
    assert raised.value.exit_code == ExitCode.PARTIAL
    assert salesforce.api.used <= 90
    salesforce.api.used = 10
    assert len(reader_keys_of_all(reader)) == 95


def reader_keys_of_all(reader: SalesforceSource) -> list[str]:
    [planned] = reader.plan("contact", ObjectState(watermark=NOON))
    return [key for batch in reader.fetch(planned).batches for key in batch.column("record_key").to_pylist()]


def test_a_first_load_that_is_too_much_for_today_is_not_begun(salesforce: Simulator) -> None:
    fill(salesforce, 50)
    salesforce.api.daily_calls, salesforce.api.used = 100, 87
    with pytest.raises(SourceIncomplete, match=r"Reading sf\.contact needs"):
        source(salesforce).plan("contact", ObjectState())
    assert salesforce.api.used < 90


def test_others_may_spend_the_calls_while_a_window_is_read(salesforce: Simulator) -> None:
    fill(salesforce, 95)
    reader = source(salesforce)
    [planned] = reader.plan("contact", ObjectState(watermark=NOON))
    salesforce.faults.add(Fault("daily_limit", "/query/", skip=2))
    with pytest.raises(SourceIncomplete, match="are used up"):
        list(reader.fetch(planned).batches)


@pytest.fixture(scope="module")
def signer() -> tuple[str, str]:
    """A private key and its public half, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.mark.parametrize("domain", ["acme.my.salesforce.com", "login.salesforce.com"])
def test_jwt_bearer_signs_in_and_renews(
    salesforce: Simulator, signer: tuple[str, str], tmp_path: Path, domain: str
) -> None:
    made = fill(salesforce)
    salesforce.door.users["etl@acme.example"] = signer[1]
    (tmp_path / "key.pem").write_text(signer[0])
    section = {"client_secret": None, "username": "etl@acme.example", "domain": domain}
    reader = source(salesforce, **section, private_key_file=str(tmp_path / "key.pem"))
    salesforce.faults.add(Fault("expired_session", "/query/"))
    assert keys(reader) == made
    assert salesforce.door.logins == 2
    assert keys(source(salesforce, **section, private_key=signer[0])) == made


def refusal(reader: SalesforceSource) -> DataFlowError:
    with pytest.raises(DataFlowError) as raised:
        keys(reader)
    return raised.value


def test_wrong_words_are_told_with_the_fix(salesforce: Simulator, signer: tuple[str, str], tmp_path: Path) -> None:
    wrong = refusal(source(salesforce, client_secret="not-it"))
    assert isinstance(wrong, SourceRefused)
    assert "invalid_client" in str(wrong)
    assert "Correct client_id and client_secret" in wrong.next_move
    assert "not-it" not in str(wrong)
    section = {"client_secret": None, "username": "nobody@acme.example"}
    stranger = refusal(source(salesforce, **section, private_key=signer[0]))
    assert isinstance(stranger, SourceRefused)
    assert "Approve the connected app" in stranger.next_move
    assert "nobody@" not in str(stranger)
    salesforce.door.users["nobody@acme.example"] = signer[1]
    other = refusal(source(salesforce, **section, private_key=signer[0], client_id="other"))
    assert isinstance(other, SourceRefused)
    lost = refusal(source(salesforce, **section, private_key_file=str(tmp_path / "none.pem")))
    assert isinstance(lost, ConfigurationError)
    assert salesforce.door.logins == 0


def test_nobody_answers(salesforce: Simulator) -> None:
    error = refusal(source(salesforce, endpoint=f"127.0.0.1:{free_port()}", attempts=2))
    assert isinstance(error, SourceUnavailable)
    assert error.retryable
    assert "nothing listens at 127.0.0.1" in str(error)
    assert "Check domain, endpoint and proxy" in error.next_move


def test_all_calls_go_through_a_proxy_that_is_named(salesforce: Simulator) -> None:
    made = fill(salesforce)
    with forward_proxy(salesforce.port) as proxy:
        reader = source(salesforce, endpoint="", proxy=proxy.address(), bulk_from_rows=10)
        assert keys(reader) == made
        # Only tunnels: the proxy sees where to, and nothing of what is said.
        assert set(proxy.opened) == {"acme.my.salesforce.com:443"}
        close_connections()
        refused = refusal(source(salesforce, endpoint="", proxy=proxy.address(password="not-it"), attempts=2))
    assert isinstance(refused, SourceUnavailable)
    assert proxy.refused == 2
    assert "the proxy does not lead to acme.my.salesforce.com" in str(refused)
    assert "Check domain, endpoint and proxy" in refused.next_move
    assert not any(word in str(refused) for word in ("not-it", proxy.user, proxy.password))


def test_trust_is_not_given_to_just_anybody(salesforce: Simulator, tmp_path: Path) -> None:
    stranger = write_papers(tmp_path / "stranger")
    error = refusal(source(salesforce, ca_file=str(stranger.ca_file)))
    assert isinstance(error, SourceRefused)
    assert "ca_file" in error.next_move
    missing = refusal(source(salesforce, ca_file=str(tmp_path / "none.pem")))
    assert isinstance(missing, ConfigurationError)


@contextmanager
def served_with(papers: Papers, **how: Any) -> Iterator[Simulator]:
    try:
        with simulator(papers, org=Org(Clock(NOON)), **how) as served:
            yield served
    finally:
        close_connections()


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    with served_with(write_papers(tmp_path, expired=True)) as served:
        error = refusal(source(served))
    assert isinstance(error, SourceRefused)
    assert "expired" in str(error)


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    with served_with(write_papers(tmp_path, names=("elsewhere.example.com",))) as served:
        error = refusal(source(served))
    assert isinstance(error, SourceRefused)
    assert "certificate" in str(error)


def test_tls_1_2_is_refused(salesforce_papers: Papers) -> None:
    with served_with(salesforce_papers, newest_tls=ssl.TLSVersion.TLSv1_2) as served:
        error = refusal(source(served))
    assert isinstance(error, SourceRefused)
    assert "TLS 1.3" in str(error)


def findings(served: Simulator, *, ahead: float = 0.0, **section: Any) -> dict[str, tuple[bool, str, str]]:
    contact = {**CONTACT, "on_drift": "set_aside"}
    settings = source_settings(served, objects={"contact": contact, "lead": {**contact, "remote": "Lead"}}, **section)
    found = probe("sf", settings, now=lambda: served.org.clock.now() + timedelta(seconds=ahead))
    return {one.name: (one.is_well, one.found, one.fix) for one in found}


def test_doctor_finds_a_healthy_org_well(salesforce: Simulator) -> None:
    found = findings(salesforce)
    assert list(found) == ["connection", "clock", "API calls", "read contact", "read lead"]
    assert all(is_well for is_well, _, _ in found.values())
    assert "14,999 of 15,000" in found["API calls"][1]


def test_doctor_names_what_is_wrong_and_the_fix(salesforce: Simulator) -> None:
    salesforce.org.revoke("Contact", "Email")
    found = findings(salesforce, ahead=600)
    assert found["clock"] == (
        False,
        "this machine's clock is 600 s ahead",
        "Set this machine's clock by NTP: signed sign-ins are refused otherwise.",
    )
    assert found["read contact"][:2] == (False, "Contact differs from its declaration: gone Email")
    assert "permission set" in found["read contact"][2]
    assert found["read lead"][0]


def test_doctor_spends_no_reserve(salesforce: Simulator) -> None:
    salesforce.api.used = 14_000
    found = findings(salesforce)
    assert list(found) == ["connection", "clock", "API calls"]
    assert found["API calls"][1:] == (
        "999 of 15,000 API calls left today, 10% reserved for others",
        "Wait until calls are available, or lower reserve_share.",
    )


def test_doctor_stops_where_nobody_lets_it_in(salesforce: Simulator) -> None:
    found = findings(salesforce, client_secret="wrong")
    assert list(found) == ["connection"]
    assert found["connection"][2] == "Correct client_id and client_secret of the source in dataflow.toml."
