"""The simulator itself, spoken to by simple-salesforce and bare HTTPS: a test that leans on it must know its ways."""

from __future__ import annotations

import csv
import io
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.sources.salesforce.connection import Connection, open_connection
from dataflow.sources.salesforce.soql import timestamp
from tests.lib.servers.salesforce import Fault, Simulator
from tests.lib.servers.salesforce.org import RecordLocked
from tests.lib.servers.salesforce_org import NOON, source_settings

API = "/services/data/v60.0"


class Client:
    """Bare HTTPS with a token."""

    def __init__(self, served: Simulator) -> None:
        self._served = served
        self._context = ssl.create_default_context(cafile=str(served.ca_file))
        form = {
            "grant_type": "client_credentials",
            "client_id": served.door.client_id,
            "client_secret": served.door.client_secret,
        }
        _, _, told = self.call("POST", "/services/oauth2/token", urllib.parse.urlencode(form).encode())
        self.token = json.loads(told)["access_token"]

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], str]:
        headers = {"Authorization": f"Bearer {getattr(self, 'token', '')}"}
        request = urllib.request.Request(
            f"https://localhost:{self._served.port}{path}", data=body, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, context=self._context, timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read().decode()

    def get(self, path: str, **query: str) -> tuple[int, Any]:
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        status, _, body = self.call("GET", API + path + asked)
        return status, json.loads(body)


@pytest.fixture
def client(salesforce: Simulator) -> Client:
    return Client(salesforce)


@pytest.fixture
def connection(salesforce: Simulator) -> Iterator[Connection]:
    section = source_settings(salesforce).salesforce
    assert section is not None
    return open_connection(section)


def error_code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1][0]["errorCode"]


def test_without_a_session_nothing_is_answered(salesforce: Simulator, client: Client) -> None:
    client.token = "made up"
    assert error_code(client.get("/limits")) == (401, "INVALID_SESSION_ID")
    assert client.call("POST", "/services/oauth2/token", b"grant_type=client_credentials&client_id=x")[0] == 400


def test_pages_of_a_query(salesforce: Simulator, client: Client) -> None:
    salesforce.api.page_rows = 2
    for number in range(5):
        salesforce.org.insert("Contact", LastName=f"{number}")
    sizes, path = [], f"/query?{urllib.parse.urlencode({'q': 'SELECT Id FROM Contact'})}"
    while path:
        _, page = client.get(path.removeprefix(API))
        sizes.append((len(page["records"]), page["totalSize"], page["done"]))
        path = page.get("nextRecordsUrl", "")
    assert sizes == [(2, 5, False), (2, 5, False), (1, 5, True)]
    assert error_code(client.get("/query/01gNope-2")) == (400, "INVALID_QUERY_LOCATOR")


def test_simple_salesforce_reads_it(salesforce: Simulator, connection: Connection) -> None:
    salesforce.org.insert("Account", Name="Acme", AnnualRevenue=12)
    answer = connection.org.query("SELECT Id, Name, AnnualRevenue FROM Account")
    assert [record["Name"] for record in answer["records"]] == ["Acme"]
    assert answer["records"][0]["attributes"]["type"] == "Account"
    fields = {one["name"]: one for one in connection.describe("Contact")["fields"]}
    assert fields["AccountId"]["relationshipName"] == "Account"
    assert fields["Rating__c"]["calculated"]
    assert {one["name"] for one in connection.list_objects()} == {"Account", "Contact", "Lead"}


def test_what_is_written_late_bears_its_early_stamp(salesforce: Simulator, client: Client) -> None:
    key = salesforce.org.insert("Contact", LastName="late", commit_after=120)
    asked = {"q": "SELECT Id, SystemModstamp FROM Contact"}
    assert client.get("/query", **asked)[1]["totalSize"] == 0
    with pytest.raises(RecordLocked):
        salesforce.org.update("Contact", key, LastName="x")
    salesforce.org.clock.advance(120)
    assert client.get("/query", **asked)[1]["records"][0]["SystemModstamp"] == "2026-03-01T12:00:00.000+0000"


def test_the_life_of_a_deleted_record(salesforce: Simulator, client: Client) -> None:
    org = salesforce.org
    keys = [org.insert("Contact", LastName=str(number)) for number in range(4)]
    org.clock.advance(60)
    org.delete("Contact", keys[0])
    org.merge("Contact", keys[1], keys[2])
    org.hard_delete("Contact", keys[3])
    org.clock.advance(60)

    def shown(resource: str) -> set[str]:
        _, page = client.get(resource, q="SELECT Id, MasterRecordId FROM Contact")
        return {record["Id"] for record in page["records"]}

    def logged() -> set[str]:
        start, end = timestamp(NOON - timedelta(days=1)), timestamp(org.clock.now())
        return {one["id"] for one in client.get("/sobjects/Contact/deleted", start=start, end=end)[1]["deletedRecords"]}

    assert shown("/query") == {keys[1]}
    assert shown("/queryAll") == set(keys[:3])
    assert logged() == {keys[0], keys[2], keys[3]}
    org.undelete("Contact", keys[0])
    assert shown("/query") == {keys[0], keys[1]}
    assert logged() == {keys[2], keys[3]}
    org.purge("Contact", keys[2])
    assert shown("/queryAll") == {keys[0], keys[1]}
    org.purge_log(org.clock.now())
    assert logged() == set()


