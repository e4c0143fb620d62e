"""The tables of operation: dead letters, watermarks, completeness, positions, runs, the review queue.

Tables that a restore of the lake keeps as they are (`survives_restore`), with the reason:

- Raw keeps all received rows, so the records of landing stay with it: watermarks, landed files, completeness, gaps,
  the declared key and cursor by which rows were landed.
  With older ones the next run would ask the sources again for rows that raw has, a file or version since removed from
  its source would appear never to have been received, and a gap closed since would be read a second time.
- Runs and judgements are records of what happened and what people decided: a restore does not undo them.
- The history of customers (published.customer_history) says what readers were shown: the restore continues it.
- Heads of the access log show what the log held at a time: without the newer ones its newer entries could be cut off.

Everything else follows from raw, judgements and positions: it is restored and computed again. Dead letters are
restored too, with the decisions made since applied to them.
"""

from __future__ import annotations

from typing import Literal, get_args

from dataflow.tables.columns import ENTITY_TYPES, RUN_ID, row_of, value_of
from lakehouse.table import Column, Table, literal

RunStatus = Literal[
    "published", "unchanged", "landed", "complete", "partial", "refused", "failed", "crashed", "restored"
]
"""How a run ended. `partial`: published or landed, but something is incomplete."""

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
        Column("_source", "VARCHAR", "Source system", "none", nullable=False),
        Column("_object", "VARCHAR", "Object of that source", "none", nullable=False),
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

WAITING = ("open", "replaying")
DEAD_LETTER_WAITS = f"status IN ({', '.join(map(literal, WAITING))})"
"""Condition on a dead letter: neither resolved, superseded nor discarded."""

WATERMARK = Table(
    schema="ops",
    name="watermark",
    grain="object of a source",
    key=("source", "object"),
    owner="data engineering",
    survives_restore=True,
    columns=(
        Column("source", "VARCHAR", "Source system", "none", nullable=False),
        Column("object", "VARCHAR", "Object", "none", nullable=False),
        Column(
            "cursor_at", "TIMESTAMPTZ", "All changes of the source before this time are in raw", "none", nullable=False
        ),
        Column("advanced_at", "TIMESTAMPTZ", "When it last moved", "none", nullable=False),
        RUN_ID,
    ),
)

LANDED_FILE = Table(
    schema="ops",
    name="landed_file",
    grain="file of a source, by path and fingerprint",
    key=("source", "object", "path", "fingerprint"),
    owner="data engineering",
    survives_restore=True,
    columns=(
        Column("source", "VARCHAR", "Source system", "none", nullable=False),
        Column("object", "VARCHAR", "Object", "none", nullable=False),
        Column("path", "VARCHAR", "Path below the source's root", "none", nullable=False),
        Column("fingerprint", "VARCHAR", "ETag or MD5 of the bytes", "none", nullable=False),
        Column("size_bytes", "BIGINT", "Size", "none", nullable=False),
        Column("modified_at", "TIMESTAMPTZ", "Its modification time when it was read", "none", volatile=True),
        Column("row_count", "BIGINT", "Rows read from it", "none", nullable=False),
        Column("landed_at", "TIMESTAMPTZ", "When", "none", nullable=False),
        RUN_ID,
    ),
)

LANDED_BY = Table(
    schema="ops",
    name="landed_by",
    grain="object whose rows are landed",
    key=("source", "object"),
    owner="data engineering",
    survives_restore=True,
    columns=(
        Column("source", "VARCHAR", "Source system", "none", nullable=False),
        Column("object", "VARCHAR", "Object", "none", nullable=False),
        Column(
            "key_fields", "VARCHAR", "The declared key by which its rows in raw have their keys", "none", nullable=False
        ),
        Column(
            "cursor_field", "VARCHAR", "The declared cursor by which they have their versions", "none", nullable=False
        ),
        Column(
            "deleted_flag",
            "VARCHAR",
            "The declared flag by which they are deleted; empty: none",
            "none",
            nullable=False,
        ),
        Column(
            "deleted_when_set", "VARCHAR", "The declared mark by which they are; empty: none", "none", nullable=False
        ),
    ),
)

