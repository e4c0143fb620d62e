"""Read judgements from the inbox: stewards write them at any time, the next run that publishes takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import duckdb
import pyarrow as pa
from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from dataflow.resolve.judgements.fusing import Customers
from dataflow.resolve.judgements.judgements import SAME, present_judgements, settle
from dataflow.settings import Settings
from dataflow.tables.ops import JUDGEMENT
from dataflow.workspace.workspace import Workspace
from lakehouse import InboxContents, Message
from lakehouse.inbox import laid_over

KIND = "judgement"


class JudgementMessage(BaseModel):
    """A row of ops.judgement that no run has taken yet; `decided_by` is the author of the message."""

    model_config = ConfigDict(frozen=True)

    judgement_id: str
    record_id_l: str
    record_id_r: str
    verdict: Literal["same", "different", "unsure", "withdrawn"]
    decided_by: str
    decided_at: AwareDatetime
    reason: str
    needs_second: bool
    fingerprint_l: str | None
    fingerprint_r: str | None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.record_id_l < self.record_id_r:
            raise ValueError("a pair is two records, smaller id first")
        return self

    @property
    def pair(self) -> tuple[str, str]:
        return (self.record_id_l, self.record_id_r)

    def as_body(self) -> dict[str, object]:
        """Return the body of its message."""
        return self.model_dump(mode="json", exclude={"decided_by"})


@dataclass(frozen=True)
class JudgementsNow:
    """The relation of all judgements, those that wait for the next run included, and the ids of these."""

    relation: str = JUDGEMENT.sql_name
    waiting: frozenset[str] = frozenset()


def parse(message: Message) -> JudgementMessage:
    """Read the body of a message. Raises: ValueError."""
    return JudgementMessage.model_validate({**message.body, "decided_by": message.author})


def lay_over_judgements(con: duckdb.DuckDBPyConnection, contents: InboxContents) -> JudgementsNow:
    """Lay the waiting judgements over those of the lake on `con`; without any this costs no statement."""
    waiting = _readable(contents)
    if not waiting:
        return JudgementsNow()
    con.register("judgement_waiting", _table(waiting))
    return JudgementsNow(
        laid_over(JUDGEMENT, "SELECT * FROM judgement_waiting"), frozenset(one.judgement_id for one in waiting)
    )


def stage(ws: Workspace, judgements: Sequence[JudgementMessage], settings: Settings) -> list[str]:
    """Stage judgements so that this run acts on them; return the outcome of each.

    A judgement on records that are gone is kept too: it is inactive (see judgements.py). Whether a `same` needs a
    second person is decided again: a run can have published since it was written.
    """
    asked = _asking_second(ws, judgements, large=settings.resolve.second_person_from_records)
    ws.con.register("judgement_taken", _table(asked))
    ws.append(
        JUDGEMENT,
        f"""
        SELECT * FROM judgement_taken ANTI JOIN {ws.before(JUDGEMENT)} USING (judgement_id)
        QUALIFY row_number() OVER (PARTITION BY judgement_id) = 1
        """,
    )
    ws.con.unregister("judgement_taken")
    return ["applied"] * len(judgements)


def stage_waiting(ws: Workspace, contents: InboxContents, settings: Settings) -> None:
    """Stage the waiting judgements for a retrain plan; they stay in the inbox."""
    if waiting := _readable(contents):
        stage(ws, waiting, settings)


def _readable(contents: InboxContents) -> list[JudgementMessage]:
    """Return the judgements among the messages, without unreadable ones: the next run sets those aside."""
    found = []
    for message in contents.of_kind(KIND):
        try:
            found.append(parse(message))
        except ValueError:
            continue
    return found


def _asking_second(ws: Workspace, judgements: Sequence[JudgementMessage], *, large: int) -> list[JudgementMessage]:
    if not any(one.verdict == SAME for one in judgements):
        return list(judgements)
    pairs = [one.pair for one in judgements if one.verdict == SAME]
    customers = Customers(ws.con, pairs, settle(present_judgements(ws.con)))
    asked = []
    for one in judgements:
        needs_second = one.needs_second
        if one.verdict == SAME and not needs_second:
            needs_second = customers.would_fuse(one.pair, large=large)
            if not needs_second:
                customers.join(one.pair)
        asked.append(one.model_copy(update={"needs_second": needs_second}))
    return asked


def _table(judgements: Sequence[JudgementMessage]) -> pa.Table:
    kinds = {"needs_second": pa.bool_(), "decided_at": pa.timestamp("us", tz="UTC")}
    names = [name for name in JUDGEMENT.column_names if name in JudgementMessage.model_fields]
    return pa.table({
        name: pa.array([getattr(one, name) for one in judgements], kinds.get(name, pa.string())) for name in names
    })  # fmt: skip
