"""Stage every published table; compute only the rows that the run touched."""

from __future__ import annotations

from functools import partial

from checks.registry import Registry
from dataflow.errors import ConfigurationError
from dataflow.publish.baselines.publication import judge_publication
from dataflow.publish.bridge import stage_bridge
from dataflow.publish.builder import Builder, run_builder
from dataflow.publish.customer import CUSTOMER_360
from dataflow.publish.events import ORDERS, TICKETS
from dataflow.publish.features import FEATURES
from dataflow.publish.history import HISTORY
from dataflow.publish.identity import REDIRECTS, XREF
from dataflow.publish.kpi import KPI_BUILDER
from dataflow.publish.segments import SEGMENT_BUILDER, drop_used_entries
from dataflow.settings import Settings
from dataflow.tables import enriched, published
from dataflow.workspace.report import StepReport
from dataflow.workspace.touched import mark_touched
from dataflow.workspace.workspace import Workspace

# Tables of one row do not read each other; they can read tables of earlier rows.
BUILDERS = (
    (XREF, REDIRECTS, ORDERS, TICKETS),
    (CUSTOMER_360,),
    (HISTORY, FEATURES, SEGMENT_BUILDER, KPI_BUILDER),
)

BUILDER_OF: Registry[Builder] = Registry(
    "builder", (builder for row in BUILDERS for builder in row), name=lambda builder: builder.table.full_name
)
# A published table that is built by nothing would stay empty and pass every audit.
if missing := [table.full_name for table in published.TABLES if table.full_name not in BUILDER_OF]:
    raise ConfigurationError(f"Published tables without a builder: {', '.join(missing)}.")


def build(ws: Workspace, settings: Settings, *, everything: bool = False) -> list[StepReport]:
    """Stage the published tables; `everything` recomputes untouched rows too, after a changed declaration.

    Raises: ConservationError, GrainError; AuditRefused where an object is not as usual and that blocks.
    """
    mark_touched(ws, enriched=enriched.TABLES, everything=everything)
    reports: list[StepReport] = []
    for row in BUILDERS:
        reports += ws.side_by_side([partial(run_builder, builder=builder) for builder in row])
    drop_used_entries(ws)
    stage_bridge(ws)
    return [*reports, *judge_publication(ws, settings)]
