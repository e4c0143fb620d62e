"""Apply decisions on dead letters: messages of the inbox that the next run takes before it validates.

The last decision on a dead letter applies. A dead letter that is closed (resolved, superseded) or no longer exists by
then stays unchanged; the outcome of the message counts these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from dataflow.settings import Settings
from dataflow.tables.ops import DEAD_LETTERS
from dataflow.validate.dead_letter_events import append_events
from dataflow.workspace.workspace import Workspace
from lakehouse import InboxContents, Message
from lakehouse.inbox import laid_over

KIND = "letter_decision"

DECIDABLE = ("open", "replaying", "discarded")
"""Statuses that can still be decided on; the others are closed."""

MOST_IDS = 20_000
"""Dead letter ids per message: the message stays below the size limit of an inbox."""

_DECIDED = "CASE w.decision WHEN 'replay' THEN 'replaying' ELSE 'discarded' END"
_DECIDABLE = ", ".join(f"'{status}'" for status in DECIDABLE)


class DeadLetterDecision(BaseModel):
    """A decision to replay or discard dead letters; `decided_by` is the author of the message."""

    model_config = ConfigDict(frozen=True)

    decision: Literal["replay", "discard"]
    dead_letter_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_IDS)]
    decided_by: str
    reason: str = ""

    def as_body(self) -> dict[str, object]:
        """Return the body of the message."""
        return self.model_dump(exclude={"decided_by"})


@dataclass(frozen=True)
class DeadLettersNow:
    """The relation of ops.dead_letters with pending decisions applied; the SQL condition that a decision is pending."""

    relation: str = DEAD_LETTERS.in_lake
    is_waiting: str = "false"


def parse(message: Message) -> DeadLetterDecision:
    """Read the body of a message. Raises: ValueError."""
    return DeadLetterDecision.model_validate({**message.body, "decided_by": message.author})


def lay_over_dead_letters(con: duckdb.DuckDBPyConnection, contents: InboxContents) -> DeadLettersNow:
    """Apply pending decisions to the dead letters read on `con`; without any, no statement runs."""
    waiting = _readable(contents)
    if not waiting:
        return DeadLettersNow()
    con.register("waiting_decision", _table(waiting))
    decided = _decided_sql("waiting_decision", DEAD_LETTERS.in_lake)
    return DeadLettersNow(
        laid_over(DEAD_LETTERS, decided),
        f"(status IN ({_DECIDABLE}) AND dead_letter_id IN (SELECT dead_letter_id FROM waiting_decision))",
    )


def stage(ws: Workspace, decisions: Sequence[DeadLetterDecision], _settings: Settings) -> list[str]:
    """Stage the decisions so that this run validates by them; return the outcome of each."""
    con, before = ws.con, ws.before(DEAD_LETTERS)
    con.register("arrow_decision", _table(decisions))
    con.execute("CREATE OR REPLACE TEMP TABLE taken_decision AS FROM arrow_decision")
    con.unregister("arrow_decision")
    outcomes = _outcomes(con, before, len(decisions))
    ws.stage(
        DEAD_LETTERS,
        f"SELECT * EXCLUDE (_run_id) FROM ({_decided_sql('taken_decision', before)})",
        # A dead letter that can no longer be decided on stays unchanged and out of the scope.
        scope=f"SELECT dead_letter_id FROM ({_decided_sql('taken_decision', before)})",
    )
    append_events(ws, _events_sql("taken_decision", before, now=ws.run.now_sql))
    con.execute("DROP TABLE taken_decision")
    return outcomes


def _decided_sql(decisions: str, dead_letters: str) -> str:
    """Return the SELECT of the dead letters that the decisions change, with the decision applied; all columns."""
    return f"""
        SELECT d.* REPLACE (
            {_DECIDED} AS status,
            CASE w.decision WHEN 'discard' THEN w.decided_by ELSE d.decided_by END AS decided_by,
            CASE w.decision WHEN 'discard' THEN w.reason ELSE d.decision_reason END AS decision_reason
        )
        FROM {dead_letters} d JOIN ({_standing_sql(decisions)}) w ON w.dead_letter_id = d.dead_letter_id
        WHERE d.status IN ({_DECIDABLE})
    """


def _events_sql(decisions: str, dead_letters: str, *, now: str) -> str:
    """Return the SELECT of the events that the decisions make: of dead letters whose state they change."""
    return f"""
        SELECT d.dead_letter_id, d._source, d._object, d._record_key, {_DECIDED} AS state, w.decided_by AS author,
            nullif(w.reason, '') AS reason, {now} AS occurred_at
        FROM {dead_letters} d JOIN ({_standing_sql(decisions)}) w ON w.dead_letter_id = d.dead_letter_id
        WHERE d.status IN ({_DECIDABLE}) AND d.status <> {_DECIDED}
    """


def _standing_sql(decisions: str) -> str:
    """Return the SELECT of the last decision on each dead letter."""
    return f"FROM {decisions} QUALIFY row_number() OVER (PARTITION BY dead_letter_id ORDER BY number DESC) = 1"


def _outcomes(con: duckdb.DuckDBPyConnection, dead_letters: str, count: int) -> list[str]:
    rows = con.execute(f"""
        SELECT number, count(*), count(*) FILTER (WHERE d.status NOT IN ({_DECIDABLE})),
            count(*) FILTER (WHERE d.dead_letter_id IS NULL)
        FROM taken_decision w LEFT JOIN (SELECT dead_letter_id, status FROM {dead_letters}) d USING (dead_letter_id)
        GROUP BY number
    """).fetchall()
    found = {number: _outcome(total, closed, gone) for number, total, closed, gone in rows}
    return [found[number] for number in range(count)]


def _outcome(total: int, closed: int, gone: int) -> str:
    if not closed and not gone:
        return "applied"
    return f"{total - closed - gone} of {total} applied; {closed} already closed, {gone} no longer exist"


def _readable(contents: InboxContents) -> list[DeadLetterDecision]:
    """Return the decisions among the messages; the next run sets unreadable ones aside."""
    found = []
    for message in contents.of_kind(KIND):
        try:
            found.append(parse(message))
        except ValueError:
            continue
    return found


def _table(decisions: Sequence[DeadLetterDecision]) -> pa.Table:
    """Return one row per decision and dead letter; `number` orders the decisions."""
    counts = [len(one.dead_letter_ids) for one in decisions]
    number = pa.array([n for n, count in enumerate(counts) for _ in range(count)], pa.int32())
    table = pa.table({
        "decision": pa.array([one.decision for one in decisions], pa.string()),
        "decided_by": pa.array([one.decided_by for one in decisions], pa.string()),
        "reason": pa.array([one.reason for one in decisions], pa.string()),
    })  # fmt: skip
    ids = pa.array([key for one in decisions for key in one.dead_letter_ids], pa.string())
    return table.take(number).append_column("number", number).append_column("dead_letter_id", ids)
