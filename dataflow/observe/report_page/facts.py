"""Collect what the report shows: counts and times only, read from the lake or the run's workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from dataflow.govern.review.review import REASONS, ReviewPair, top_explained
from dataflow.observe.freshness import read_freshness
from dataflow.observe.key_figures import KeyFigure, read_key_figures
from dataflow.observe.slo import ServiceLevel, read_service_level
from dataflow.observe.status import WAITING_DEAD_LETTERS
from dataflow.publish.bridge_parts import FigureChange, summarise_publication
from dataflow.resolve.judgements.explain import Explanation
from dataflow.run.record import RunOutcome
from dataflow.settings import Settings
from dataflow.tables.ops import DEAD_LETTERS as LETTERS
from lakehouse.query import fetch_records

Row = dict[str, Any]

_WAITING = WAITING_DEAD_LETTERS.format(letters=LETTERS.sql_name)
DEAD_LETTERS = f"""
    SELECT source || '.' || object AS object, rule, sum(rows)::BIGINT AS rows FROM ({_WAITING})
    GROUP BY ALL ORDER BY rows DESC, object, rule
"""

MATCH_WEIGHTS = """
    SELECT entity_type, CAST(floor(match_weight) AS BIGINT) AS weight, count(*) AS pairs
    FROM resolved.edge GROUP BY ALL ORDER BY entity_type, weight
"""

THRESHOLDS = """
    SELECT entity_type, log2(link_threshold / (1 - link_threshold)) AS weight
    FROM resolved.epoch
    QUALIFY row_number() OVER (PARTITION BY entity_type ORDER BY trained_at DESC, epoch_id) = 1
    ORDER BY entity_type
"""

CLUSTER_SIZES = """
    SELECT CASE WHEN record_count <= 6 THEN CAST(record_count AS VARCHAR)
                WHEN record_count <= 10 THEN '7-10' WHEN record_count <= 20 THEN '11-20' ELSE 'over 20' END AS size,
           min(record_count) AS smallest, entity_type, count(*) AS customers
    FROM resolved.golden_customer GROUP BY ALL ORDER BY smallest, entity_type
"""

TOTALS = """
    SELECT (SELECT count(*) FROM conformed.customer_record) AS records,
           (SELECT count(*) FROM published.customer_360) AS customers,
           (SELECT count(*) FROM published.orders) AS orders,
           (SELECT coalesce(sum(order_amount), 0) FROM published.customer_360) AS order_amount,
           (SELECT count(*) FROM published.tickets) AS tickets,
           (SELECT count(*) FROM ops.review_queue) AS review_pairs
"""

KPI_TREND = """
    SELECT kpi_code, kpi_name, unit, strftime(kpi_date, '%Y-%m-%d') AS date, value
    FROM published.kpi_daily
    WHERE kpi_date > (SELECT max(kpi_date) FROM published.kpi_daily) - 90
    ORDER BY kpi_code, kpi_date
"""

# What readers of customer_360 ask for most, in this order.
FILLED = (
    "email",
    "phone",
    "date_of_birth",
    "company_name",
    "street",
    "postcode",
    "city",
    "country_code",
    "industry_code",
)

FILL_RATES = f"""
    SELECT {", ".join(f"count({column})::DOUBLE / greatest(count(*), 1) AS {column}" for column in FILLED)}
    FROM published.customer_360
"""

# Of each source, its customers, and how many of them another source knows too.
OVERLAP = """
    SELECT source, count(*) AS customers, count(*) FILTER (is_shared) AS shared
    FROM (SELECT unnest(sources) AS source, len(sources) > 1 AS is_shared FROM published.customer_360)
    GROUP BY ALL ORDER BY customers DESC, source
"""

TOGETHER = """
    SELECT array_to_string(sources, ' + ') AS sources, count(*) AS customers FROM published.customer_360
    GROUP BY ALL ORDER BY customers DESC, sources LIMIT 10
"""

# The number of pairs of the review queue to show.
_EXPLAINED_PAIRS = 4

SEGMENTS = """
    SELECT segment_name AS segment, count(*) AS customers FROM published.segments
    GROUP BY ALL ORDER BY customers DESC, segment LIMIT 10
"""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How well the clusters agree with a known truth; shares between 0 and 1."""

    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    b3_precision: float
    b3_recall: float
    b3_f1: float
    truth: str


@dataclass(frozen=True, kw_only=True)
class ReviewCase:
    """A pair to review: the reason, what is at stake, and the explanation of its weight. Labels, no values."""

    pair: ReviewPair
    explanation: Explanation

    @property
    def reason_text(self) -> str:
        return REASONS[self.pair.reason]


@dataclass(frozen=True, kw_only=True)
class LakeFacts:
    """The facts of the page about the lake after the run. No field holds customer data."""

    totals: Row
    dead_letters: Sequence[Row]
    match_weights: Sequence[Row]
    thresholds: Sequence[Row]
    cluster_sizes: Sequence[Row]
    kpis: Sequence[Row]
    freshness: Sequence[Row]
    segments: Sequence[Row]
    review: Sequence[ReviewCase]
    quality: Quality | None
    changes: Sequence[FigureChange] = ()
    service_level: ServiceLevel | None = None
    figures: Sequence[KeyFigure] = ()
    fill_rates: Row = field(default_factory=dict)
    overlap: Sequence[Row] = ()
    together: Sequence[Row] = ()


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Everything on the page."""

    outcome: RunOutcome
    lake: LakeFacts
    base_currency: str


def gather_facts(
    con: duckdb.DuckDBPyConnection, settings: Settings, *, quality: Quality | None, now: datetime, run_id: str
) -> LakeFacts:
    """Read the figures of the page of a run from a connection with the schemas of the lake, or of a workspace."""
    review = top_explained(con, now=now, limit=_EXPLAINED_PAIRS)
    return LakeFacts(
        totals=fetch_records(con, TOTALS)[0],
        dead_letters=fetch_records(con, DEAD_LETTERS),
        match_weights=fetch_records(con, MATCH_WEIGHTS),
        thresholds=fetch_records(con, THRESHOLDS),
        cluster_sizes=fetch_records(con, CLUSTER_SIZES),
        kpis=fetch_records(con, KPI_TREND),
        figures=read_key_figures(con),
        fill_rates=fetch_records(con, FILL_RATES)[0],
        overlap=fetch_records(con, OVERLAP),
        together=fetch_records(con, TOGETHER),
        freshness=read_freshness(con, settings, now=now),
        segments=fetch_records(con, SEGMENTS),
        review=[ReviewCase(pair=pair, explanation=explanation) for pair, explanation in review],
        quality=quality,
        changes=summarise_publication(con, run_id),
        service_level=read_service_level(con, settings, now=now),
    )
