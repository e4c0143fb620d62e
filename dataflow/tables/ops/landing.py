"""What landing records: watermarks, landed files, completeness, kept fields, gaps."""

from __future__ import annotations

from dataflow.tables.columns import OBJECT_OF_A_SOURCE, ROW_OF_AN_OBJECT, RUN_ID, row_of
from lakehouse.table import Column, Table

WATERMARK = Table(
    schema="ops",
    name="watermark",
    grain="object of a source",
    key=("source", "object"),
    owner="data engineering",
    survives_restore=True,
    columns=(
        *OBJECT_OF_A_SOURCE,
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
        *OBJECT_OF_A_SOURCE,
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
        *OBJECT_OF_A_SOURCE,
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
        *OBJECT_OF_A_SOURCE,
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
        *ROW_OF_AN_OBJECT,
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
        *OBJECT_OF_A_SOURCE,
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
