"""The published tables: customer 360, history, orders, tickets, features, segments, key figures, crosswalk."""

from __future__ import annotations

from dataflow.tables.columns import ENTITY_TYPES, MONEY, RUN_ID, row_of, value_of
from dataflow.tables.enriched import LIFECYCLE_STAGES
from dataflow.tables.meaning import MEANING
from lakehouse.table import Column, SubjectColumn, Table

_CUSTOMER_ID = Column("customer_id", "VARCHAR", "Customer", "pseudonym", nullable=False)

_PROFILE = (
    Column("entity_type", "VARCHAR", "What the customer is", "none", nullable=False, values=ENTITY_TYPES),
    Column("full_name", "VARCHAR", "Name as one line", "identity"),
    Column("given_name", "VARCHAR", "Given name", "identity"),
    Column("surname", "VARCHAR", "Family name", "identity"),
    Column("date_of_birth", "DATE", "Date of birth", "identity"),
    Column("company_name", "VARCHAR", "The company, or the employer", "identity"),
    Column("parent_customer_id", "VARCHAR", "Customer that is the employer or parent company", "pseudonym"),
    Column("email", "VARCHAR", "Best e-mail address", "contact"),
    Column("phone", "VARCHAR", "Best telephone number, E.164", "contact"),
    Column("street", "VARCHAR", "Street and house number", "contact"),
    Column("city", "VARCHAR", "City", "contact"),
    Column("region", "VARCHAR", "State or province", "contact"),
    Column("postcode", "VARCHAR", "Postal code", "contact"),
    Column("country_code", "VARCHAR", "ISO 3166-1 alpha-2", "contact"),
    Column("latitude", "DOUBLE", "Degrees north", "contact"),
    Column("longitude", "DOUBLE", "Degrees east", "contact"),
    Column("time_zone", "VARCHAR", "IANA time zone", "contact"),
    Column("website_domain", "VARCHAR", "Domain of the company", "contact"),
    Column("industry_code", "VARCHAR", "NAICS sector, two digits", "none"),
    Column("industry_name", "VARCHAR", "Name of the sector", "none"),
    Column("employee_count", "BIGINT", "Employees", "none"),
    Column("annual_revenue_usd", "BIGINT", "Annual revenue, US dollars", "none"),
    Column("crm_status", "VARCHAR", "Status in the CRM", "behaviour"),
    Column("lifecycle_stage", "VARCHAR", "Lifecycle stage of the customer", "behaviour", values=LIFECYCLE_STAGES),
    Column("lifecycle_score", "DOUBLE", "0 to 100", "behaviour"),
    Column("order_count", "BIGINT", "Orders, without cancelled ones and refunds", "behaviour", nullable=False),
    Column("order_amount", MONEY, "Total of those orders in the base currency", "behaviour", nullable=False),
    Column("first_order_at", "TIMESTAMPTZ", "First order", "behaviour"),
    Column("last_order_at", "TIMESTAMPTZ", "Last order", "behaviour"),
    Column("ticket_count", "BIGINT", "Tickets", "behaviour", nullable=False),
    Column("open_ticket_count", "BIGINT", "Tickets neither solved nor closed", "behaviour", nullable=False),
    Column("last_ticket_at", "TIMESTAMPTZ", "Last ticket", "behaviour"),
    Column("record_count", "BIGINT", "Source records behind this customer", "none", nullable=False),
    Column("sources", "VARCHAR[]", "Sources with records of this customer, sorted", "behaviour", nullable=False),
    Column(
        "confidence",
        "DOUBLE",
        "Weakest link that holds the records together; 1 for a single record",
        "none",
        nullable=False,
    ),
    Column("first_seen_at", "TIMESTAMPTZ", "Oldest record made", "behaviour"),
    Column("last_seen_at", "TIMESTAMPTZ", "Newest record change", "behaviour"),
)


