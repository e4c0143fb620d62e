"""Find a company's facts by its domain: for companies, and for people by their employer's domain."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dataflow.enrich.provider import CUSTOMERS, Enrichment, Release
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from dataflow.tables.enriched import FIRMOGRAPHICS
from dataflow.tables.resolved import GOLDEN_CUSTOMER
from dataflow.vocabulary import version_of
from dataflow.vocabulary.mailboxes import FREE_MAIL, FREE_MAIL_BRANDS, NATIONAL_FREE_MAIL
from dataflow.vocabulary.websites import PAGE_HOST, PAGE_HOSTS
from dataflow.workspace.compiled import compiled
from dataflow.workspace.relations import key_relation, relation, sql_of
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred
from lakehouse.table import file_literal

if TYPE_CHECKING:
    import ibis
else:
    ibis = deferred("ibis")

_COMPANIES = "known_company"
_COLUMNS = {
    "domain": "VARCHAR",
    "company_name": "VARCHAR",
    "employee_count": "BIGINT",
    "annual_revenue_usd": "BIGINT",
    "founded_year": "BIGINT",
    "naics_code": "VARCHAR",
    "country_code": "VARCHAR",
}


def releases(settings: Settings) -> tuple[Release, ...]:
    """Name the version of the company file and of the free-mail domains, which belong to no employer.

    Raises: ConfigurationError when the file is missing.
    """
    if not settings.enrich.firmographics:
        return ()
    path = Path(settings.enrich.firmographics)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
            return (Release(path.stem, f"{digest}.{version_of(FREE_MAIL, FREE_MAIL_BRANDS, PAGE_HOSTS)}"),)
    except OSError as error:
        raise ConfigurationError(
            f"enrich.firmographics names {path}, which cannot be read ({type(error).__name__}).",
            next_move="Put a Parquet file there, or set enrich.firmographics to an empty text to switch it off.",
        ) from error


def firmographics_sql(ws: Workspace, settings: Settings) -> str:
    """Return the SELECT of rows for the customers in CUSTOMERS whose domain the provider knows."""
    _load(ws, Path(settings.enrich.firmographics))
    (release,) = releases(settings)
    return _rows_sql(release)


@compiled
def _rows_sql(release: Release) -> str:
    touched = relation(GOLDEN_CUSTOMER).semi_join(key_relation(CUSTOMERS, "customer_id"), "customer_id")
    customers = touched.select("customer_id", "email", "website_domain").view()
    mailbox = customers.email.split("@")[1].lower()
    is_free = mailbox.isin(sorted(FREE_MAIL)) | mailbox.re_search(NATIONAL_FREE_MAIL)
    employer = ibis.ifelse(is_free, ibis.null(), mailbox)
    website = ibis.ifelse(customers.website_domain.re_search(PAGE_HOST), ibis.null(), customers.website_domain)
    asked = customers.select("customer_id", domain=ibis.coalesce(website, employer))
    schema = {name: "int64" if kind == "BIGINT" else "string" for name, kind in _COLUMNS.items()}
    found = asked.join(ibis.table(schema, name=_COMPANIES), "domain")
    return sql_of(found.mutate(provider=ibis.literal(release.provider), provider_version=ibis.literal(release.version)))


def _load(ws: Workspace, path: Path) -> None:
    """Read the companies; of two rows with one domain the larger company is kept."""
    columns = ", ".join(f"{name}::{kind} AS {name}" for name, kind in _COLUMNS.items() if name != "domain")
    try:
        ws.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {_COMPANIES} AS
            SELECT lower(domain) AS domain, {columns} FROM read_parquet({file_literal(path)})
            WHERE domain IS NOT NULL
            QUALIFY row_number() OVER (
                PARTITION BY lower(domain) ORDER BY employee_count DESC NULLS LAST, company_name, naics_code
            ) = 1
        """)
    except (duckdb.InvalidInputException, duckdb.BinderException, duckdb.ConversionException, duckdb.IOException) as e:
        raise ConfigurationError(
            f"enrich.firmographics names {path}, which does not have the expected content: "
            f"a Parquet file with {', '.join(f'{name} {kind}' for name, kind in _COLUMNS.items())}.",
            next_move="Correct the file, or set enrich.firmographics to an empty text to switch it off.",
        ) from e


ENRICHMENT = Enrichment(
    table=FIRMOGRAPHICS,
    releases=releases,
    rows=firmographics_sql,
    follows=lambda ws: f"SELECT customer_id FROM ({ws.changed(GOLDEN_CUSTOMER)})",
)
