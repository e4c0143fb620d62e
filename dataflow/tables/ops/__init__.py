"""The tables of operation: dead letters, watermarks, completeness, positions, runs, incidents, the review queue.

Tables that a restore of the lake keeps as they are (`survives_restore`), with the reason:

- Raw keeps all received rows, so the records of landing stay with it: watermarks, landed files, completeness, gaps,
  the declared key and cursor by which rows were landed.
  With older ones the next run would ask the sources again for rows that raw has, a file or version since removed from
  its source would appear never to have been received, and a gap closed since would be read a second time.
- Runs, their costs, incidents, events of dead letters and judgements are records of what happened and what people
  decided: a restore does not undo them.
- The history of customers (published.customer_history) says what readers were shown: the restore continues it.
- Heads of the access log show what the log held at a time: without the newer ones its newer entries could be cut off.

Everything else follows from raw, judgements and positions: it is restored and computed again. Dead letters are
restored too, with the decisions made since applied to them.
"""

from __future__ import annotations

from dataflow.tables.ops.costs import COST
from dataflow.tables.ops.decisions import (
    DEAD_LETTER_EVENT,
    DEAD_LETTER_STATES,
    DEAD_LETTER_WAITS,
    DEAD_LETTERS,
    INBOX_TAKEN,
    JUDGEMENT,
    REVIEW_QUEUE,
    SEGMENT_ENTRY,
    WAITING,
)
from dataflow.tables.ops.incidents import INCIDENT_EVENT
from dataflow.tables.ops.landing import COMPLETENESS, GAP, KEPT_FIELD, LANDED_BY, LANDED_FILE, WATERMARK
from dataflow.tables.ops.quality import BASELINE, KPI_BRIDGE
from dataflow.tables.ops.runs import ACCESS_ANCHOR, FINGERPRINT, POSITION, RUN, RunStatus

__all__ = [
    "ACCESS_ANCHOR",
    "BASELINE",
    "COMPLETENESS",
    "COST",
    "DEAD_LETTERS",
    "DEAD_LETTER_EVENT",
    "DEAD_LETTER_STATES",
    "DEAD_LETTER_WAITS",
    "FINGERPRINT",
    "GAP",
    "INBOX_TAKEN",
    "INCIDENT_EVENT",
    "JUDGEMENT",
    "KEPT_FIELD",
    "KPI_BRIDGE",
    "LANDED_BY",
    "LANDED_FILE",
    "POSITION",
    "REVIEW_QUEUE",
    "RUN",
    "SEGMENT_ENTRY",
    "TABLES",
    "WAITING",
    "WATERMARK",
    "RunStatus",
]

TABLES = (
    DEAD_LETTERS,
    DEAD_LETTER_EVENT,
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
    INCIDENT_EVENT,
    COST,
    KPI_BRIDGE,
    BASELINE,
)