COMPLETENESS = Table(
    schema="ops",
    name="completeness",
    grain="comparison of a window of an object with raw",
    key=("source", "object", "window_from", "window_until", "keys", "comparison", "_run_id"),
    owner="data engineering",
    append_only=True,
    survives_restore=True,
    columns=(
        Column("source", "VARCHAR", "Source system", "none", nullable=False),
        Column("object", "VARCHAR", "Object", "none", nullable=False),
        Column("window_from", "TIMESTAMPTZ", "Start of the window, inclusive", "none", nullable=False),
        Column("window_until", "TIMESTAMPTZ", "End of the window, exclusive", "none", nullable=False),
        Column("keys", "VARCHAR", "The range of keys it is limited to, JSON; empty: all", "none"),
        Column(
            "comparison",
            "VARCHAR",
            "landing; of the nightly check: range, keys and keys_in_ranges (unrecorded deletions), ahead (rows stamped "
            "later than the source's clock)",
            "none",
        ),
        Column(
            "source_count", "BIGINT", "Versions the source holds in the window (keys: records)", "none", nullable=False
        ),
        Column(
            "source_fingerprint", "VARCHAR", "Order-free sum of their hashes; empty: unknown", "none", nullable=False
        ),
        Column("raw_count", "BIGINT", "How many of those raw holds", "none", nullable=False),
        Column("raw_fingerprint", "VARCHAR", "The same sum over raw", "none", nullable=False),
        Column("appended_count", "BIGINT", "Rows this added to raw", "none", nullable=False),
        Column("checked_at", "TIMESTAMPTZ", "When", "none", nullable=False),
        Column("absent_fields", "VARCHAR[]", "Declared fields that the source did not have; null: none", "none"),
        RUN_ID,
    ),
)

KEPT_FIELD = Table(
    schema="ops",
    name="kept_field",
    grain="field that the newest version of a record does not have and that keeps its former value",
    key=("_source", "_object", "_record_key", "field"),
    owner="data engineering",
    subjects=(row_of("record_key", "_record_key", "_row_hash"),),
    columns=(
        Column("_source", "VARCHAR", "Source system", "none", nullable=False),
        Column("_object", "VARCHAR", "Object of that source", "none", nullable=False),
        Column("_record_key", "VARCHAR", "Key of the record in that object", "pseudonym", nullable=False),
        Column("field", "VARCHAR", "The field", "none", nullable=False),
        Column(
            "_changed_at",
            "TIMESTAMPTZ",
            "The version that its value is of: the age of the value",
            "none",
            nullable=False,
        ),
        Column("_extracted_at", "TIMESTAMPTZ", "When that version was read from the source", "none", nullable=False),
        Column("_row_hash", "VARCHAR", "MD5 of that version as received", "pseudonym", nullable=False),
        RUN_ID,
    ),
)

GAP = Table(
    schema="ops",
    name="gap",
    grain="gap: a window of an object that raw does not, or did not, hold whole",
    key=("gap_id",),
    owner="data engineering",
    survives_restore=True,
    columns=(
        Column("gap_id", "VARCHAR", "MD5 of source, object, window and keys", "none", nullable=False),
        Column("source", "VARCHAR", "Source system", "none", nullable=False),
        Column("object", "VARCHAR", "Object", "none", nullable=False),
        Column("window_from", "TIMESTAMPTZ", "Start of the window, inclusive", "none", nullable=False),
        Column("window_until", "TIMESTAMPTZ", "End of the window, exclusive", "none", nullable=False),
        Column("keys", "VARCHAR", "The range of keys it is limited to, JSON; empty: all", "none", nullable=False),
        Column("is_of_files", "BOOLEAN", "The window is a set of files, not a query", "none", nullable=False),
        Column("reason", "VARCHAR", "unplanned, failed, short, missing, absent or key", "none", nullable=False),
        Column("detail", "VARCHAR", "What was found, without values", "none", nullable=False),
        Column("missing_count", "BIGINT", "Rows known to be missing; null: unknown", "none"),
        Column("status", "VARCHAR", "open or closed", "none", nullable=False),
        Column("attempts", "BIGINT", "Runs that found it", "none", nullable=False),
        Column("opened_at", "TIMESTAMPTZ", "When it was first found", "none", nullable=False),
        Column("last_seen_at", "TIMESTAMPTZ", "When it was last found", "none", nullable=False),
        Column("closed_at", "TIMESTAMPTZ", "When the gap was closed: raw held all of it", "none"),
        RUN_ID,
    ),
)