def _published(
    name: str,
    grain: str,
    key: tuple[str, ...],
    columns: tuple[Column, ...],
    *,
    subjects: tuple[SubjectColumn, ...] = (row_of("customer", "customer_id"),),
    survives_restore: bool = False,
) -> Table:
    return Table(
        schema="published",
        name=name,
        grain=grain,
        key=key,
        owner="analytics",
        subjects=subjects,
        survives_restore=survives_restore,
        columns=(*columns, RUN_ID),
    )


_PROFILE_SUBJECTS = (row_of("customer", "customer_id"), value_of("customer", "parent_customer_id"))

CUSTOMER_360 = _published(
    "customer_360", "customer", ("customer_id",), (_CUSTOMER_ID, *_PROFILE), subjects=_PROFILE_SUBJECTS
)

CUSTOMER_HISTORY = _published(
    "customer_history",
    "state of a customer between two publications that changed it",
    ("customer_id", "valid_from"),
    (
        _CUSTOMER_ID,
        Column("valid_from", "TIMESTAMPTZ", "Publication that began this state, inclusive", "none", nullable=False),
        Column("valid_to", "TIMESTAMPTZ", "Publication that ended it, exclusive; null for the current state", "none"),
        *_PROFILE,
    ),
    survives_restore=True,
    subjects=_PROFILE_SUBJECTS,
)

ORDERS = _published(
    "orders",
    "order",
    ("order_id",),
    (
        Column("order_id", "VARCHAR", "source|object|record key", "pseudonym", nullable=False),
        Column("customer_id", "VARCHAR", "Customer that ordered", "pseudonym"),
        Column("order_number", "VARCHAR", "Number shown to the customer", "pseudonym"),
        Column("ordered_at", "TIMESTAMPTZ", "When it was ordered", "behaviour"),
        Column("status", "VARCHAR", "State of the order", "behaviour", values=MEANING.order_states),
        Column("currency_code", "VARCHAR", "ISO 4217", "behaviour"),
        Column("amount", MONEY, "Total in the order's currency", "behaviour"),
        Column("base_amount", MONEY, "Total in the base currency", "behaviour"),
        Column("item_count", "BIGINT", "Lines", "behaviour", nullable=False),
        Column("piece_count", "BIGINT", "Quantity over all lines", "behaviour", nullable=False),
        Column("categories", "VARCHAR[]", "Product categories, sorted", "behaviour", nullable=False),
    ),
    subjects=(row_of("customer", "customer_id", "order_number"), row_of("record", "order_id")),
)

TICKETS = _published(
    "tickets",
    "support ticket",
    ("ticket_id",),
    (
        Column("ticket_id", "VARCHAR", "source|object|record key", "pseudonym", nullable=False),
        Column("customer_id", "VARCHAR", "Customer that asked", "pseudonym"),
        Column("subject", "VARCHAR", "Subject line", "free_text"),
        Column("category", "VARCHAR", "Category", "behaviour"),
        Column("priority", "VARCHAR", "How urgent the ticket is", "behaviour", values=MEANING.priorities),
        Column("status", "VARCHAR", "State of the ticket", "behaviour", values=MEANING.ticket_states),
        Column("channel", "VARCHAR", "email, phone, chat, web", "behaviour"),
        Column("opened_at", "TIMESTAMPTZ", "When it was opened", "behaviour"),
        Column("first_response_at", "TIMESTAMPTZ", "When it was first answered", "behaviour"),
        Column("closed_at", "TIMESTAMPTZ", "When it was closed", "behaviour"),
        Column("first_response_hours", "DOUBLE", "Hours from opened to first answer", "behaviour"),
        Column("resolution_hours", "DOUBLE", "Hours from opened to closed", "behaviour"),
    ),
    subjects=(row_of("customer", "customer_id"), row_of("record", "ticket_id")),
)

