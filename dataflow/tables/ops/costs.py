"""What runs have used of services that bill by use, in the column names of FOCUS 1.3 (focus.finops.org).

Names that begin with `x_` are not of that specification, as it asks for.
"""

from __future__ import annotations

from lakehouse.table import Column, Table

COST = Table(
    schema="ops",
    name="cost",
    grain="run and service that bills by use",
    key=("x_RunId", "ServiceName"),
    owner="data engineering",
    survives_restore=True,
    columns=(
        Column("x_RunId", "VARCHAR", "Run that used the service", "none", nullable=False),
        Column("ServiceName", "VARCHAR", "Service: BigQuery", "none", nullable=False),
        Column("ServiceCategory", "VARCHAR", "Category of the service, of FOCUS", "none", nullable=False),
        Column("ServiceProviderName", "VARCHAR", "Provider of the service", "none", nullable=False),
        Column("SubAccountId", "VARCHAR", "Project that is billed", "none", nullable=False),
        Column("RegionId", "VARCHAR", "Location of the data", "none", nullable=False),
        Column("ResourceId", "VARCHAR", "Dataset that was written", "none", nullable=False),
        Column("ChargeCategory", "VARCHAR", "Usage", "none", nullable=False),
        Column("ChargeDescription", "VARCHAR", "What was used", "none", nullable=False),
        Column("ChargePeriodStart", "TIMESTAMPTZ", "When the run started", "none", nullable=False),
        Column("ChargePeriodEnd", "TIMESTAMPTZ", "When its sinks were done", "none", nullable=False),
        Column("ConsumedQuantity", "BIGINT", "Bytes billed by the service for this run", "none", nullable=False),
        Column("ConsumedUnit", "VARCHAR", "B: bytes", "none", nullable=False),
        Column("PricingQuantity", "DOUBLE", "TiB billed by the service for this run", "none", nullable=False),
        Column("PricingUnit", "VARCHAR", "TiB", "none", nullable=False),
        Column("ListUnitPrice", "DOUBLE", "US dollars for a TiB by the public price list", "none", nullable=False),
        Column("ListCost", "DOUBLE", "US dollars by the public price list, before discounts", "none", nullable=False),
        Column("BillingCurrency", "VARCHAR", "Currency of the list: USD", "none", nullable=False),
        Column("Tags", "VARCHAR", "JSON: labels of all jobs of the run, as the bill has them", "none", nullable=False),
        Column("x_Statements", "BIGINT", "Number of statements", "none", nullable=False),
        Column("x_LoadJobs", "BIGINT", "Number of load jobs, which are free", "none", nullable=False),
        Column("x_LoadedBytes", "BIGINT", "Bytes that load jobs read", "none", nullable=False),
        Column("x_SlotMilliseconds", "BIGINT", "Milliseconds of slots, by which editions bill", "none", nullable=False),
    ),
)
