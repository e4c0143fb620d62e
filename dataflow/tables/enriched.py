"""Enrichments of customers by providers. Every row carries provider, version, time and expiry."""

from __future__ import annotations

from dataflow.tables.columns import RUN_ID, row_of
from lakehouse.table import Column, Table

_CUSTOMER = Column("customer_id", "VARCHAR", "Customer", "pseudonym", nullable=False)
_PROVENANCE = (
    Column("provider", "VARCHAR", "Provider of the value", "none", nullable=False),
    Column("provider_version", "VARCHAR", "Build or release of the provider's data", "none", nullable=False),
    Column("obtained_at", "TIMESTAMPTZ", "When it was looked up", "none", nullable=False, volatile=True),
    # Not volatile: a value that was looked up again and is unchanged must get its new date, or every later run would
    # look it up again.
    Column("expires_at", "TIMESTAMPTZ", "When it must be looked up or computed again", "none", nullable=False),
    RUN_ID,
)


def _enrichment(name: str, grain: str, columns: tuple[Column, ...]) -> Table:
    return Table(
        schema="enriched",
        name=name,
        grain=grain,
        key=("customer_id",),
        owner="data engineering",
        subjects=(row_of("customer", "customer_id"),),
        columns=(_CUSTOMER, *columns, *_PROVENANCE),
    )


GEOGRAPHY = _enrichment(
    "geography",
    "customer whose place is known",
    (
        Column("country_code", "VARCHAR", "ISO 3166-1 alpha-2", "contact"),
        Column("region", "VARCHAR", "State or province", "contact"),
        Column("city", "VARCHAR", "City", "contact"),
        Column("latitude", "DOUBLE", "Degrees north", "contact"),
        Column("longitude", "DOUBLE", "Degrees east", "contact"),
        Column("time_zone", "VARCHAR", "IANA time zone", "contact"),
        Column("ip_country_code", "VARCHAR", "Country of the network address", "online"),
        Column("method", "VARCHAR", "address or ip", "none", nullable=False),
    ),
)

FIRMOGRAPHICS = _enrichment(
    "firmographics",
    "company, or person with a known employer, that the provider knows",
    (
        Column("domain", "VARCHAR", "Domain used for the look-up", "contact", nullable=False),
        Column("company_name", "VARCHAR", "Company name at the provider", "identity"),
        Column("employee_count", "BIGINT", "Employees", "none"),
        Column("annual_revenue_usd", "BIGINT", "Annual revenue, US dollars", "none"),
        Column("founded_year", "BIGINT", "Year of foundation", "none"),
        Column("naics_code", "VARCHAR", "North American Industry Classification", "none"),
        Column("country_code", "VARCHAR", "ISO 3166-1 alpha-2", "contact"),
    ),
)

INDUSTRY = _enrichment(
    "industry",
    "customer whose industry is known",
    (
        Column("industry_code", "VARCHAR", "NAICS sector, two digits", "none", nullable=False),
        Column("industry_name", "VARCHAR", "Name of the sector", "none", nullable=False),
        Column("method", "VARCHAR", "firmographics or keyword", "none", nullable=False),
    ),
)

LIFECYCLE_STAGES = ("lead", "new", "active", "loyal", "at_risk", "lapsed")

LIFECYCLE = _enrichment(
    "lifecycle",
    "customer",
    (
        Column("stage", "VARCHAR", "Lifecycle stage", "behaviour", nullable=False, values=LIFECYCLE_STAGES),
        Column(
            "score",
            "DOUBLE",
            "0 to 100: recency, frequency, value and support load",
            "behaviour",
            nullable=False,
        ),
        Column(
            "recency_band",
            "VARCHAR",
            "Days since the last order: 0-30, 31-90, 91-180, 181-365, over, never",
            "behaviour",
            nullable=False,
        ),
    ),
)

TABLES = (GEOGRAPHY, FIRMOGRAPHICS, INDUSTRY, LIFECYCLE)
