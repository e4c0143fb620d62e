"""Whatever a writer does to a bucket while runs plan, fetch, land, are cut off and killed: nothing is lost or doubled.

A dull twin keeps what the bucket held whenever a window was planned, row by row, in Python lists. What a run landed is
what the twin says the window's files held then; in the end raw is exactly that, and holds all that is in the bucket.
"""

from __future__ import annotations

import gzip
import itertools
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from dataflow.errors import SourceMissing, SourceUnavailable
from dataflow.land import commit_windows, fetch_window, plan_windows
from dataflow.land.fetch import FetchedWindow
from dataflow.sources import PlannedWindow
from dataflow.sources.files.presence import is_mark
from tests.lib.buckets import in_bucket
from tests.lib.cutting_answers import AnswerCutter, answer_cutter
from tests.lib.deliveries import TICKET, TICKET_HEADER, opened, run
from tests.lib.servers.s3 import S3Server

Row = tuple[str, str, str]
Version = tuple[str | None, str]
"""Key as received and payload."""

HALF = "9,cut o"
HEADER = ",".join(TICKET_HEADER) + "\n"
PATHS = st.sampled_from([f"2026-03-0{day}/{name}.csv" for day in (1, 2) for name in "ab"])
# One subject for a key and a time: a window in which they differ is held back (tests/unit/land/test_unique.py).
ROWS = st.lists(
    st.tuples(st.sampled_from("123"), st.integers(1, 6)).map(
        lambda row: (row[0], "xyz"[row[1] % 3], f"2026-03-0{row[1]}")
    ),
    max_size=4,
)
CHUNK = 5 * 1024 * 1024

_buckets = itertools.count(1)


@dataclass(frozen=True)
class Content:
    """What a file holds: whole rows, then perhaps the beginning of one more that is still being written."""

    rows: tuple[Row, ...]
    half: bool = False

    @property
    def text(self) -> str:
        return HEADER + "".join(",".join(row) + "\n" for row in self.rows) + (HALF if self.half else "")

    @property
    def versions(self) -> set[Version]:
        """The whole rows: when the half one is read is for tests/spec/test_land_csv.py."""
        return {(row[0], to_json(dict(zip(TICKET_HEADER, row, strict=True)))) for row in self.rows}


def to_json(value: dict[str, str]) -> str:
    return json.dumps(value, separators=(",", ":"))


