"""Identity: epochs, edges, the crosswalk from record to customer, golden customers, events."""

from __future__ import annotations

from dataflow.tables.columns import ENTITY_TYPES, RUN_ID, row_of, value_of
from lakehouse.table import Column, SubjectColumn, Table

EPOCH = Table(
    schema="resolved",
    name="epoch",
    grain="trained model of one entity type",
    key=("epoch_id",),
    owner="data engineering",
    columns=(
        Column("epoch_id", "VARCHAR", "Opaque id of the epoch", "none", nullable=False),
        Column("entity_type", "VARCHAR", "What is compared", "none", nullable=False, values=ENTITY_TYPES),
        Column("model_json", "VARCHAR", "Splink settings with trained parameters", "none", nullable=False),
        Column("link_threshold", "DOUBLE", "Match probability from which two records are one", "none", nullable=False),
        Column("review_threshold", "DOUBLE", "Match probability from which a pair is kept", "none", nullable=False),
        Column(
            "normaliser_version", "VARCHAR", "Version of the normaliser it was trained with", "none", nullable=False
        ),
        Column("record_count", "BIGINT", "Records it was trained on", "none", nullable=False),
        Column("trained_at", "TIMESTAMPTZ", "When", "none", nullable=False),
        RUN_ID,
    ),
)

TERM_FREQUENCY = Table(
    schema="resolved",
    name="term_frequency",
    grain="value of a term-frequency-adjusted column in an epoch",
    key=("epoch_id", "column_name", "value"),
    owner="data engineering",
    subjects=(row_of("value", "value"),),
    append_only=True,
    columns=(
        Column("epoch_id", "VARCHAR", "Epoch", "none", nullable=False),
        Column("column_name", "VARCHAR", "Column of the resolver's input", "none", nullable=False),
        Column("value", "VARCHAR", "The value", "identity", nullable=False),
        Column("frequency", "DOUBLE", "Share of records with it", "none", nullable=False),
        RUN_ID,
    ),
)

MATCH_RECORD = Table(
    schema="resolved",
    name="match_record",
    grain="customer record, in the form in which it is compared",
    key=("record_id",),
    is_sorted=True,
    owner="data engineering",
    subjects=(row_of("record", "record_id", "block_keys", "content"),),
    columns=(
        Column("record_id", "VARCHAR", "Customer record", "pseudonym", nullable=False),
        Column("entity_type", "VARCHAR", "What is compared", "none", nullable=False, values=ENTITY_TYPES),
        Column("is_han", "BOOLEAN", "Whether the name is in Chinese, Hebrew or Arabic letters", "identity"),
        Column("given", "VARCHAR", "First given name, folded", "identity"),
        Column("given_root", "VARCHAR", "The name it is a short form of", "identity"),
        Column("given_roots", "VARCHAR[]", "Every name it may be a short form of, and itself", "identity"),
        Column("all_roots", "VARCHAR[]", "The same of all given names", "identity"),
        Column("given_tokens", "VARCHAR[]", "Given names, without initials", "identity"),
        Column("middle", "VARCHAR[]", "Given names and initials after the first", "identity"),
        Column("surname", "VARCHAR", "Family name, folded, without blanks", "identity"),
        Column("surname_tokens", "VARCHAR[]", "Words of the family name, without particles", "identity"),
        Column("name_key", "VARCHAR", "Given name and family name in alphabetical order", "identity"),
        Column("suffix", "VARCHAR", "Generation: jr, sr, ii, iii", "identity"),
        Column("date_of_birth", "VARCHAR", "Date of birth, YYYY-MM-DD", "identity"),
        Column("org", "VARCHAR", "Company, folded, without legal form", "identity"),
        Column("org_tokens", "VARCHAR[]", "Its words, sorted, without small words", "identity"),
        Column("org_key", "VARCHAR", "The same as one text", "identity"),
        Column("org_numbers", "VARCHAR", "Numbers in the name: branches, stores", "identity"),
        Column("legal_form", "VARCHAR", "Legal form", "none"),
        Column("domain", "VARCHAR", "Domain of website or e-mail, free-mail providers left out", "contact"),
        Column("email", "VARCHAR", "Canonical e-mail", "contact"),
        Column("email_local", "VARCHAR", "Its part before the @", "contact"),
        Column("phone", "VARCHAR", "Telephone, E.164", "contact"),
        Column("street", "VARCHAR", "Street, folded", "contact"),
        Column("house_number", "VARCHAR", "House number, folded", "contact"),
        Column("unit", "VARCHAR", "Flat, suite, floor, folded", "contact"),
        Column("line2", "VARCHAR", "Second line of the address, folded", "contact"),
        Column("door", "VARCHAR", "Street, house number and postcode or city", "contact"),
        Column("city", "VARCHAR", "City, folded", "contact"),
        Column("region", "VARCHAR", "State or province, folded", "contact"),
        Column("postcode", "VARCHAR", "Postal code, folded", "contact"),
        Column("country_code", "VARCHAR", "Country", "contact"),
        Column("identifier", "VARCHAR", "Number issued by an authority, where a source has one", "identity"),
        Column("occupation", "VARCHAR", "Occupation, where a source has one", "identity"),
        Column("gender", "VARCHAR", "Gender, where a source has one", "identity"),
        Column("block_keys", "UBIGINT[]", "Hashed blocking keys; the rule's number in the low bits", "pseudonym"),
        Column("content", "UBIGINT", "Hash of all that is compared; null without a name", "pseudonym"),
        Column("is_copy", "BOOLEAN", "Whether many have this content and it is not of the first two", "none"),
        RUN_ID,
    ),
)

