"""Jobs of BigQuery under ids of our own, so that a killed run's job is found and none is done twice.

An id is `df-LAKE-PUBLICATION-SUBJECT-ATTEMPT`. A job that runs is waited for; one that is done is taken as it is, where
its labels say that it was for the same content; a failed id stays taken, and the next attempt is made.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dataflow.errors import SinkError, WarehouseDiffers
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.bigquery.client import Connection, meaning_of_reason
from dataflow.workspace.cost import Cost

_LABEL = "dataflow"
_POLL_SECONDS = (0.05, 2.0)
"""The first and the longest pause between two looks at a job."""
_MOST_ATTEMPTS = 50
"""Of one publication and subject: 1,500 load jobs may be started for a table each day."""
_WAIT_FOR_OTHERS_SECONDS = 60.0
_MISMATCH = re.compile(r"df-differs [\w :,./-]*")
"""What a check of our own raises: names of tables and counts."""


DOLLARS_PER_TIB = 6.25
"""List price of on-demand queries in the multi-regions EU and US (cloud.google.com/bigquery/pricing, 2026-11)."""


@dataclass
class Spent:
    """What the jobs of one run have used."""

    bytes_billed: int = 0
    slot_milliseconds: int = 0
    bytes_loaded: int = 0
    statements: int = 0
    load_jobs: int = 0

    def add(self, job: Any) -> None:
        """Add a finished job."""
        if job.job_type == "load":
            self.load_jobs += 1
        else:
            self.statements += 1
        self.bytes_billed += int(getattr(job, "total_bytes_billed", 0) or 0)
        self.slot_milliseconds += int(getattr(job, "slot_millis", 0) or 0)
        self.bytes_loaded += int(getattr(job, "input_file_bytes", 0) or 0)


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Start and await the jobs of one publication of one lake."""

    connection: Connection
    lake_id: str
    publication: int
    run_id: str
    maximum_bytes_billed: int
    spent: Spent = field(default_factory=Spent)

    @classmethod
    def of(
        cls, connection: Connection, settings: Settings, publication: Publication, *, lake_id: str, spent: Spent
    ) -> Jobs:
        return cls(
            spent=spent,
            connection=connection,
            lake_id=lake_id,
            publication=publication.number,
            run_id=publication.run_id,
            maximum_bytes_billed=settings.warehouse.bigquery.maximum_bytes_billed,
        )

    @property
    def prefix(self) -> str:
        """Return the beginning of the ids of all jobs of this lake."""
        return f"df-{self.lake_id[:8]}-"

    def cost(self, dataset: str) -> Cost:
        """Return what the jobs have used so far."""
        return Cost(
            service="BigQuery",
            category="Analytics",
            provider="Google Cloud",
            account=self.connection.client.project,
            region=self.connection.location,
            resource=dataset,
            dollars_per_tib=DOLLARS_PER_TIB,
            bytes_billed=self.spent.bytes_billed,
            bytes_loaded=self.spent.bytes_loaded,
            statements=self.spent.statements,
            load_jobs=self.spent.load_jobs,
            slot_milliseconds=self.spent.slot_milliseconds,
            labels=self.labels(),
        )

    def labels(self, **more: str) -> dict[str, str]:
        """Return the labels of a job: lower case, no more than 63 characters."""
        labels = {_LABEL: "warehouse", "lake": self.lake_id[:8], "run": self.run_id, **more}
        return {name: re.sub(r"[^a-z0-9_-]", "-", value.lower())[:63] for name, value in labels.items()}

    def once(
        self,
        subject: str,
        start: Callable[[str, int, float], Any],
        *,
        doing: str,
        content: Mapping[str, str],
        accept: Callable[[Any], bool],
    ) -> Any:
        """Return the finished job of a subject; start it unless it has been started with the same content.

        `start` gets id, attempt and timeout. `accept` says of a job found done whether its result is still there.
        Raises: SinkError.
        """
        from google.api_core.exceptions import Conflict, GoogleAPICallError

        for attempt in range(_MOST_ATTEMPTS):
            job_id = f"{self.prefix}{self.publication}-{subject}-{attempt}"
            found = self._find(job_id, doing)
            if found is not None:
                done = self.wait(found, doing)
                if not done.error_result and dict(content).items() <= (done.labels or {}).items() and accept(done):
                    return done
                continue
            try:
                job = self.connection.call(doing, partial(start, job_id, attempt))
            except Conflict:
                # The answer to our own request was lost, or another process has started it meanwhile.
                job = self._find(job_id, doing)
                if job is None:
                    continue
            except GoogleAPICallError as error:
                raise self.connection.explain(doing, error) from None
            done = self.wait(job, doing)
            self.spent.add(done)
            if not done.error_result:
                return done
            raise self._failed(doing, done)
        raise SinkError(f"{doing}: {_MOST_ATTEMPTS} jobs of BigQuery have failed.", next_move="See their errors there.")

    def query(self, sql: str, doing: str, *, maximum_bytes_billed: int | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a statement that changes nothing, or nothing that may not be done twice."""
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(
            labels=self.labels(), maximum_bytes_billed=maximum_bytes_billed or self.maximum_bytes_billed
        )

        def ask(seconds: float) -> Any:
            return self.connection.client.query(
                sql, job_config=config, location=self.connection.location, retry=None, job_retry=None, timeout=seconds
            )

        job = self.wait(self.connection.call(doing, ask), doing)
        self.spent.add(job)
        if job.error_result:
            raise self._failed(doing, job)
        rows = self.connection.call(
            doing, lambda seconds: list(job.result(retry=None, job_retry=None, timeout=seconds))
        )
        return [tuple(row) for row in rows]

    def estimate(self, sql: str, doing: str) -> int:
        """Return how many bytes a statement would read, without running it (a dry run is free). Raises: SinkError."""
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(labels=self.labels(), dry_run=True, use_query_cache=False)
        job = self.connection.ask(
            doing, "query", sql, job_config=config, location=self.connection.location, job_retry=None
        )
        return int(job.total_bytes_processed or 0)

    def wait(self, job: Any, doing: str) -> Any:
        """Return a job when it is done. Raises: SinkTimeout at the deadline, with the job still running."""
        pause, longest = _POLL_SECONDS
        while job.state != "DONE":
            self.connection.sleep(doing, pause)
            pause = min(pause * 2, longest)
            job = self._find(job.job_id, doing) or job
        return job

    def end_others(self, doing: str) -> None:
        """Wait for transactions of this lake that a killed run has left running; cancel one that lasts.

        Raises: SinkError, SinkTimeout.
        """
        for state in ("running", "pending"):
            found = self.connection.list_all(doing, "list_jobs", state_filter=state)
            for job in found:
                if job.job_id.startswith(self.prefix) and "-transaction-" in job.job_id:
                    self._end(job, doing)

    def _end(self, job: Any, doing: str) -> None:
        until = time.monotonic() + _WAIT_FOR_OTHERS_SECONDS
        while job.state != "DONE":
            if time.monotonic() > until:
                self.connection.ask(doing, "cancel_job", job.job_id, location=self.connection.location)
            self.connection.sleep(doing, _POLL_SECONDS[1] / 4)
            job = self._find(job.job_id, doing) or job

    def _find(self, job_id: str, doing: str) -> Any:
        """Return a job by its id; None where it was never started."""
        return self.connection.find(doing, "get_job", job_id, location=self.connection.location)

    def _failed(self, doing: str, job: Any) -> SinkError:
        """Return what a failed job means. Its message can quote a row; only our own checks' text is kept."""
        message, reason = str(job.error_result.get("message", "")), str(job.error_result.get("reason", ""))
        if own := _MISMATCH.search(message):
            differs = own[0].removeprefix("df-differs ").strip(" .")
            return WarehouseDiffers(
                f"The warehouse would differ from the lake: {differs}. The transaction was rolled back."
            )
        found, next_move = meaning_of_reason(reason)
        return SinkError(f"{doing}: the job {job.job_id} failed: {found}.", next_move=next_move)
