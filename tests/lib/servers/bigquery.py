"""An emulator of BigQuery behind a proxy that checks each request against Google's discovery document and records it.

The emulator (bqemulator) runs in an environment of its own. The proxy adds what it lacks and a client relies on: an id
of a job is taken once and for all, a load job can be read again by its id, policy tags of columns are kept, and rights
on policy tags are given and read (Data Catalog, checked against its own discovery document). What the emulator does not
do is asserted on the requests: it enforces no grant and no tag, and estimates no bytes.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dataflow.settings import Settings
from dataflow.settings.model import BigQuerySettings, WarehouseSettings
from tests.lib.servers.ports import free_port, wait_for_port
from tests.lib.tool_environments import tool_environment

VERSION = "1.4.0"
PROJECT = "tests"
PUBLISHER = "publisher@tests.iam.gserviceaccount.com"
"""The account of all requests that name no other."""
_PACKAGES = (f"bqemulator=={VERSION}", "duckdb==1.5.5", "duckdb-extension-spatial==1.5.5", "numpy")
_STANDARD = frozenset({"alt", "prettyPrint", "fields", "key", "quotaUser", "uploadType", "upload_id", "userIp"})
_OF_THE_CLIENT = {"jobs.get": {"projection"}, "jobs.cancel": {"projection"}}
"""Parameters that Google's own client sends although its document does not have them."""


@dataclass(frozen=True)
class Request:
    """One request of a client: the method's id in the discovery document, path, parameters and body."""

    id: str
    verb: str
    path: str
    parameters: dict[str, str]
    body: dict[str, Any]


Answer = tuple[int, dict[str, Any]]