EDGE = Table(
    schema="resolved",
    name="edge",
    grain="pair of records above the review threshold, smaller id left",
    key=("record_id_l", "record_id_r"),
    is_sorted=True,
    owner="data engineering",
    subjects=(row_of("record", "record_id_l"), row_of("record", "record_id_r")),
    columns=(
        Column("record_id_l", "VARCHAR", "Left record", "pseudonym", nullable=False),
        Column("record_id_r", "VARCHAR", "Right record", "pseudonym", nullable=False),
        Column("entity_type", "VARCHAR", "What is compared", "none", nullable=False, values=ENTITY_TYPES),
        Column("match_weight", "DOUBLE", "log2 of the Bayes factor, prior included", "none", nullable=False),
        Column("match_probability", "DOUBLE", "The same as a probability", "none", nullable=False),
        Column("epoch_id", "VARCHAR", "Epoch that scored it", "none", nullable=False),
        RUN_ID,
    ),
)

XREF = Table(
    schema="resolved",
    name="xref",
    grain="customer record",
    key=("record_id",),
    is_sorted=True,
    owner="data stewardship",
    subjects=(row_of("record", "record_id", "customer_id"),),
    columns=(
        Column("record_id", "VARCHAR", "Customer record", "pseudonym", nullable=False),
        Column("customer_id", "VARCHAR", "Customer it belongs to", "pseudonym", nullable=False),
        Column("entity_type", "VARCHAR", "What is compared", "none", nullable=False, values=ENTITY_TYPES),
        Column(
            "confidence",
            "DOUBLE",
            "Strength of the record's best link in its cluster; 1 for a single record",
            "none",
            nullable=False,
        ),
        Column(
            "linked_at", "TIMESTAMPTZ", "When the record came to this customer", "none", nullable=False, volatile=True
        ),
        RUN_ID,
    ),
)

GOLDEN_CUSTOMER = Table(
    schema="resolved",
    name="golden_customer",
    grain="customer",
    key=("customer_id",),
    owner="data stewardship",
    subjects=(
        row_of("customer", "customer_id"),
        value_of("customer", "parent_customer_id"),
        # A value can come from a record that another customer has now.
        SubjectColumn(column="provenance", names="record", shape="map", erasure="element"),
    ),
    columns=(
        Column("customer_id", "VARCHAR", "Permanent id", "pseudonym", nullable=False),
        Column("entity_type", "VARCHAR", "What is compared", "none", nullable=False, values=ENTITY_TYPES),
        Column("full_name", "VARCHAR", "Name as one line", "identity"),
        Column("given_name", "VARCHAR", "Given name", "identity"),
        Column("surname", "VARCHAR", "Family name", "identity"),
        Column("name_suffix", "VARCHAR", "Generation", "identity"),
        Column("date_of_birth", "DATE", "Date of birth", "identity"),
        Column("company_name", "VARCHAR", "The company, or the employer", "identity"),
        Column("legal_form", "VARCHAR", "Legal form", "none"),
        Column("email", "VARCHAR", "Best e-mail address", "contact"),
        Column("phone", "VARCHAR", "Best telephone number, E.164", "contact"),
        Column("street", "VARCHAR", "Street", "contact"),
        Column("house_number", "VARCHAR", "House number", "contact"),
        Column("unit", "VARCHAR", "Flat, suite, floor", "contact"),
        Column("city", "VARCHAR", "City", "contact"),
        Column("region", "VARCHAR", "State or province", "contact"),
        Column("postcode", "VARCHAR", "Postal code", "contact"),
        Column("country_code", "VARCHAR", "ISO 3166-1 alpha-2", "contact"),
        Column("website_domain", "VARCHAR", "Domain of the company", "contact"),
        Column("ip_address", "VARCHAR", "Last network address seen", "online"),
        Column("industry_text", "VARCHAR", "Industry as a source names it", "none"),
        Column("employee_count", "BIGINT", "Employees as a source states them", "none"),
        Column("crm_status", "VARCHAR", "Status in the CRM", "behaviour"),
        Column("parent_customer_id", "VARCHAR", "Customer that is the employer or parent company", "pseudonym"),
        Column("conflicts", "VARCHAR[]", "Single-valued fields for which its records hold several values", "none"),
        Column("provenance", "MAP(VARCHAR, VARCHAR)", "Field to the record its value was taken from", "pseudonym"),
        Column("record_count", "BIGINT", "Records of this customer", "none", nullable=False),
        Column("sources", "VARCHAR[]", "Sources with records of this customer, sorted", "behaviour", nullable=False),
        Column(
            "confidence",
            "DOUBLE",
            "Weakest link that holds the records together; 1 for a single record",
            "none",
            nullable=False,
        ),
        Column("first_seen_at", "TIMESTAMPTZ", "Oldest created_at among its records", "behaviour"),
        Column("last_seen_at", "TIMESTAMPTZ", "Newest updated_at among its records", "behaviour"),
        RUN_ID,
    ),
)

