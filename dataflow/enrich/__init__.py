"""Enrich customers from external providers: one enrichment for each kind of fact."""

from __future__ import annotations

from functools import partial

from checks.registry import Registry
from dataflow.enrich import firmographics, geography, industry, lifecycle
from dataflow.enrich.provider import Enrichment, run_enrichment
from dataflow.settings import Settings
from dataflow.workspace.report import StepReport
from dataflow.workspace.touched import mark_touched
from dataflow.workspace.workspace import Workspace

# Enrichments of one row do not read each other; they can read those of earlier rows.
ENRICHMENTS = (
    (geography.ENRICHMENT, firmographics.ENRICHMENT, lifecycle.ENRICHMENT),
    (industry.ENRICHMENT,),
)

BY_TABLE: Registry[Enrichment] = Registry(
    "enrichment", (one for row in ENRICHMENTS for one in row), name=lambda one: one.table.name
)


def enrich(ws: Workspace, settings: Settings) -> list[StepReport]:
    """Stage the enriched tables for customers that changed, values that expired, and providers with a new release.

    Raises: ConfigurationError when a provider's data is missing or unusable.
    """
    mark_touched(ws)
    reports: list[StepReport] = []
    for row in ENRICHMENTS:
        reports += ws.side_by_side([partial(run_enrichment, settings=settings, enrichment=one) for one in row])
    return reports
