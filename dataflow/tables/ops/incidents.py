"""What went wrong, who acknowledged it, and which run healed it."""

from __future__ import annotations

from dataflow.tables.columns import RUN_ID, value_of
from lakehouse.table import Column, Table

EVENT_KINDS = ("opened", "seen", "acknowledged", "resolved")
"""The kinds of events of an incident. `seen`: a later run found the same cause again."""

SEVERITIES = ("critical", "error", "warning", "info")
"""The severities of incidents, gravest first; the names are those of PagerDuty's Events API v2."""

INCIDENT_EVENT = Table(
    schema="ops",
    name="incident_event",
    grain="event of an incident",
    key=("event_id",),
    owner="data engineering",
    subjects=(value_of("author", "author"),),
    append_only=True,
    survives_restore=True,
    columns=(
        Column("event_id", "VARCHAR", "Id of the event, in order of time", "none", nullable=False),
        Column("incident_key", "VARCHAR", "Hash of lake, rule, object and cause", "none", nullable=False),
        Column("kind", "VARCHAR", "What happened to the incident", "none", nullable=False, values=EVENT_KINDS),
        Column("rule", "VARCHAR", "Rule that was broken, or class of the error", "none", nullable=False),
        Column("object", "VARCHAR", "Object, sink or kind of run that it is about", "none", nullable=False),
        Column(
            "cause",
            "VARCHAR",
            "landing, check, validation, baseline, audit, sink, run, lake or configuration",
            "none",
            nullable=False,
        ),
        Column("severity", "VARCHAR", "Severity", "none", nullable=False, values=SEVERITIES),
        Column("owner", "VARCHAR", "Who acts", "none", nullable=False),
        Column("summary", "VARCHAR", "What was found, without values", "none", nullable=False),
        Column("run_id", "VARCHAR", "Run that found or healed it; empty: not found by a run", "none", nullable=False),
        Column("author", "VARCHAR", "Who acknowledged it", "identity"),
        Column("occurred_at", "TIMESTAMPTZ", "When", "none", nullable=False),
        RUN_ID,
    ),
)
