"""Plan a retraining: compute what new models of identity would change in published data, without writing to the lake.

The stages from resolve on run over the readers' copy of the lake, so a plan blocks no run. Rows that were landed and
not yet published are left out: all differences come from the new models and the waiting judgements.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflow.access.lake import lake_location
from dataflow.access.pipeline import open_with_inbox
from dataflow.errors import UsageError
from dataflow.publish import Diff, diff_staged
from dataflow.publish.change_budget import last_published
from dataflow.resolve.judgements.messages import stage_waiting
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.step import resolve
from dataflow.resolve.training.churn import Churn, measure_churn
from dataflow.resolve.training.epochs import read_epochs
from dataflow.run.folders import RETRAIN_PLAN, claim_folder, clear_plan_folders, name_run
from dataflow.run.progress import StageEvent, announce
from dataflow.run.stages import stage_function
from dataflow.settings import Settings
from dataflow.tables.declared import declared_tables
from dataflow.tables.resolved import IDENTITY_EVENT, JUDGED_PAIR
from dataflow.workspace.staging import Run
from dataflow.workspace.workspace import Workspace
from lakehouse import InboxContents, LakeView

LARGEST = 20
"""The number of merges and splits to list, those of most records first."""


@dataclass(frozen=True, kw_only=True)
class ModelChange:
    """A current model and the one that would replace it; `after` equals `before` when training gives the same.

    `judged_pairs` counts the labelled pairs; `has_judgement_weights` is true when they changed the model.
    """

    entity_type: str
    before: str
    after: str
    records: int
    judged_pairs: int
    has_judgement_weights: bool


@dataclass(frozen=True, kw_only=True)
class IdMove:
    """A merge (`records` of `customer_id` go to `other_customer_id`) or a split (they come from it)."""

    kind: str
    customer_id: str
    other_customer_id: str
    records: int


@dataclass(frozen=True, kw_only=True)
class RetrainPlan:
    """What would change, and whether the budget of id churn allows it."""

    models: tuple[ModelChange, ...]
    churn: Churn
    budget: float
    diff: Diff
    largest: tuple[IdMove, ...]

    def as_dict(self) -> dict[str, Any]:
        churn = asdict(self.churn) | {
            "share": self.churn.share,
            "budget": self.budget,
            "is_allowed": self.churn.share <= self.budget,
        }
        return {
            "models": [asdict(model) for model in self.models],
            "churn": churn,
            "largest": [asdict(move) for move in self.largest],
            **self.diff.as_dict(),
        }


def plan_retrain(settings: Settings, *, now: datetime | None = None) -> RetrainPlan:
    """Train new models and compute what would be published with them.

    `now` is the clock of the publication, by default one second after the last one: the days passed since then would
    change figures too.
    Raises: UsageError, LakeUnreachable.
    """
    run_id, runs = name_run(RETRAIN_PLAN, datetime.now(UTC)), Path(settings.runs)
    clear_plan_folders(runs)
    with (
        claim_folder(runs, run_id) as folder,
        open_with_inbox(settings, temp_directory=folder / "spill") as (con, contents),
    ):
        run = Run(
            run_id, RETRAIN_PLAN, now or last_published(con, doing="Planning a retraining") + timedelta(seconds=1)
        )
        return _plan(LakeView(con, lake_location(settings)), settings, run, contents)


def _plan(lake: LakeView, settings: Settings, run: Run, contents: InboxContents) -> RetrainPlan:
    tables = declared_tables(settings)
    if lake.missing(tables.values()):
        raise UsageError(
            "Planning a retraining: this lake was last published by an earlier version or configuration.",
            next_move="Run `dataflow run` first: its changes would be counted as those of the new model.",
        )
    # Without the budget, as the plan is there to decide about it.
    unbounded = settings.model_copy(update={"resolve": settings.resolve.model_copy(update={"id_churn_budget": 1.0})})
    with Workspace(lake, run, tables=tables) as ws:
        before = read_epochs(ws.con)
        stage_waiting(ws, contents, settings)
        for stage in ("resolve", "enrich", "publish"):
            announce(StageEvent(stage, "began"))
            if stage == "resolve":
                resolve(ws, unbounded, retrain=True)
            else:
                stage_function(stage)(ws, settings)
            announce(StageEvent(stage, "ended"))
        models = _models(ws, before)
        return RetrainPlan(
            models=models,
            churn=measure_churn(ws, [model.entity_type for model in models if model.after != model.before]),
            budget=settings.resolve.id_churn_budget,
            diff=diff_staged(ws),
            largest=_largest(ws),
        )


def _models(ws: Workspace, before: dict[str, Epoch]) -> tuple[ModelChange, ...]:
    judged = dict(
        ws.con.execute(f"""
            SELECT entity_type, count(*) FROM {JUDGED_PAIR.sql_name}
            WHERE verdict IN ('same', 'different') AND NOT is_contradicted GROUP BY entity_type
        """).fetchall()
    )
    return tuple(
        ModelChange(
            entity_type=kind,
            before=before[kind].epoch_id if kind in before else "",
            after=epoch.epoch_id,
            records=epoch.record_count,
            judged_pairs=judged.get(kind, 0),
            has_judgement_weights=bool(epoch.judgement_weights),
        )
        for kind, epoch in sorted(read_epochs(ws.con).items())
    )


def _largest(ws: Workspace) -> tuple[IdMove, ...]:
    rows = ws.con.execute(f"""
        SELECT kind, customer_id, other_customer_id, record_count
        FROM {IDENTITY_EVENT.sql_name} SEMI JOIN ({ws.changed(IDENTITY_EVENT)}) USING (event_id)
        WHERE kind IN ('merged', 'split') ORDER BY record_count DESC, kind, customer_id LIMIT {LARGEST}
    """).fetchall()
    return tuple(
        IdMove(kind=kind, customer_id=customer, other_customer_id=other, records=records)
        for kind, customer, other, records in rows
    )
