"""The API's resources: which address answers what."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from tests.lib.servers.salesforce import soql
from tests.lib.servers.salesforce.answers import Answer, describe, rest_record, summary
from tests.lib.servers.salesforce.bulk import Bulk
from tests.lib.servers.salesforce.clock import api_time
from tests.lib.servers.salesforce.faults import Fault
from tests.lib.servers.salesforce.org import Org

LOG_DAYS = 15
"""getDeleted and getUpdated reach back this far."""
LOG_IDS = 600_000


@dataclass(frozen=True)
class Call:
    """A request, taken apart."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, body: bytes) -> Call:
        path, _, query = target.partition("?")
        return cls(method, path.rstrip("/"), dict(parse_qsl(query, keep_blank_values=True)), body)


@dataclass
class Api:
    """The data resources of the org, with its paging and its limits."""

    org: Org
    bulk: Bulk
    page_rows: int = 2_000
    daily_calls: int = 15_000
    used: int = 0
    log_ids: int = LOG_IDS
    log_lag: timedelta = timedelta()
    """How far latestDateCovered lies behind the clock."""
    cursors: dict[str, tuple[soql.Query, list[dict[str, Any]]]] = field(default_factory=dict)

    def answer(self, call: Call, fault: Fault | None) -> Answer:
        """Answer one call; `fault` is one that changes the content of a page."""
        match = re.fullmatch(r"/services/data/v(\d+\.\d)(/.*)?", call.path)
        if match is None:
            return _not_found()
        version, rest = match[1], match[2] or ""
        self.used += 1
        try:
            found = self._route(version, rest, call, fault)
        except soql.SoqlError as error:
            found = Answer.of_error(400, error.code, str(error))
        found.headers["Sforce-Limit-Info"] = f"api-usage={self.used}/{self.daily_calls}"
        return found

    def _route(self, version: str, rest: str, call: Call, fault: Fault | None) -> Answer:
        kind = fault.kind if fault else ""
        shift, lose = int(kind == "duplicate_page"), int(kind == "lost_row")
        match rest.strip("/").split("/"):
            case ["limits"]:
                return self._limits()
            case ["sobjects"]:
                listed = [summary(one) for one in self.org.types.values()]
                return Answer.of_json({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})
            case ["sobjects", name, *_] if name not in self.org.types:
                return _not_found()
            case ["sobjects", name, "describe"]:
                return Answer.of_json(describe(self.org, self.org.types[name]))
            case ["sobjects", name, "deleted" | "updated" as what]:
                return self._log(name, what, call)
            case ["query" | "queryAll" as what]:
                return self._query(version, call, with_deleted=what == "queryAll")
            case ["query" | "queryAll", cursor]:
                return self._more(version, cursor, shift=shift, lose=lose)
            case ["jobs", "query"] if call.method == "POST":
                return self.bulk.create(version, json.loads(call.body))
            case ["jobs", "query", job] if call.method == "GET":
                return self.bulk.look(version, job)
            case ["jobs", "query", job] if call.method == "PATCH":
                return self.bulk.abort(version, job)
            case ["jobs", "query", job] if call.method == "DELETE":
                return self.bulk.delete(job)
            case ["jobs", "query", job, "results"]:
                return self.bulk.results(job, call.query, shift=shift, lose=lose)
            case ["jobs", "query", job, "resultPages"]:
                return self.bulk.result_pages(version, job, call.query)
        return _not_found()

    def _limits(self) -> Answer:
        left = max(self.daily_calls - self.used, 0)
        jobs = {"Max": 10_000, "Remaining": 10_000 - len(self.bulk.jobs)}
        return Answer.of_json({"DailyApiRequests": {"Max": self.daily_calls, "Remaining": left},
                               "DailyBulkV2QueryJobs": jobs})  # fmt: skip

    def _query(self, version: str, call: Call, *, with_deleted: bool) -> Answer:
        query = soql.parse(call.query.get("q", ""), self.org)
        rows = soql.run(query, self.org, with_deleted=with_deleted)
        if query.is_count:
            return Answer.of_json({"totalSize": len(rows), "done": True, "records": []})
        cursor = f"01gQy{len(self.cursors) + 1:010d}AAA"
        self.cursors[cursor] = (query, rows)
        return self._page(version, cursor, 0)

    def _more(self, version: str, locator: str, *, shift: int, lose: int) -> Answer:
        cursor, _, start = locator.rpartition("-")
        if cursor not in self.cursors or not start.isdecimal():
            return Answer.of_error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(version, cursor, int(start), shift=shift, lose=lose)

    def _page(self, version: str, cursor: str, start: int, *, shift: int = 0, lose: int = 0) -> Answer:
        query, rows = self.cursors[cursor]
        begin = max(start - self.page_rows * shift, 0)
        shown = rows[begin : begin + self.page_rows]
        shown = shown[: len(shown) - lose]
        following = start + self.page_rows
        head = f'"totalSize":{len(rows)},"done":{str(following >= len(rows)).lower()}'
        if following < len(rows):
            head += f',"nextRecordsUrl":"/services/data/v{version}/query/{cursor}-{following}"'
        records = ",".join(rest_record(version, query.type, query.fields, row) for row in shown)
        return Answer(
            200, f'{{{head},"records":[{records}]}}'.encode(), {"Content-Type": "application/json;charset=UTF-8"}
        )

    def _log(self, name: str, what: str, call: Call) -> Answer:
        now = self.org.clock.now()
        try:
            start, end = (_timestamp(call.query[word]) for word in ("start", "end"))
        except (KeyError, ValueError):
            return Answer.of_error(400, "INVALID_REPLICATION_DATE", "start and end are needed as dates with a zone")
        if start < now - timedelta(days=LOG_DAYS, hours=1):
            return Answer.of_error(400, "INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
        if end - start < timedelta(minutes=1):
            return Answer.of_error(400, "INVALID_REPLICATION_DATE", "startDate must be at least one minute earlier")
        covered = api_time(now - self.log_lag)
        if what == "updated":
            rows = self.org.visible(name)
            ids = [row["Id"] for row in rows if start <= row["SystemModstamp"] < end]
            return Answer.of_json({"ids": ids[: self.log_ids], "latestDateCovered": covered})
        end = min(end, now - self.log_lag + timedelta(seconds=1)) if self.log_lag else end
        found = self.org.deleted(name, start, end)
        if len(found) > self.log_ids:
            return Answer.of_error(400, "EXCEEDED_ID_LIMIT", "too many ids: narrow the time range")
        records = [{"id": one.id, "deletedDate": api_time(one.at)} for one in found]
        earliest = self.org.log_begins or now - timedelta(days=LOG_DAYS)
        return Answer.of_json(
            {"deletedRecords": records, "earliestDateAvailable": api_time(earliest), "latestDateCovered": covered}
        )


def _timestamp(text: str) -> datetime:
    # A plus that was not escaped arrives as a space, and Salesforce takes it.
    timestamp = datetime.fromisoformat(text.replace(" ", "+"))
    if timestamp.tzinfo is None:
        raise ValueError("a zone is needed")
    return timestamp.astimezone(UTC)


def _not_found() -> Answer:
    return Answer.of_error(404, "NOT_FOUND", "The requested resource does not exist")
