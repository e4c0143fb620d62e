"""What runs record: the settings of tables, positions, runs, anchored heads of the access log."""

from __future__ import annotations

from typing import Literal, get_args

from dataflow.tables.columns import OBJECT_OF_A_SOURCE, RUN_ID
from lakehouse.table import Column, Table

RunStatus = Literal[
    "published", "unchanged", "landed", "complete", "partial", "refused", "failed", "crashed", "restored"
]
"""How a run ended. `partial`: published or landed, but something is incomplete."""

PUBLISHING_KINDS = ("publish", "daily", "backfill")
"""The kinds of runs that publish."""

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
        *OBJECT_OF_A_SOURCE,
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