@pytest.mark.parametrize(("days", "seconds", "status"), [(14, 600, 200), (20, 600, 400), (1, 30, 400)])
def test_the_log_reaches_back_fifteen_days_and_wants_a_minute(
    client: Client, salesforce: Simulator, days: int, seconds: int, status: int
) -> None:
    start = NOON - timedelta(days=days)
    query = {"start": timestamp(start), "end": timestamp(start + timedelta(seconds=seconds))}
    for resource in ("deleted", "updated"):
        assert client.get(f"/sobjects/Contact/{resource}", **query)[0] == status


def test_updated_lists_what_was_written(salesforce: Simulator, client: Client) -> None:
    key = salesforce.org.insert("Contact", LastName="a")
    query = {"start": timestamp(NOON), "end": timestamp(NOON + timedelta(minutes=2))}
    assert client.get("/sobjects/Contact/updated", **query)[1]["ids"] == [key]


def test_a_bulk_job_from_its_making_to_its_pages(salesforce: Simulator, client: Client) -> None:
    salesforce.bulk.page_rows = 2
    for number in range(13):
        salesforce.org.insert("Contact", LastName=f"a\n{number}")
    wish = {"operation": "query", "query": "SELECT Id, LastName FROM Contact"}
    _, _, made = client.call("POST", f"{API}/jobs/query", json.dumps(wish).encode())
    job = json.loads(made)["id"]
    assert client.get(f"/jobs/query/{job}/results")[0] == 400
    assert [client.get(f"/jobs/query/{job}")[1]["state"] for _ in range(2)] == ["InProgress", "JobComplete"]
    found, locator = [], ""
    while locator != "null":
        query = {"maxRecords": "5", **({"locator": locator} if locator else {})}
        _, headers, body = client.call("GET", f"{API}/jobs/query/{job}/results?{urllib.parse.urlencode(query)}")
        rows = list(csv.DictReader(io.StringIO(body)))
        assert len(rows) == int(headers["Sforce-NumberOfRecords"])
        locator = headers["Sforce-Locator"]
        found += rows
    assert sorted(row["LastName"] for row in found) == sorted(f"a\n{number}" for number in range(13))
    _, pages = client.get(f"/jobs/query/{job}/resultPages")
    assert (len(pages["resultPages"]), pages["done"]) == (5, False)
    _, more = client.get(pages["nextRecordsUrl"].removeprefix(API))
    assert (len(more["resultPages"]), more["done"]) == (2, True)
    aborted = client.call("PATCH", f"{API}/jobs/query/{job}", b'{"state": "Aborted"}')
    assert json.loads(aborted[2])["state"] == "Aborted"
    assert client.call("DELETE", f"{API}/jobs/query/{job}")[0] == 204
    assert client.get(f"/jobs/query/{job}")[0] == 404


def test_calls_are_counted_and_end(salesforce: Simulator, client: Client) -> None:
    salesforce.api.daily_calls = 2
    assert client.get("/limits")[1]["DailyApiRequests"] == {"Max": 2, "Remaining": 1}
    assert client.call("GET", f"{API}/sobjects")[1]["Sforce-Limit-Info"] == "api-usage=2/2"
    assert error_code(client.get("/limits")) == (403, "REQUEST_LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("expired_session"), 401),
        (Fault("concurrent_limit"), 403),
        (Fault("daily_limit"), 403),
        (Fault("too_many", retry_after=3), 429),
        (Fault("server_error"), 500),
        (Fault("unavailable"), 503),
    ],
)
def test_a_fault_strikes_the_call_it_is_meant_for(
    salesforce: Simulator, client: Client, fault: Fault, status: int
) -> None:
    salesforce.faults.add(Fault(fault.kind, "limits", skip=1, retry_after=fault.retry_after))
    assert client.get("/sobjects")[0] == 200
    assert client.get("/limits")[0] == 200
    found, headers, _ = client.call("GET", f"{API}/limits")
    assert found == status
    assert headers.get("Retry-After") == ("3" if status == 429 else None)
    assert client.get("/limits")[0] == (401 if status == 401 else 200)
    assert salesforce.faults.struck == 1


def test_the_clock_is_the_orgs(salesforce: Simulator, client: Client) -> None:
    salesforce.org.clock.advance(3600)
    assert client.call("GET", f"{API}/limits")[1]["Date"] == "Sun, 01 Mar 2026 13:00:00 GMT"


def test_it_runs_by_itself_and_takes_orders(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.lib.servers.salesforce", "--port", "0", "--papers", str(tmp_path)]
    root = str(Path(__file__).parents[3])
    with subprocess.Popen([*command, "--contacts", "2"], stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            port = line.split(" at ")[1].split(";")[0].rpartition(":")[2]
            context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))

            def order(what: str, wish: Any) -> Any:
                address = f"https://localhost:{port}/simulator/{what}"
                with urllib.request.urlopen(address, json.dumps(wish).encode(), context=context, timeout=10) as answer:
                    return json.load(answer)

            made = order("records", [{"do": "insert", "type": "Contact", "values": {"LastName": "x"}}])["ids"]
            order("records", [{"do": "update", "type": "Contact", "id": made[0], "values": {"LastName": "y"}}])
            order("records", [{"do": "delete", "type": "Contact", "id": made[0]}])
            assert order("faults", [{"kind": "cut", "path": "query"}]) == {"added": 1}
            assert order("clock", {"advance": 60})["now"].endswith("+0000")
            with pytest.raises(urllib.error.HTTPError) as refused:
                order("records", [{"do": "explode"}])
            refused.value.close()
        finally:
            process.terminate()
            process.wait(timeout=10)
