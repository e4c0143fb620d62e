"""Bulk API 2.0 query jobs: made, looked at until they are complete, fetched by locator or in parallel, aborted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.lib.servers.salesforce import soql
from tests.lib.servers.salesforce.answers import Answer, bulk_csv
from tests.lib.servers.salesforce.clock import api_time
from tests.lib.servers.salesforce.org import Org

PARALLEL_PAGES = 5
"""As many result addresses as one answer of resultPages gives."""


@dataclass
class Job:
    """One query job; its rows are those of the time it was made."""

    id: str
    operation: str
    text: str
    query: soql.Query
    rows: list[dict[str, Any]]
    made_at: str
    state: str = "UploadComplete"
    looks: int = 0
    fault: str = ""

    def as_json(self, version: str) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": self.id,
            "operation": self.operation,
            "object": self.query.type.name,
            "createdDate": self.made_at,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(version),
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }
        if self.state == "JobComplete":
            shown |= {"numberRecordsProcessed": len(self.rows), "retries": 0, "totalProcessingTime": 1}
        if self.fault:
            shown["errorMessage"] = self.fault
        return shown


@dataclass
class Bulk:
    """The org's jobs."""

    org: Org
    looks_until_complete: int = 1
    page_rows: int = 50_000
    """Rows of a page where the client names no maxRecords, as in parallel downloads."""
    fail_jobs: int = 0
    """So many of the next jobs end as Failed."""
    jobs: dict[str, Job] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, version: str, wish: Mapping[str, Any]) -> Answer:
        operation = wish.get("operation")
        if operation not in ("query", "queryAll"):
            return Answer.of_error(400, "INVALIDJOB", "operation must be query or queryAll")
        query = soql.parse(str(wish.get("query", "")), self.org)
        if query.is_count:
            return Answer.of_error(400, "FUNCTIONALITY_NOT_ENABLED", "aggregate queries are not supported")
        rows = soql.run(query, self.org, with_deleted=operation == "queryAll")
        with self.lock:
            number = len(self.jobs) + 1
            job = Job(
                f"750Qy{number:010d}AAA", operation, str(wish["query"]), query, rows, api_time(self.org.clock.now())
            )
            if self.fail_jobs:
                self.fail_jobs -= 1
                job.fault = "InternalServerError: the job failed"
            self.jobs[job.id] = job
        return Answer.of_json(job.as_json(version))

    def look(self, version: str, job_id: str) -> Answer:
        job = self.jobs.get(job_id)
        if job is None:
            return _unknown()
        if job.state in ("UploadComplete", "InProgress"):
            job.looks += 1
            done = job.looks > self.looks_until_complete
            job.state = ("Failed" if job.fault else "JobComplete") if done else "InProgress"
        return Answer.of_json(job.as_json(version))

    def abort(self, version: str, job_id: str) -> Answer:
        job = self.jobs.get(job_id)
        if job is None:
            return _unknown()
        job.state = "Aborted"
        return Answer.of_json(job.as_json(version))

    def delete(self, job_id: str) -> Answer:
        return Answer(204) if self.jobs.pop(job_id, None) else _unknown()

    def results(self, job_id: str, asked: Mapping[str, str], *, shift: int = 0, lose: int = 0) -> Answer:
        """One page; `shift` and `lose` are for faults: rows of an earlier page, rows left out at its end."""
        job = self.jobs.get(job_id)
        if job is None:
            return _unknown()
        if job.state != "JobComplete":
            return Answer.of_error(400, "INVALIDJOBSTATE", "the job is not complete")
        start, size = self._page(asked)
        if not 0 <= start <= len(job.rows) or size < 1:
            return Answer.of_error(400, "INVALID_LOCATOR", "the locator is not one of this job's")
        begin = max(start - size * shift, 0)
        rows = job.rows[begin : begin + size]
        following = start + size
        rows = rows[: len(rows) - lose]
        return Answer(
            200,
            bulk_csv(job.query.type, job.query.fields, rows),
            {
                "Content-Type": "text/csv",
                "Sforce-NumberOfRecords": str(len(rows)),
                "Sforce-Locator": _locator(following, size) if following < len(job.rows) else "null",
            },
        )

    def result_pages(self, version: str, job_id: str, asked: Mapping[str, str]) -> Answer:
        """Up to five addresses of pages, to be fetched in any order."""
        job = self.jobs.get(job_id)
        if job is None or float(version) < 58:
            return _unknown()
        if job.state != "JobComplete":
            return Answer.of_error(400, "INVALIDJOBSTATE", "the job is not complete")
        first = int(asked.get("page", "0"))
        count = max(1, -(-len(job.rows) // self.page_rows))
        shown = range(first, min(first + PARALLEL_PAGES, count))
        base = f"/services/data/v{version}/jobs/query/{job_id}"
        pages = [{"resultUrl": f"{base}/results?locator={_locator(n * self.page_rows, self.page_rows)}"} for n in shown]
        answer: dict[str, Any] = {"resultPages": pages, "done": first + PARALLEL_PAGES >= count}
        if not answer["done"]:
            answer["nextRecordsUrl"] = f"{base}/resultPages?page={first + PARALLEL_PAGES}"
        return Answer.of_json(answer)

    def _page(self, asked: Mapping[str, str]) -> tuple[int, int]:
        start, _, size = asked.get("locator", "").partition("x")
        wanted = int(size or asked.get("maxRecords") or self.page_rows)
        return int(start or 0), wanted


def _locator(start: int, size: int) -> str:
    return f"{start}x{size}"


def _unknown() -> Answer:
    return Answer.of_error(404, "NOT_FOUND", "The requested resource does not exist")
