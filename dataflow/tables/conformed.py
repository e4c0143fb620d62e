"""Our model of a source record: customer records, orders, order items, tickets."""

from __future__ import annotations

from dataflow.tables.columns import ENTITY_TYPES, LINEAGE, MONEY, row_of, value_of
from dataflow.tables.meaning import MEANING
from lakehouse.table import Column, Table

CUSTOMER_RECORD = Table(
    schema="conformed",
    name="customer_record",
    grain="record of a source that describes a person or a company",
    key=("record_id",),
    owner="data engineering",
    subjects=(row_of("record", "record_id", "_record_key", "_row_hash"), value_of("record", "parent_record_id")),
    columns=(
        Column("record_id", "VARCHAR", "source|object|record key", "pseudonym", nullable=False),
        Column("entity_type", "VARCHAR", "What the customer is", "none", nullable=False, values=ENTITY_TYPES),
        Column("full_name", "VARCHAR", "Name as one line, of a person or of a company", "identity"),
        Column("given_name", "VARCHAR", "Given name or names", "identity"),
        Column("surname", "VARCHAR", "Family name", "identity"),
        Column("name_suffix", "VARCHAR", "Generation: jr, sr, ii, iii", "identity"),
        Column("date_of_birth", "DATE", "Date of birth", "identity"),
        Column("company_name", "VARCHAR", "The company, or a person's employer", "identity"),
        Column("legal_form", "VARCHAR", "Legal form taken from the company name: inc, gmbh, ltd, …", "none"),
        Column("email", "VARCHAR", "E-mail address, validated, in lower case", "contact"),
        Column(
            "email_canonical",
            "VARCHAR",
            "E-mail without tags and ignored dots; null for a role mailbox",
            "contact",
        ),
        Column("email_domain", "VARCHAR", "Domain of the e-mail address", "contact"),
        Column(
            "is_role_mailbox", "BOOLEAN", "The e-mail is a role mailbox, such as info@, of no one person", "contact"
        ),
        Column("further_emails", "VARCHAR", "Other addresses of the same field, separated by blanks", "contact"),
        Column("phone", "VARCHAR", "Telephone number in E.164; null for placeholders", "contact"),
        Column("further_phones", "VARCHAR", "Other numbers of the same field in E.164, separated by blanks", "contact"),
        Column("street", "VARCHAR", "Street without the house number", "contact"),
        Column("house_number", "VARCHAR", "House number with its letter", "contact"),
        Column("unit", "VARCHAR", "Flat, suite, floor", "contact"),
        Column("city", "VARCHAR", "City", "contact"),
        Column("region", "VARCHAR", "State or province", "contact"),
        Column("postcode", "VARCHAR", "Postal code without blanks, upper case", "contact"),
        Column("country_code", "VARCHAR", "ISO 3166-1 alpha-2", "contact"),
        Column("website_domain", "VARCHAR", "Domain of the company's website", "contact"),
        Column("ip_address", "VARCHAR", "Last network address seen", "online"),
        Column("industry_text", "VARCHAR", "Industry as the source words it", "none"),
        Column("employee_count", "BIGINT", "Employees as the source states them", "none"),
        Column("crm_status", "VARCHAR", "Lead or account status in the CRM", "behaviour"),
        Column("parent_record_id", "VARCHAR", "Record of the account or parent company", "pseudonym"),
        Column("created_at", "TIMESTAMPTZ", "When the record was created at the source", "behaviour"),
        Column("updated_at", "TIMESTAMPTZ", "When the record was last changed at the source", "behaviour"),
        *LINEAGE,
    ),
)

CUSTOMER_ORDER = Table(
    schema="conformed",
    name="customer_order",
    grain="order of the orders database",
    key=("order_id",),
    owner="data engineering",
    subjects=(row_of("record", "record_id", "order_id", "order_number", "_record_key", "_row_hash"),),
    columns=(
        Column("order_id", "VARCHAR", "source|object|record key", "pseudonym", nullable=False),
        Column("record_id", "VARCHAR", "Customer record that placed the order", "pseudonym"),
        Column("order_number", "VARCHAR", "Number shown to the customer", "pseudonym"),
        Column("ordered_at", "TIMESTAMPTZ", "When it was ordered", "behaviour"),
        Column("status", "VARCHAR", "State of the order", "behaviour", values=MEANING.order_states),
        Column("currency_code", "VARCHAR", "ISO 4217", "behaviour"),
        Column("amount", MONEY, "Total in the order's currency", "behaviour"),
        Column("base_amount", MONEY, "Total in the base currency of dataflow.toml", "behaviour"),
        *LINEAGE,
    ),
)

ORDER_ITEM = Table(
    schema="conformed",
    name="order_item",
    grain="line of an order",
    key=("order_item_id",),
    owner="data engineering",
    subjects=(row_of("record", "order_id", "order_item_id", "_record_key", "_row_hash"),),
    columns=(
        Column("order_item_id", "VARCHAR", "source|object|record key", "pseudonym", nullable=False),
        Column("order_id", "VARCHAR", "Order it belongs to", "pseudonym"),
        Column("product_code", "VARCHAR", "Stock-keeping unit", "behaviour"),
        Column("product_name", "VARCHAR", "Name of the product", "behaviour"),
        Column("product_category", "VARCHAR", "Category of the product", "behaviour"),
        Column("quantity", "BIGINT", "Pieces", "behaviour"),
        Column("unit_price", MONEY, "Price per unit in the order's currency", "behaviour"),
        *LINEAGE,
    ),
)

TICKET = Table(
    schema="conformed",
    name="ticket",
    grain="support ticket",
    key=("ticket_id",),
    owner="data engineering",
    subjects=(row_of("record", "record_id", "ticket_id", "_record_key", "_row_hash"),),
    columns=(
        Column("ticket_id", "VARCHAR", "source|object|record key", "pseudonym", nullable=False),
        Column("record_id", "VARCHAR", "Customer record that opened the ticket", "pseudonym"),
        Column("subject", "VARCHAR", "Subject line", "free_text"),
        Column("category", "VARCHAR", "Category", "behaviour"),
        Column("priority", "VARCHAR", "How urgent the ticket is", "behaviour", values=MEANING.priorities),
        Column("status", "VARCHAR", "State of the ticket", "behaviour", values=MEANING.ticket_states),
        Column("channel", "VARCHAR", "email, phone, chat, web", "behaviour"),
        Column("ip_address", "VARCHAR", "Network address of the requester", "online"),
        Column("opened_at", "TIMESTAMPTZ", "When it was opened", "behaviour"),
        Column("first_response_at", "TIMESTAMPTZ", "When it was first answered", "behaviour"),
        Column("closed_at", "TIMESTAMPTZ", "When it was closed", "behaviour"),
        *LINEAGE,
    ),
)

TABLES = (CUSTOMER_RECORD, CUSTOMER_ORDER, ORDER_ITEM, TICKET)
