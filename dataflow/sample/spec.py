"""Describe a sample: what to generate, and what was generated."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from dataflow.errors import UsageError

# Share of a day's delivered rows by object; half CRM, three tenths orders database, a fifth tickets.
SHARES: dict[tuple[str, str], float] = {
    ("salesforce", "account"): 0.08,
    ("salesforce", "contact"): 0.28,
    ("salesforce", "lead"): 0.14,
    ("mysql", "customers"): 0.07,
    ("mysql", "addresses"): 0.07,
    ("mysql", "orders"): 0.08,
    ("mysql", "order_items"): 0.08,
    ("tickets", "ticket"): 0.20,
}


@dataclass(frozen=True, kw_only=True)
class SampleSpec:
    """Size, seed and first day of a sample.

    The sample's clock starts at `start`, never today, so that the same spec gives the same bytes.
    From `drift_day` on (1 is the first day) a Salesforce field and a CSV column appear; 0 switches drift off.
    """

    days: int = 1
    records_per_day: int = 100_000
    seed: int = 20260101
    start: date = date(2026, 1, 1)
    drift_day: int = 3

    def __post_init__(self) -> None:
        if self.days < 1:
            raise UsageError(f"A sample has at least one day; days = {self.days}.", next_move="Use 1 or more.")
        if self.records_per_day < 500:
            raise UsageError(
                "A sample has at least 500 records a day, so that each object and each defect appears; "
                f"records_per_day = {self.records_per_day}.",
                next_move="Use 500 or more.",
            )

    def quota(self) -> dict[tuple[str, str], int]:
        """Return the rows to deliver by (source, object) on each day; their sum is `records_per_day`."""
        rows = {key: int(self.records_per_day * share) for key, share in SHARES.items()}
        rows["salesforce", "contact"] += self.records_per_day - sum(rows.values())
        return rows


@dataclass(frozen=True, kw_only=True)
class SampleSummary:
    """What `generate` wrote; `counts` is the content of truth/counts.json."""

    root: Path
    days: int
    records: int
    entities: int
    defects: int
    counts: dict[str, object] = field(repr=False)
