"""Measure the workbench as its reader does: over HTTP, one request after the other, on a lake of a sample.

Key to next pair is what passes from a decision until the next pair is there where it was not fetched ahead: the answer
to the decision and the next page. In a browser the next pair is fetched while the one before is read.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from dataflow.bench.measure import FIRST_DAY, Notify, run_command
from dataflow.errors import BenchmarkFailed

PAGES = ("/", "/customers", "/figures", "/segments", "/quality", "/runs", "/explore")
_ROUNDS = 12
_SEARCHES = 60
_PAIRS = 20
_PAGE_MILLISECONDS, _PAIR_MILLISECONDS = 150.0, 300.0
_START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class WorkbenchFigure:
    """Milliseconds of one kind of request: of half, of 19 of 20, and of the first one, which opens the lake."""

    figure: str
    requests: int
    p50: float
    p95: float
    first: float
    most: float
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return f"{'met' if self.p95 <= self.most else 'MISSED'} (p95 ≤ {self.most:g} ms)"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"target": self.target}


def measure_workbench(records: int, *, notify: Notify) -> Iterator[WorkbenchFigure]:
    """Publish a sample, start the workbench on it, and time pages, searches and decisions. Raises: BenchmarkFailed."""
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        notify(f"{records:,} records: sample and run")
        run_command(home, "sample", "--records", str(records), "--start", FIRST_DAY)
        run_command(home, "run")
        names = _names(home)
        with _running(home) as address, closing(Reader.of(address)) as reader:
            yield from time_requests(reader, names, rounds=_ROUNDS, pairs=_PAIRS, notify=notify)


def time_requests(
    reader: Reader, names: Sequence[str], *, rounds: int, pairs: int, notify: Notify
) -> Iterator[WorkbenchFigure]:
    """Time the pages, searches for names and decisions on pairs of a running workbench. Raises: BenchmarkFailed."""
    notify("pages")
    yield _pages(reader, rounds)
    notify("search")
    asked = [f"/customers?{urlencode({'q': name})}" for name in names]
    yield _figure("search", [reader.timed(path) for path in asked], _PAGE_MILLISECONDS)
    notify("review")
    yield _pairs(reader, pairs)


@dataclass
class Reader:
    """A client with a session."""

    connection: HTTPConnection
    cookie: str = ""

    @classmethod
    def of(cls, address: str) -> Reader:
        """Return a client that is signed in by the address that the workbench printed."""
        parts = urlsplit(address)
        reader = cls(HTTPConnection(str(parts.hostname), parts.port, timeout=_START_SECONDS))
        reader.ask("GET", f"{parts.path}?{parts.query}")
        return reader

    def close(self) -> None:
        self.connection.close()

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Return the status, the place that the answer leads to, and its text."""
        headers = {"cookie": self.cookie, "sec-fetch-site": "same-origin", "x-shows-next": "1"}
        if fields is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body=urlencode(fields) if fields is not None else None, headers=headers)
        answer = self.connection.getresponse()
        text = answer.read().decode("utf-8")
        if cookie := answer.getheader("set-cookie"):
            self.cookie = cookie.partition(";")[0]
        return answer.status, answer.getheader("location") or "", text

    def timed(self, path: str) -> float:
        """Return the milliseconds of one page. Raises: BenchmarkFailed for another answer than the page."""
        return _milliseconds(lambda: self.page(path))

    def page(self, path: str) -> str:
        status, _, text = self.ask("GET", path)
        if status != 200:
            raise BenchmarkFailed(f"The workbench answered {status} to {urlsplit(path).path}.")
        return text


@contextmanager
def _running(home: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "dataflow.cli", "--home", str(home), "ui", "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        if not (address := process.stdout.readline().strip()):
            raise BenchmarkFailed("The workbench did not start.")
        yield address
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _names(home: Path) -> list[str]:
    """Return names of customers, of which every second one has two letters exchanged."""
    sql = (
        "SELECT full_name FROM published.customer_360 WHERE length(full_name) > 8"
        f" ORDER BY hash(customer_id) LIMIT {_SEARCHES}"
    )
    answer: Any = run_command(home, "query", sql)[0]
    names = [str(row["full_name"]) for row in answer]
    return [name if at % 2 else f"{name[:-3]}{name[-2]}{name[-3]}{name[-1]}" for at, name in enumerate(names)]


def _pages(reader: Reader, rounds: int) -> WorkbenchFigure:
    first = reader.timed(PAGES[0])
    taken = {path: [reader.timed(path) for _ in range(rounds)] for path in PAGES}
    everything = [milliseconds for times in taken.values() for milliseconds in times]
    parts = {path: _quantile(times, 0.95) for path, times in taken.items()}
    return _figure("pages", everything, _PAGE_MILLISECONDS, first=first, parts=parts)


def _pairs(reader: Reader, most: int) -> WorkbenchFigure:
    taken = []
    _, path, _ = reader.ask("GET", "/review")
    for _ in range(most):
        if not path:
            break
        text = reader.page(path)
        secret = re.search(r'name="csrf" value="([^"]+)"', text)
        following = re.search(r'data-next="([^"]+)"', text)
        if secret is None or following is None:
            break
        fields = {"csrf": secret[1], "verdict": "different", "reason": "values"}
        taken.append(_milliseconds(lambda here=path, said=fields: reader.ask("POST", here, said)))  # type: ignore[misc]
        path = following[1]
        taken[-1] += reader.timed(path)
    if not taken:
        raise BenchmarkFailed("The sample has no pairs to review.")
    return _figure("key to next pair", taken, _PAIR_MILLISECONDS)


def _figure(
    name: str,
    taken: Sequence[float],
    most: float,
    *,
    first: float | None = None,
    parts: dict[str, float] | None = None,
) -> WorkbenchFigure:
    return WorkbenchFigure(
        figure=name,
        requests=len(taken),
        p50=_quantile(taken, 0.5),
        p95=_quantile(taken, 0.95),
        first=taken[0] if first is None else first,
        most=most,
        parts=parts or {},
    )


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1_000 * (time.perf_counter() - began)