CUSTOMER_FEATURES = _published(
    "customer_features",
    "customer and first day of a month, from events before that day only",
    ("customer_id", "feature_date"),
    (
        _CUSTOMER_ID,
        Column("feature_date", "DATE", "Only events before this day (UTC) count", "none", nullable=False),
        Column("tenure_days", "BIGINT", "Days since the customer was first seen", "behaviour"),
        Column("recency_days", "BIGINT", "Days since the last order", "behaviour"),
        Column("order_count_30d", "BIGINT", "Orders in the 30 days before", "behaviour", nullable=False),
        Column("order_count_90d", "BIGINT", "Orders in the 90 days before", "behaviour", nullable=False),
        Column("order_count_365d", "BIGINT", "Orders in the 365 days before", "behaviour", nullable=False),
        Column(
            "order_amount_90d",
            MONEY,
            "Total of orders in the 90 days before, base currency",
            "behaviour",
            nullable=False,
        ),
        Column(
            "order_amount_365d",
            MONEY,
            "Total of orders in the 365 days before, base currency",
            "behaviour",
            nullable=False,
        ),
        Column("average_order_amount", "DOUBLE", "Mean over all orders so far, base currency", "behaviour"),
        Column("category_count", "BIGINT", "Different product categories so far", "behaviour", nullable=False),
        Column("ticket_count_90d", "BIGINT", "Tickets in the 90 days before", "behaviour", nullable=False),
        Column(
            "urgent_ticket_count_365d",
            "BIGINT",
            "Urgent tickets in the 365 days before",
            "behaviour",
            nullable=False,
        ),
        Column("mean_resolution_hours", "DOUBLE", "Mean hours to close, of tickets closed before the day", "behaviour"),
    ),
)

SEGMENTS = _published(
    "segments",
    "customer and segment that it belongs to",
    ("customer_id", "segment_code"),
    (
        _CUSTOMER_ID,
        Column("segment_code", "VARCHAR", "Code of the segment", "behaviour", nullable=False),
        Column("segment_name", "VARCHAR", "Name of the segment", "behaviour", nullable=False),
        Column(
            "entered_at",
            "TIMESTAMPTZ",
            "Publication in which the customer entered the segment",
            "behaviour",
            nullable=False,
            volatile=True,
        ),
    ),
)

KPI_UNITS = ("count", "base currency", "hours", "share")

KPI_DAILY = _published(
    "kpi_daily",
    "day and key figure",
    ("kpi_date", "kpi_code"),
    (
        Column("kpi_date", "DATE", "Day, UTC", "none", nullable=False),
        Column("kpi_code", "VARCHAR", "Code of the figure", "none", nullable=False),
        Column("kpi_name", "VARCHAR", "Name of the figure", "none", nullable=False),
        Column("value", "DOUBLE", "The figure", "none", nullable=False),
        Column("unit", "VARCHAR", "What the figure counts", "none", nullable=False, values=KPI_UNITS),
    ),
    subjects=(),
)

XREF = _published(
    "xref",
    "source record",
    ("record_id",),
    (
        Column("record_id", "VARCHAR", "source|object|record key", "pseudonym", nullable=False),
        Column("source", "VARCHAR", "Source system", "none", nullable=False),
        Column("object", "VARCHAR", "Object of that source", "none", nullable=False),
        Column("record_key", "VARCHAR", "Key in that object", "pseudonym", nullable=False),
        _CUSTOMER_ID,
        Column("confidence", "DOUBLE", "Strength of the record's best link", "none", nullable=False),
    ),
    subjects=(row_of("customer", "customer_id"), row_of("record", "record_id", "record_key")),
)

REDIRECTS = _published(
    "redirects",
    "retired customer id",
    ("customer_id",),
    (
        _CUSTOMER_ID,
        Column(
            "to_customer_id",
            "VARCHAR",
            "Current id that replaces it; null where all its records are gone",
            "pseudonym",
        ),
        Column("redirected_at", "TIMESTAMPTZ", "When", "none", nullable=False, volatile=True),
    ),
    subjects=(row_of("customer", "customer_id"), row_of("customer", "to_customer_id")),
)

TABLES = (
    CUSTOMER_360,
    CUSTOMER_HISTORY,
    ORDERS,
    TICKETS,
    CUSTOMER_FEATURES,
    SEGMENTS,
    KPI_DAILY,
    XREF,
    REDIRECTS,
)
