"""What people decide on, and what they decided: dead letters, the review queue, judgements, the inbox, segments."""

from __future__ import annotations

from dataflow.tables.columns import ENTITY_TYPES, ROW_OF_AN_OBJECT, RUN_ID, row_of, value_of
from lakehouse.table import Column, Table, literal

DEAD_LETTERS = Table(
    schema="ops",
    name="dead_letters",
    grain="received row version that was set aside",
    key=("dead_letter_id",),
    owner="data engineering",
    subjects=(
        row_of("record_key", "_record_key", "dead_letter_id", "_row_hash", "locator"),
        value_of("author", "decided_by"),
    ),
    columns=(
        Column(
            "dead_letter_id",
            "VARCHAR",
            "MD5 of source, object, record key and row hash",
            "pseudonym",
            nullable=False,
        ),
        *ROW_OF_AN_OBJECT,
        Column(
            "_record_key",
            "VARCHAR",
            "Key of the record; the row hash where it has none",
            "pseudonym",
            nullable=False,
        ),
        Column("_row_hash", "VARCHAR", "MD5 of the row as received", "pseudonym", nullable=False),
        Column("_changed_at", "TIMESTAMPTZ", "Version of the record at the source", "none"),
        Column("payload", "VARCHAR", "The row as received, JSON", "free_text"),
        Column("locator", "VARCHAR", "File and line, or page, it came from", "pseudonym"),
        Column("stage", "VARCHAR", "land, validate or conform", "none", nullable=False),
        Column("rule", "VARCHAR", "First rule it broke", "none", nullable=False),
        Column("rules", "VARCHAR[]", "Every rule it broke", "none", nullable=False),
        Column("reason", "VARCHAR", "What is wrong and what was expected, without values", "none", nullable=False),
        Column("status", "VARCHAR", "open, replaying, resolved, superseded, discarded", "none", nullable=False),
        Column("attempts", "BIGINT", "Times it was validated", "none", nullable=False),
        Column("first_seen_at", "TIMESTAMPTZ", "When it was first set aside", "none", nullable=False),
        Column("last_seen_at", "TIMESTAMPTZ", "When it was last validated", "none", nullable=False),
        Column("decided_by", "VARCHAR", "Who discarded it", "identity"),
        Column("decision_reason", "VARCHAR", "Why it was discarded", "free_text"),
        RUN_ID,
    ),
)

DEAD_LETTER_STATES = ("open", "replaying", "resolved", "superseded", "discarded")
"""What a dead letter can be."""

DEAD_LETTER_EVENT = Table(
    schema="ops",
    name="dead_letter_event",
    grain="change of the state of a dead letter",
    key=("dead_letter_id", "occurred_at", "state"),
    owner="data engineering",
    subjects=(row_of("record_key", "_record_key", "dead_letter_id"), value_of("author", "author")),
    append_only=True,
    survives_restore=True,
    columns=(
        Column("dead_letter_id", "VARCHAR", "The dead letter", "pseudonym", nullable=False),
        *ROW_OF_AN_OBJECT,
        Column("_record_key", "VARCHAR", "Key of the record in that object", "pseudonym", nullable=False),
        Column("state", "VARCHAR", "What it became", "none", nullable=False, values=DEAD_LETTER_STATES),
        Column("author", "VARCHAR", "Who decided it; null: a run found it", "identity"),
        Column("reason", "VARCHAR", "Why it was discarded", "free_text"),
        Column("occurred_at", "TIMESTAMPTZ", "Start time of the run that wrote it", "none", nullable=False),
        RUN_ID,
    ),
)

WAITING = ("open", "replaying")
DEAD_LETTER_WAITS = f"status IN ({', '.join(map(literal, WAITING))})"
"""Condition on a dead letter: neither resolved, superseded nor discarded."""

