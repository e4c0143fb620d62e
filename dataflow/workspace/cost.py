"""What a step has used of a service that bills by use, and its row in `ops.cost`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from dataflow.tables.ops import COST
from lakehouse.table import column_list, literal, timestamp_literal

COST_FACT = "cost"
"""Fact of a report: what its step has used, as `Cost.as_fact` returns it."""

_BYTES_PER_TIB = 2**40


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one service has billed for a step. `dollars_per_tib` is its list price."""

    service: str
    category: str
    provider: str
    account: str
    region: str
    resource: str
    dollars_per_tib: float
    bytes_billed: int
    bytes_loaded: int
    statements: int
    load_jobs: int
    slot_milliseconds: int
    labels: Mapping[str, str] = field(default_factory=dict)

    def as_fact(self) -> dict[str, Any]:
        """Return it as a fact of a report."""
        return asdict(self)


def dollars(read: int, per_tib: float) -> float:
    """Return what reading bytes costs at a price for each TiB, in millionths of a dollar rounded."""
    return round(read / _BYTES_PER_TIB * per_tib, 6)


def write_costs(
    con: duckdb.DuckDBPyConnection,
    costs: Sequence[Cost],
    *,
    run_id: str,
    started_at: datetime,
    ended_at: datetime,
) -> None:
    """Write the rows of a run inside the caller's transaction, in place of former ones of the same run and service."""
    for cost in costs:
        values = {
            "x_RunId": literal(run_id),
            "ServiceName": literal(cost.service),
            "ServiceCategory": literal(cost.category),
            "ServiceProviderName": literal(cost.provider),
            "SubAccountId": literal(cost.account),
            "RegionId": literal(cost.region),
            "ResourceId": literal(cost.resource),
            "ChargeCategory": literal("Usage"),
            "ChargeDescription": literal("Bytes that statements read to publish"),
            "ChargePeriodStart": timestamp_literal(started_at),
            "ChargePeriodEnd": timestamp_literal(ended_at),
            "ConsumedQuantity": str(cost.bytes_billed),
            "ConsumedUnit": literal("B"),
            "PricingQuantity": repr(cost.bytes_billed / _BYTES_PER_TIB),
            "PricingUnit": literal("TiB"),
            "ListUnitPrice": repr(cost.dollars_per_tib),
            "ListCost": repr(dollars(cost.bytes_billed, cost.dollars_per_tib)),
            "BillingCurrency": literal("USD"),
            "Tags": literal(json.dumps(dict(cost.labels), sort_keys=True)),
            "x_Statements": str(cost.statements),
            "x_LoadJobs": str(cost.load_jobs),
            "x_LoadedBytes": str(cost.bytes_loaded),
            "x_SlotMilliseconds": str(cost.slot_milliseconds),
        }
        same = f'"x_RunId" = {values["x_RunId"]} AND "ServiceName" = {values["ServiceName"]}'
        con.execute(f"DELETE FROM {COST.in_lake} WHERE {same}")
        con.execute(f"INSERT INTO {COST.in_lake} ({column_list(values)}) VALUES ({', '.join(values.values())})")