@dataclass
class BigQueryServer:
    """A running emulator. `requests` are those of clients; `faults` those that Google would not take.

    `interfere` sees each request before the emulator does: it returns an answer in its place, or None.
    """

    port: int
    pid: int
    requests: list[Request] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    rights: dict[str, dict[str, Any]] = field(default_factory=dict)
    interfere: Callable[[Request], Answer | None] = lambda _: None
    answered: Callable[[Request], object] = lambda _: None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, settings: Settings, dataset: str) -> Settings:
        """The same settings with a dataset of this server as the warehouse."""
        place = BigQuerySettings(project=PROJECT, dataset=dataset, endpoint=self.endpoint)
        return settings.model_copy(update={"warehouse": WarehouseSettings(kind="bigquery", bigquery=place)})

    def of(self, *ids: str) -> list[Request]:
        """Return the recorded requests of some methods, such as `tables.insert`."""
        return [one for one in self.requests if one.id in ids]

    def statements(self) -> list[str]:
        """Return the SQL of all query jobs."""
        return [
            str(one.body["configuration"]["query"]["query"])
            for one in self.of("jobs.insert")
            if "query" in one.body.get("configuration", {})
        ]

    def keep_tags(self, request: Request) -> None:
        """Keep the policy tags of a table that is made or changed."""
        if request.id in ("tables.insert", "tables.patch", "tables.update") and "schema" in request.body:
            named = request.body.get("tableReference") or {}
            found = re.search(r"/datasets/([^/]+)(?:/tables/([^/]+))?", request.path)
            assert found is not None
            fields = {one["name"]: one["policyTags"] for one in request.body["schema"]["fields"] if "policyTags" in one}
            self.tags[found[1], found[2] or named["tableId"]] = fields

    def with_tags(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return a table with the policy tags that were given to it."""
        named = table["tableReference"]
        kept = self.tags.get((named["datasetId"], named["tableId"]), {})
        for one in table.get("schema", {}).get("fields", []):
            one.update({"policyTags": kept[one["name"]]} if one["name"] in kept else {})
        return table

    def answer_rights(self, request: Request) -> Answer:
        """Answer a question or a change of the rights on a policy tag."""
        tag, _, action = request.path.removeprefix("/v1/").partition(":")
        if action == "setIamPolicy":
            self.rights[tag] = request.body["policy"]
        return 200, self.rights.get(tag, {"etag": "none"})

    def reset(self) -> None:
        """Forget what was recorded, and interfere no more."""
        self.requests.clear()
        self.faults.clear()
        self.interfere = lambda _: None
        self.answered = lambda _: None


class Discovery:
    """Google's description of an API, whose paths begin with the prefix."""

    def __init__(self, name: str, prefix: str) -> None:
        self._prefix = prefix
        text = files("googleapiclient").joinpath(f"discovery_cache/documents/{name}.json").read_text()
        self._document = json.loads(text)
        self._methods = list(self._collect(self._document["resources"]))

    def find(self, verb: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """Return id and description of the method of a request."""
        for pattern, method in self._methods:
            if method["httpMethod"] == verb and pattern.fullmatch(path):
                return method["id"].removeprefix("bigquery."), method
        return None

    def list_faults(self, method: dict[str, Any], parameters: dict[str, str], body: dict[str, Any]) -> Iterator[str]:
        """List what of a request the API does not have."""
        known = {*method["parameters"], *_STANDARD, *_OF_THE_CLIENT.get(method["id"].removeprefix("bigquery."), ())}
        yield from (f"parameter {name}" for name in parameters if name not in known)
        if "request" in method:
            yield from self._misfits(method["request"], body, "body")
        elif body:
            yield "a body"

    def _misfits(self, schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
        if "$ref" in schema:
            schema = self._document["schemas"][schema["$ref"]]
        kind = schema.get("type")
        if kind == "object" and isinstance(value, dict):
            properties, others = schema.get("properties", {}), schema.get("additionalProperties")
            for name, each in value.items():
                if name in properties or others is not None:
                    yield from self._misfits(properties.get(name, others), each, f"{place}.{name}")
                else:
                    yield f"{place}.{name}"
        elif kind == "array" and isinstance(value, list):
            for each in value:
                yield from self._misfits(schema["items"], each, f"{place}[]")
        elif value is not None and not _fits(kind, value):
            yield f"{place} as {type(value).__name__}, not {kind}"
        elif "enum" in schema and isinstance(value, str) and value not in schema["enum"]:
            yield f"{place} = {value}"

    def _collect(self, resources: dict[str, Any]) -> Iterator[tuple[re.Pattern[str], dict[str, Any]]]:
        for resource in resources.values():
            for method in resource.get("methods", {}).values():
                pattern = re.sub(r"\\\{[^}]*\\\}", "([^/]+)", re.escape(method.get("flatPath", method["path"])))
                yield re.compile(f"{self._prefix}{pattern}"), method
            yield from self._collect(resource.get("resources", {}))


def _fits(kind: str | None, value: Any) -> bool:
    # Numbers of 64 bits are texts in JSON.
    kinds: dict[str | None, Any] = {
        "string": (str, int),
        "boolean": bool,
        "integer": (int, str),
        "number": (int, float),
    }
    return isinstance(value, kinds[kind]) if kind in kinds else kind in ("any", None)


class _Proxy(BaseHTTPRequestHandler):
    """Check and record a request, and pass it on."""

    protocol_version = "HTTP/1.1"
    server_of_tests: BigQueryServer
    emulator: int
    discoveries: tuple[Discovery, ...]
    uploads: dict[str, Request]

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        return

    def _serve(self) -> None:
        content = self._content()
        parts = urlsplit(self.path)
        parameters = dict(parse_qsl(parts.query))
        server = self.server_of_tests
        if "upload_id" in parameters:
            started = self.uploads[parameters["upload_id"]]
            loaded = self._pass_on(content, load=started)
            server.answered(started)
            return self._answer(*loaded)
        path = re.sub(r"^(/resumable)?/upload", "", parts.path)
        found, discovery = next(
            ((method, one) for one in self.discoveries if (method := one.find(self.command, path))), (None, None)
        )
        body = self._body(content)
        if found is None or discovery is None:
            server.faults.append(f"{self.command} {path}")
            return self._answer(404, {}, _error(404, "notFound"))
        request = Request(found[0], self.command, path, parameters, body)
        server.requests.append(request)
        server.faults += [f"{found[0]}: {fault}" for fault in discovery.list_faults(found[1], parameters, body)]
        answer = server.interfere(request) or self._known_job(request)
        if answer is None and path.startswith("/v1/"):
            answer = server.answer_rights(request)
        if answer is not None:
            return self._answer(answer[0], {}, json.dumps(answer[1]).encode())
        status, headers, text = self._pass_on(content, request=request)
        if address := {name.lower(): value for name, value in headers.items()}.get("location"):
            self.uploads[dict(parse_qsl(urlsplit(address).query))["upload_id"]] = request
        else:
            server.answered(request)
        return self._answer(status, headers, text)

    def _known_job(self, request: Request) -> Answer | None:
        jobs = self.server_of_tests.jobs
        job_id = str(request.body.get("jobReference", {}).get("jobId", ""))
        if request.id == "jobs.insert" and job_id in jobs:
            return 409, json.loads(_error(409, "duplicate"))
        if request.id == "jobs.get" and (known := jobs.get(request.path.rpartition("/")[2])):
            return 200, known
        return None

    def _pass_on(
        self, content: bytes, *, request: Request | None = None, load: Request | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.emulator, timeout=120)
        headers = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "connection", "accept-encoding")}
        if "x-bqemu-caller" not in self.headers:
            headers["x-bqemu-caller"] = f"serviceAccount:{PUBLISHER}"
        connection.request(self.command, self.path, body=content or None, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        passed = {
            n: v for n, v in answer.getheaders() if n.lower() in ("content-type", "location", "x-goog-upload-status")
        }
        if "location" in {name.lower() for name in passed}:
            passed = {n: v.replace(f":{self.emulator}/", f":{self.server_of_tests.port}/") for n, v in passed.items()}
        if answer.status == 200 and text and (load or (request and request.id == "jobs.insert")):
            text = self._remember(json.loads(text), load)
        if answer.status == 200 and request:
            self.server_of_tests.keep_tags(request)
            if request.id == "tables.get":
                text = json.dumps(self.server_of_tests.with_tags(json.loads(text))).encode()
        return answer.status, passed, text

    def _remember(self, job: dict[str, Any], load: Request | None) -> bytes:
        """Keep a job under the id that its client has given; the emulator gives loads another."""
        if load is not None:
            job["jobReference"] = {**job["jobReference"], **load.body["jobReference"]}
            job["configuration"]["labels"] = load.body["configuration"].get("labels", {})
        self.server_of_tests.jobs[job["jobReference"]["jobId"]] = job
        return json.dumps(job).encode()

    def _content(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            self.headers.replace_header("transfer-encoding", "identity")
            del self.headers["transfer-encoding"]
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _body(self, content: bytes) -> dict[str, Any]:
        kind = self.headers.get("content-type", "")
        if kind.startswith("multipart/"):
            content = content.split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0].strip()
            start = content.index(b"{")
            content = content[start : content.rindex(b"}") + 1]
        return dict(json.loads(content)) if content.strip() else {}

    def _answer(self, status: int, headers: dict[str, str], text: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-type" not in {name.lower() for name in headers}:
            self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def error_answer(status: int, reason: str) -> Answer:
    """Return an answer of Google's API that refuses."""
    return status, json.loads(_error(status, reason))


def _error(status: int, reason: str) -> bytes:
    one = {"reason": reason, "message": reason}
    return json.dumps({"error": {"code": status, "message": reason, "errors": [one]}}).encode()


def emulator() -> tuple[Path, Path]:
    """Return the emulator's program and the home that it needs, made on first use (about 30 s)."""
    programs = tool_environment(f"bqemulator-{VERSION}", *_PACKAGES)
    home = programs.parent / "home"
    # It looks for the extension where DuckDB puts those that it downloads.
    [extension] = programs.parent.glob("lib/**/spatial.duckdb_extension")
    place = home / ".duckdb" / "extensions" / extension.parent.name / _platform(programs / "python")
    if not (place / extension.name).is_file():
        place.mkdir(parents=True, exist_ok=True)
        draft = place / f"{extension.name}.{os.getpid()}"
        shutil.copy(extension, draft)
        draft.replace(place / extension.name)
    return programs / "bqemulator", home


def _platform(python: Path) -> str:
    ask = "import duckdb; print(duckdb.sql('PRAGMA platform').fetchone()[0])"
    return subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def bigquery_server() -> Iterator[BigQueryServer]:
    """Run an empty emulator, and the proxy before it, until the block ends."""
    program, home = emulator()
    rest, grpc = free_port(), free_port()
    command = [str(program), "start", "--rest-port", str(rest), "--grpc-port", str(grpc)]
    environment = {**os.environ, "HOME": str(home)}
    with tempfile.NamedTemporaryFile(prefix="bqemulator-") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for_port(rest, process=process, seconds=120)
            with _proxy(rest, process.pid) as server:
                yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextmanager
def _proxy(emulator: int, pid: int) -> Iterator[BigQueryServer]:
    described = (Discovery("bigquery.v2", "/bigquery/v2/"), Discovery("datacatalog.v1", "/"))
    handler = type("Handler", (_Proxy,), {"emulator": emulator, "discoveries": described, "uploads": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        server = BigQueryServer(int(listening.server_address[1]), pid)
        handler.server_of_tests = server  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join(10)


@pytest.fixture(scope="session")
def bigquery_of_tests() -> Iterator[BigQueryServer]:
    """One emulator for all tests of a process; each test has a dataset of its own."""
    with bigquery_server() as server:
        yield server


@pytest.fixture
def bigquery(bigquery_of_tests: BigQueryServer) -> Iterator[BigQueryServer]:
    """The emulator; the test fails where Google would not take one of its requests."""
    bigquery_of_tests.reset()
    bigquery_of_tests.jobs.clear()
    yield bigquery_of_tests
    faults = list(dict.fromkeys(bigquery_of_tests.faults))
    bigquery_of_tests.reset()
    assert faults == []