REVIEW_QUEUE = Table(
    schema="ops",
    name="review_queue",
    grain="pair of records for clerical review",
    key=("record_id_l", "record_id_r"),
    owner="data stewardship",
    subjects=(row_of("record", "record_id_l"), row_of("record", "record_id_r")),
    columns=(
        Column("record_id_l", "VARCHAR", "Left record", "pseudonym", nullable=False),
        Column("record_id_r", "VARCHAR", "Right record", "pseudonym", nullable=False),
        Column("entity_type", "VARCHAR", "What is compared", "none", nullable=False, values=ENTITY_TYPES),
        Column("match_probability", "DOUBLE", "Match probability by the model", "none", nullable=False),
        Column(
            "reason",
            "VARCHAR",
            "below threshold, weak link, weak bridge, oversized cluster, second person, contradiction",
            "none",
            nullable=False,
        ),
        Column("queued_at", "TIMESTAMPTZ", "When", "none", nullable=False, volatile=True),
        RUN_ID,
    ),
)

JUDGEMENT = Table(
    schema="ops",
    name="judgement",
    grain="judgement of a steward on a pair of records",
    key=("judgement_id",),
    owner="data stewardship",
    subjects=(
        row_of("record", "record_id_l", "judgement_id", "fingerprint_l"),
        row_of("record", "record_id_r", "fingerprint_r"),
        value_of("author", "decided_by"),
    ),
    append_only=True,
    survives_restore=True,
    columns=(
        Column("judgement_id", "VARCHAR", "MD5 of pair, verdict, person and time", "pseudonym", nullable=False),
        Column("record_id_l", "VARCHAR", "Left record, smaller id", "pseudonym", nullable=False),
        Column("record_id_r", "VARCHAR", "Right record", "pseudonym", nullable=False),
        Column(
            "verdict", "VARCHAR", "same, different, unsure; withdrawn: the model decides again", "none", nullable=False
        ),
        Column("decided_by", "VARCHAR", "Who", "identity", nullable=False),
        Column("decided_at", "TIMESTAMPTZ", "When", "none", nullable=False),
        Column("reason", "VARCHAR", "Why", "free_text", nullable=False),
        Column(
            "needs_second", "BOOLEAN", "Merges two large customers: a second person must agree", "none", nullable=False
        ),
        Column(
            "fingerprint_l",
            "VARCHAR",
            "Hash of the left record: finds it under a new key",
            "pseudonym",
        ),
        Column("fingerprint_r", "VARCHAR", "Hash of the right record", "pseudonym"),
        RUN_ID,
    ),
)

INBOX_TAKEN = Table(
    schema="ops",
    name="inbox_taken",
    grain="message that a run took from the inbox",
    key=("message_id",),
    owner="data engineering",
    subjects=(value_of("author", "author"),),
    append_only=True,
    survives_restore=True,
    columns=(
        Column(
            "message_id",
            "VARCHAR",
            "Id of the message, in order of time; it is taken only once",
            "none",
            nullable=False,
        ),
        Column("kind", "VARCHAR", "judgement, letter_decision", "none", nullable=False),
        Column("author", "VARCHAR", "Who decided", "identity", nullable=False),
        Column("written_at", "TIMESTAMPTZ", "When it was written", "none", nullable=False),
        Column("taken_at", "TIMESTAMPTZ", "Start time of the run that took it", "none", nullable=False, volatile=True),
        Column(
            "outcome",
            "VARCHAR",
            "applied, or how much could not be applied and why, without values",
            "none",
            nullable=False,
        ),
        RUN_ID,
    ),
)

SEGMENT_ENTRY = Table(
    schema="ops",
    name="segment_entry",
    grain="customer and segment that a restore took it out of",
    key=("customer_id", "segment_code"),
    owner="analytics",
    subjects=(row_of("customer", "customer_id"),),
    survives_restore=True,
    columns=(
        Column("customer_id", "VARCHAR", "Customer", "pseudonym", nullable=False),
        Column("segment_code", "VARCHAR", "Code of the segment", "behaviour", nullable=False),
        Column(
            "entered_at",
            "TIMESTAMPTZ",
            "Publication in which the customer had entered it; kept until a run computes the customer again",
            "behaviour",
            nullable=False,
        ),
        RUN_ID,
    ),
)
