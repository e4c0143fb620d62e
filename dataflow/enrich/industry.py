"""Classify a customer's industry: the NAICS sector from firmographics, else from the source's own text.

Source of the sectors: North American Industry Classification System 2022, U.S. Census Bureau.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.enrich.provider import CUSTOMERS, Enrichment, Release
from dataflow.settings import Settings
from dataflow.tables.enriched import FIRMOGRAPHICS, INDUSTRY
from dataflow.tables.resolved import GOLDEN_CUSTOMER
from dataflow.workspace.compiled import compiled
from dataflow.workspace.relations import key_relation, relation, sql_of, widened
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

_RELEASE = Release("NAICS sectors", "2022-1")

SECTORS = {
    "11": "Agriculture, Forestry, Fishing and Hunting",
    "21": "Mining, Quarrying, and Oil and Gas Extraction",
    "22": "Utilities",
    "23": "Construction",
    "31": "Manufacturing",
    "42": "Wholesale Trade",
    "44": "Retail Trade",
    "48": "Transportation and Warehousing",
    "51": "Information",
    "52": "Finance and Insurance",
    "53": "Real Estate and Rental and Leasing",
    "54": "Professional, Scientific, and Technical Services",
    "55": "Management of Companies and Enterprises",
    "56": "Administrative and Support and Waste Management Services",
    "61": "Educational Services",
    "62": "Health Care and Social Assistance",
    "71": "Arts, Entertainment, and Recreation",
    "72": "Accommodation and Food Services",
    "81": "Other Services",
    "92": "Public Administration",
}
# NAICS gives these three sectors several two-digit codes; the first one represents all.
_SAME_SECTOR = {"32": "31", "33": "31", "45": "44", "49": "48"}

# Pattern in the source's text, lower case, to sector. The first match decides, so specific patterns come first.
KEYWORDS = (
    ("bank|insur|financ|invest|fintech", "52"),
    ("real estate|propert", "53"),
    ("biotech|pharma|health|hospital|medic|physician|clinic|dentist", "62"),
    ("educat|school|universit|training", "61"),
    ("software|telecom|media|technolog|internet|communicat|publish", "51"),
    ("consult|engineer|legal|law |account|advertis|marketing|research|design", "54"),
    ("construct|building", "23"),
    ("wholesale|distribut|trading", "42"),
    ("retail|e-commerce|shop|merchandise|stores", "44"),
    ("transport|logist|shipping|warehous|airline|freight", "48"),
    ("energy|utilit|electric power|water supply", "22"),
    ("mining|oil|gas ", "21"),
    ("agricult|farm|forest|fish", "11"),
    ("hotel|hospitality|restaurant|food service|travel", "72"),
    ("entertain|recreation|sport|arts", "71"),
    ("government|public admin|municipal", "92"),
    ("environmental|waste|staffing|security|facility", "56"),
    ("manufactur|machinery|chemical|electronic|apparel|textile|fabric|food|beverage|automotive", "31"),
    ("not for profit|non-profit|nonprofit|other services|repair", "81"),
)


def industry_sql(ws: Workspace, settings: Settings) -> str:  # noqa: ARG001 (one signature for all enrichments)
    """Return the SELECT of rows for the customers in CUSTOMERS whose industry is known."""
    return _rows_sql()


@compiled
def _rows_sql() -> str:
    customers = relation(GOLDEN_CUSTOMER).semi_join(key_relation(CUSTOMERS, "customer_id"), "customer_id")
    firms = relation(FIRMOGRAPHICS).select("customer_id", "naics_code")
    rows = widened(customers, firms, "customer_id")
    by_firm, by_word = sector_of_naics(rows.naics_code), sector_of_text(rows.industry_text)
    code = ibis.coalesce(by_firm, by_word)
    known = rows.select(
        "customer_id",
        industry_code=code,
        industry_name=code.substitute(SECTORS),
        method=ibis.ifelse(by_firm.notnull(), "firmographics", "keyword"),
        provider=ibis.literal(_RELEASE.provider),
        provider_version=ibis.literal(_RELEASE.version),
    )
    return sql_of(known.filter(known.industry_code.notnull()))


def sector_of_naics(code: ir.Value) -> ir.Value:
    """Shorten a NAICS code of any length to its sector; null for an invalid code."""
    sector = code.substr(0, 2).substitute(_SAME_SECTOR)
    return ibis.ifelse(sector.isin(list(SECTORS)), sector, ibis.null())


def sector_of_text(text: ir.Value) -> ir.Value:
    """Return the sector of a source's text; null where no pattern matches."""
    words = text.lower() + " "
    return ibis.cases(*[(words.re_search(pattern), sector) for pattern, sector in KEYWORDS], else_=ibis.null("string"))


ENRICHMENT = Enrichment(
    table=INDUSTRY,
    releases=lambda _: (_RELEASE,),
    rows=industry_sql,
    follows=lambda ws: (
        f"SELECT customer_id FROM ({ws.changed(GOLDEN_CUSTOMER)})"
        f" UNION SELECT customer_id FROM ({ws.changed(FIRMOGRAPHICS)})"
    ),
)
