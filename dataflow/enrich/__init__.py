"""What others know about our customers. One row of ENRICHMENTS is one provider; later ones may read earlier ones."""

from __future__ import annotations

from dataflow.enrich import firmographics, geography, industry, lifecycle
from dataflow.enrich.provider import run_enrichment
from dataflow.report import StepReport
from dataflow.settings import Settings
from dataflow.touched import mark_touched
from dataflow.workspace import Workspace

ENRICHMENTS = (geography.ENRICHMENT, firmographics.ENRICHMENT, industry.ENRICHMENT, lifecycle.ENRICHMENT)


def enrich(ws: Workspace, settings: Settings) -> list[StepReport]:
    """Stage the enriched tables for customers that changed, values that expired, and providers with new releases.

    Raises: ConfigurationError when a provider's data is missing or unusable.
    """
    mark_touched(ws)
    return [run_enrichment(ws, settings, enrichment) for enrichment in ENRICHMENTS]