class Histories(RuleBasedStateMachine):
    """One bucket, its writer, its reader, and a lake."""

    server: S3Server
    cutter: AnswerCutter

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        home = Path(self.closing.enter_context(tempfile.TemporaryDirectory()))
        self.bucket = f"history-{next(_buckets)}"
        root = self.server.create_bucket(self.bucket)
        declared = TICKET.model_copy(update={"path": "{date}/*.csv"})
        whole = in_bucket(home, self.server, root, ticket=declared)
        reached = self.server.settings.model_copy(update={"endpoint": f"127.0.0.1:{self.cutter.port}"})
        desk = whole.sources["desk"].model_copy(update={"s3": reached})
        self.settings = whole.model_copy(update={"sources": {"desk": desk}})
        self.lake = self.closing.enter_context(opened(self.settings))
        self.client = self.server.client()
        self.held: dict[str, Content] = {}
        self.landed: set[Version] = set()
        self.uploads: dict[str, tuple[str, list[dict[str, Any]]]] = {}
        self.runs = itertools.count(1)

    def teardown(self) -> None:
        try:
            self.cutter.cut(after_bytes=0, times=0)
            self.ingest_quietly()
            assert self.landed >= {version for content in self.held.values() for version in content.versions}
            assert self.in_raw() == sorted(self.landed, key=repr)
        finally:
            self.closing.close()

    @rule(path=PATHS, rows=ROWS, half=st.booleans(), packed=st.booleans())
    def put(self, path: str, rows: list[Row], half: bool, packed: bool) -> None:
        content = Content(tuple(rows), half)
        body = content.text.encode()
        self.client.put_object(Bucket=self.bucket, Key=self._key(path), Body=gzip.compress(body) if packed else body)
        self.held[path] = content

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.held)))
        self.client.delete_object(Bucket=self.bucket, Key=self._key(path))
        del self.held[path]

    @rule(path=PATHS)
    def begin_upload(self, path: str) -> None:
        if path not in self.uploads:
            begun = self.client.create_multipart_upload(Bucket=self.bucket, Key=self._key(path))
            sent = self._send(path, begun["UploadId"], 1, (HEADER + f"7,{'p' * CHUNK},2026-03-01\n").encode())
            self.uploads[path] = (begun["UploadId"], [sent])

    @precondition(lambda self: self.uploads)
    @rule(data=st.data())
    def end_upload(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.uploads)))
        upload, parts = self.uploads.pop(path)
        parts.append(self._send(path, upload, 2, b"8,q,2026-03-01\n"))
        self.client.complete_multipart_upload(
            Bucket=self.bucket, Key=self._key(path), UploadId=upload, MultipartUpload={"Parts": parts}
        )
        self.held[path] = Content((("7", "p" * CHUNK, "2026-03-01"), ("8", "q", "2026-03-01")))

    @precondition(lambda self: self.held or self.landed)
    @rule(
        cuts=st.integers(0, 2),
        after_bytes=st.sampled_from([1, 3000, 100_000]),
        is_killed=st.booleans(),
        race=st.one_of(st.none(), st.tuples(PATHS, ROWS)),
    )
    def ingest(self, cuts: int, after_bytes: int, is_killed: bool, race: tuple[str, list[Row]] | None) -> None:
        """One run. Its connections are cut; a file is rewritten after planning; it dies before it commits."""
        self.cutter.cut(after_bytes=after_bytes, times=cuts)
        try:
            planned = plan_windows(self.lake, self.settings)
        except (SourceUnavailable, SourceMissing):
            return
        seen = dict(self.held)
        if race is not None:
            self.put(race[0], race[1], half=False, packed=False)
        fetched = [window for one in planned if (window := self._fetch(one)) is not None]
        if not is_killed:
            self._commit(fetched, seen)

    def ingest_quietly(self) -> None:
        if self.held or self.landed:
            seen = dict(self.held)
            # A half row waits for its end; it is read when the file has not changed since.
            for _ in range(2):
                windows = plan_windows(self.lake, self.settings)
                self._commit([fetch_window(one, self.settings, run(1)) for one in windows], seen)
            assert plan_windows(self.lake, self.settings) == []

    def _fetch(self, planned: PlannedWindow) -> FetchedWindow | None:
        try:
            return fetch_window(planned, self.settings, run(1))
        except (SourceUnavailable, SourceMissing):
            return None

    def _commit(self, fetched: list[FetchedWindow], seen: dict[str, Content]) -> None:
        commit_windows(self.lake, fetched, run(next(self.runs) % 24))
        for window in fetched:
            for part in window.planned.parts:
                if not is_mark(part):
                    self.landed |= seen[part.path].versions

    def _send(self, path: str, upload: str, number: int, body: bytes) -> dict[str, Any]:
        name = {"Bucket": self.bucket, "Key": self._key(path)}
        sent = self.client.upload_part(**name, UploadId=upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    def _key(self, path: str) -> str:
        return f"desk/{path}"

    def in_raw(self) -> list[Version]:
        found = self.lake.con.execute("SELECT _record_key, payload FROM lake.raw.desk_ticket").fetchall()
        return sorted((version for version in found if HALF not in version[1]), key=repr)


def test_histories_of_a_bucket(s3_tls: S3Server, rounds: Callable[[int, int], int]) -> None:
    with answer_cutter(s3_tls.port) as cutter:
        machine = type("Histories", (Histories,), {"server": s3_tls, "cutter": cutter})
        chosen = hypothesis_settings(max_examples=rounds(3, 200), stateful_step_count=12, deadline=None)
        run_state_machine_as_test(machine, settings=chosen)