OTHER_VALUE = Table(
    schema="resolved",
    name="other_value",
    grain="value that records of a customer hold and its golden record does not",
    key=("customer_id", "field", "value"),
    owner="data stewardship",
    subjects=(
        row_of("customer", "customer_id"),
        SubjectColumn(column="record_ids", names="record", shape="list", erasure="element"),
    ),
    columns=(
        Column("customer_id", "VARCHAR", "Customer", "pseudonym", nullable=False),
        Column("field", "VARCHAR", "Column of the golden record", "none", nullable=False),
        Column("value", "VARCHAR", "The value, as text", "free_text", nullable=False),
        Column(
            "is_conflict",
            "BOOLEAN",
            "The field has one value: this or the golden one is wrong",
            "none",
            nullable=False,
        ),
        Column("record_ids", "VARCHAR[]", "Records that hold it, sorted", "pseudonym", nullable=False),
        RUN_ID,
    ),
)

IDENTITY_EVENT = Table(
    schema="resolved",
    name="identity_event",
    grain="change of a customer's identity",
    key=("event_id",),
    owner="data stewardship",
    subjects=(row_of("customer", "customer_id", "event_id"), row_of("customer", "other_customer_id")),
    append_only=True,
    columns=(
        Column("event_id", "VARCHAR", "run|kind|customer|other", "pseudonym", nullable=False),
        Column("kind", "VARCHAR", "created, merged, split, retired", "none", nullable=False),
        Column("customer_id", "VARCHAR", "The customer", "pseudonym", nullable=False),
        Column("other_customer_id", "VARCHAR", "Merged into, or split from", "pseudonym"),
        Column("record_count", "BIGINT", "Records that moved", "none", nullable=False),
        Column("occurred_at", "TIMESTAMPTZ", "When", "none", nullable=False),
        RUN_ID,
    ),
)

REDIRECT = Table(
    schema="resolved",
    name="redirect",
    grain="retired customer id",
    key=("customer_id",),
    owner="data stewardship",
    subjects=(row_of("customer", "customer_id"), row_of("customer", "to_customer_id")),
    columns=(
        Column("customer_id", "VARCHAR", "Retired id", "pseudonym", nullable=False),
        Column(
            "to_customer_id",
            "VARCHAR",
            "Current id that replaces it; null where all its records are gone",
            "pseudonym",
        ),
        Column("redirected_at", "TIMESTAMPTZ", "When", "none", nullable=False, volatile=True),
        RUN_ID,
    ),
)

JUDGED_RECORD = Table(
    schema="resolved",
    name="judged_record",
    grain="record that a judgement names",
    key=("record_id",),
    owner="data stewardship",
    subjects=(row_of("record", "record_id", "fingerprint"), row_of("record", "present_record_id")),
    columns=(
        Column("record_id", "VARCHAR", "Record id in the judgement", "pseudonym", nullable=False),
        Column("present_record_id", "VARCHAR", "Current id of the record; null while it does not exist", "pseudonym"),
        Column(
            "entity_type",
            "VARCHAR",
            "Its entity type; null while it does not exist",
            "none",
            values=ENTITY_TYPES,
        ),
        Column("fingerprint", "VARCHAR", "Hash of its values when it last existed", "pseudonym"),
        RUN_ID,
    ),
)

JUDGED_PAIR = Table(
    schema="resolved",
    name="judged_pair",
    grain="pair of current records with judgements of stewards",
    key=("record_id_l", "record_id_r"),
    owner="data stewardship",
    subjects=(row_of("record", "record_id_l", "judgement_id"), row_of("record", "record_id_r")),
    columns=(
        Column("record_id_l", "VARCHAR", "Left record, smaller id", "pseudonym", nullable=False),
        Column("record_id_r", "VARCHAR", "Right record", "pseudonym", nullable=False),
        Column("entity_type", "VARCHAR", "What is compared", "none", nullable=False, values=ENTITY_TYPES),
        Column("verdict", "VARCHAR", "Judgement in force: same, different, unsure; null while there is none", "none"),
        Column("is_waiting", "BOOLEAN", "A `same` waits for a second person", "none", nullable=False),
        Column("is_contradicted", "BOOLEAN", "A `same` that other judgements contradict", "none", nullable=False),
        Column("judgement_id", "VARCHAR", "The newest judgement on the pair", "pseudonym", nullable=False),
        RUN_ID,
    ),
)

TABLES = (
    EPOCH,
    TERM_FREQUENCY,
    MATCH_RECORD,
    EDGE,
    XREF,
    GOLDEN_CUSTOMER,
    OTHER_VALUE,
    IDENTITY_EVENT,
    REDIRECT,
    JUDGED_RECORD,
    JUDGED_PAIR,
)