FINGERPRINT = Table(
    schema="ops",
    name="fingerprint",
    grain="table that the configuration shapes",
    key=("table_name",),
    owner="data engineering",
    columns=(
        Column("table_name", "VARCHAR", "Valid or conformed table", "none", nullable=False),
        Column(
            "fingerprint",
            "VARCHAR",
            "MD5 of the settings its rows were last computed with",
            "none",
            nullable=False,
        ),
        RUN_ID,
    ),
)

POSITION = Table(
    schema="ops",
    name="position",
    grain="object of a source that was published",
    key=("source", "object"),
    owner="data engineering",
    columns=(
        Column("source", "VARCHAR", "Source system", "none", nullable=False),
        Column("object", "VARCHAR", "Object", "none", nullable=False),
        Column(
            "raw_snapshot_id",
            "BIGINT",
            "Rows landed in snapshots up to this one are valid or dead letters; the next run reads later snapshots",
            "none",
            nullable=False,
        ),
        Column("run_id", "VARCHAR", "Run or restore that moved it", "none", nullable=False, volatile=True),
        Column("moved_at", "TIMESTAMPTZ", "When", "none", nullable=False, volatile=True),
    ),
)

RUN = Table(
    schema="ops",
    name="run",
    grain="run",
    key=("run_id",),
    owner="data engineering",
    survives_restore=True,
    columns=(
        Column("run_id", "VARCHAR", "Id of the run, in order of time", "none", nullable=False),
        Column("kind", "VARCHAR", "ingest, publish, daily, backfill, check, restore or reset", "none", nullable=False),
        Column("status", "VARCHAR", ", ".join(get_args(RunStatus)), "none", nullable=False),
        Column("started_at", "TIMESTAMPTZ", "When it started", "none", nullable=False),
        Column("finished_at", "TIMESTAMPTZ", "When it ended", "none", nullable=False),
        Column(
            "steps",
            "VARCHAR",
            "JSON list of step reports: rows in, out, set aside, merged; seconds",
            "none",
            nullable=False,
        ),
        Column("message", "VARCHAR", "Summary in one line", "none", nullable=False),
    ),
)

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

ACCESS_ANCHOR = Table(
    schema="ops",
    name="access_anchor",
    grain="head of one writer's access log that a run anchored",
    key=("origin", "tree_size"),
    owner="data engineering",
    append_only=True,
    survives_restore=True,
    columns=(
        Column("origin", "VARCHAR", "Name of the log: machine, user and a random part", "none", nullable=False),
        Column("tree_size", "BIGINT", "Entries of the log", "none", nullable=False),
        Column(
            "root", "VARCHAR", "Root of the Merkle tree over them (RFC 6962), in hexadecimal", "none", nullable=False
        ),
        Column("note", "VARCHAR", "The signed head, a C2SP checkpoint", "none", nullable=False),
        Column("anchored_at", "TIMESTAMPTZ", "When", "none", nullable=False, volatile=True),
        RUN_ID,
    ),
)

TABLES = (
    DEAD_LETTERS,
    WATERMARK,
    LANDED_FILE,
    LANDED_BY,
    COMPLETENESS,
    KEPT_FIELD,
    GAP,
    FINGERPRINT,
    POSITION,
    RUN,
    REVIEW_QUEUE,
    JUDGEMENT,
    INBOX_TAKEN,
    SEGMENT_ENTRY,
    ACCESS_ANCHOR,
)
