"""Declare an enrichment: the columns it adds to a customer, its provider, and when a value expires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dataflow.settings import Settings
from dataflow.tables.resolved import GOLDEN_CUSTOMER
from dataflow.workspace.report import StepReport, measured, resident_bytes
from dataflow.workspace.staging import Staged
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int
from lakehouse.table import Table, column_list, quote

CUSTOMERS = "enriched_customer"
"""Temporary table of the customers that the running enrichment computes."""

_ADDED_HERE = ("obtained_at", "expires_at", "_run_id")


@dataclass(frozen=True)
class Release:
    """The provider's data that a value comes from. A new version makes every earlier value stale."""

    provider: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Enrichment:
    """How one enriched table is computed.

    `releases` opens the provider's data (so that an error comes before any work) and names it; empty: switched off.
    `rows` returns SQL for the customers in CUSTOMERS: the value columns, `provider`, `provider_version`, and
    `expires_at` where `knows_expiry`. `follows` is SQL for the customers whose inputs changed.
    """

    table: Table
    releases: Callable[[Settings], tuple[Release, ...]]
    rows: Callable[[Workspace, Settings], str]
    follows: Callable[[Workspace], str]
    knows_expiry: bool = False


def run_enrichment(ws: Workspace, settings: Settings, enrichment: Enrichment) -> StepReport:
    """Compute an enrichment for customers that changed, whose value expired, or whose provider has a new release.

    A value obtained later than now was obtained under a wrong clock: it is computed again.
    Raises: ConfigurationError when the provider's data is missing or unusable.
    """
    with measured() as watch:
        releases = enrichment.releases(settings)
        ws.con.execute(f"CREATE OR REPLACE TEMP TABLE {CUSTOMERS} AS {_customers(ws, enrichment, releases)}")
        asked, staged = 0, Staged()
        if fetch_int(ws.con, f"SELECT count(*) FROM {CUSTOMERS}"):
            asked = fetch_int(
                ws.con, f"SELECT count(*) FROM {CUSTOMERS} SEMI JOIN {GOLDEN_CUSTOMER.sql_name} USING (customer_id)"
            )
            found = enrichment.rows(ws, settings) if asked and releases else _nothing(enrichment)
            staged = ws.stage(
                enrichment.table, _dated(ws, settings, enrichment, found), scope=f"SELECT customer_id FROM {CUSTOMERS}"
            )
        known = staged.inserted + staged.updated + staged.unchanged
        return StepReport(
            stage="enrich",
            subject=enrichment.table.full_name,
            rows_in=known,
            rows_out=known,
            inserted=staged.inserted,
            updated=staged.updated,
            deleted=staged.deleted,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts={
                "customers_asked": asked,
                "customers_unknown": asked - known,
                "releases": [f"{release.provider} {release.version}" for release in releases],
            },
        )


def _customers(ws: Workspace, enrichment: Enrichment, releases: tuple[Release, ...]) -> str:
    before = ws.before(enrichment.table)
    if _has_new_release(ws, before, releases):
        return f"SELECT customer_id FROM {GOLDEN_CUSTOMER.sql_name} UNION SELECT customer_id FROM {before}"
    return f"""
        SELECT customer_id FROM ({enrichment.follows(ws)})
        UNION SELECT customer_id FROM {before} WHERE expires_at <= {ws.run.now_sql} OR obtained_at > {ws.run.now_sql}
    """


def _has_new_release(ws: Workspace, before: str, releases: tuple[Release, ...]) -> bool:
    """Return whether the table was made from other releases.

    A release without a match in the table leaves no trace, so the table is recomputed in each run: slow, never stale.
    """
    used = {
        Release(str(provider), str(version))
        for provider, version in ws.con.execute(f"SELECT DISTINCT provider, provider_version FROM {before}").fetchall()
    }
    return used != set(releases)


def _dated(ws: Workspace, settings: Settings, enrichment: Enrichment, found: str) -> str:
    """Add when a value was obtained and when it expires; an unchanged, unexpired value keeps its dates."""
    if enrichment.knows_expiry:
        return f"SELECT *, {ws.run.now_sql} AS obtained_at FROM ({found})"
    values = [c for c in enrichment.table.column_names if c not in ("customer_id", *_ADDED_HERE)]
    same = " AND ".join(f"n.{quote(c)} IS NOT DISTINCT FROM o.{quote(c)}" for c in values)
    stands = f"o.expires_at > {ws.run.now_sql} AND o.obtained_at <= {ws.run.now_sql} AND {same}"
    fresh = f"{ws.run.now_sql} + INTERVAL {int(settings.enrich.expires_after_days)} DAY"
    return f"""
        SELECT n.*,
            CASE WHEN {stands} THEN o.obtained_at ELSE {ws.run.now_sql} END AS obtained_at,
            CASE WHEN {stands} THEN o.expires_at ELSE {fresh} END AS expires_at
        FROM ({found}) n LEFT JOIN {ws.before(enrichment.table)} o USING (customer_id)
    """


def _nothing(enrichment: Enrichment) -> str:
    added = _ADDED_HERE if not enrichment.knows_expiry else ("obtained_at", "_run_id")
    names = [column for column in enrichment.table.column_names if column not in added]
    return f"SELECT {column_list(names)} FROM {enrichment.table.sql_name} WHERE false"
