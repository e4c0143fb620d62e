"""Normalise mapped customer records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from checks.values import emails_in
from dataflow.conform.companies import normalise_company
from dataflow.conform.countries import normalise_country
from dataflow.conform.emails import normalise_email
from dataflow.conform.expressions import domain_of, joined_text, tidy_text, without_blanks
from dataflow.conform.lookup import build_lookup
from dataflow.conform.persons import normalise_person
from dataflow.conform.phones import is_placeholder_number, normalise_phone_value
from dataflow.conform.second import SecondPython, apply_here
from dataflow.conform.streets import normalise_street
from dataflow.conform.texts import capitalise, tidy
from dataflow.tables.columns import ENTITY_TYPES
from dataflow.vocabulary.placeholders import DEFAULT_DATES
from dataflow.vocabulary.postcodes import zip_code_sql
from dataflow.workspace.compiled import compiled_once
from dataflow.workspace.ibis_types import ibis_type
from dataflow.workspace.relations import sql_of
from lakehouse.deferred import deferred
from lakehouse.query import fetch_int
from lakehouse.table import literal

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

_TEXT = "VARCHAR"
_CARRIED = (
    "employee_count", "parent_record_id", "created_at", "updated_at",
    "_source", "_object", "_record_key", "_extracted_at", "_row_hash",
)  # fmt: skip


Dropped = dict[str, dict[str, int]]
"""Column to reason to how many records lost the value: {"email": {"placeholder": 2, "unreadable": 1}}."""

PLACEHOLDER = "placeholder"
UNREADABLE = "unreadable"
_READ = ("country_code", "email", "phone")
_BATCH = 10_000


@dataclass(frozen=True)
class Lookup:
    """One table of normalised values: the columns of the draft it reads, and the columns it fills."""

    name: str
    reads: tuple[str, ...]
    gives: tuple[tuple[str, str], ...]
    function: Callable[..., Sequence[object] | None]
    people_only: bool = False
    # Whether a second Python can take half: it imports the function's module, which must be cheap to import.
    halved: bool = False

    def key_of(self, rows: ir.Table) -> ir.StringValue:
        """Return the columns it reads as one text; null where all of them are null."""
        return joined_text([rows[column] for column in self.reads])


def _one(function: Callable[[str], object | None], text: str) -> tuple[object] | None:
    found = function(text)
    return None if found is None else (found,)


def _place(text: str) -> str | None:
    """Capitalise a city or region; a code of up to three letters stays as it is."""
    tidied = tidy(text)
    return tidied if tidied is None or len(tidied) <= 3 else capitalise(tidied)


COUNTRY = Lookup("country_lookup", ("country_code",), (("country_code", _TEXT),), partial(_one, normalise_country))
LOOKUPS = (
    Lookup(
        "email_lookup",
        ("email",),
        (
            ("email", _TEXT),
            ("email_canonical", _TEXT),
            ("email_domain", _TEXT),
            ("is_role_mailbox", "BOOLEAN"),
            ("further_emails", _TEXT),
        ),
        normalise_email,
    ),
    Lookup(
        "phone_lookup",
        ("phone", "country_code"),
        (("phone", _TEXT), ("further_phones", _TEXT)),
        normalise_phone_value,
        halved=True,
    ),
    Lookup(
        "person_lookup",
        ("given_name", "surname", "full_name", "name_suffix"),
        (("given_name", _TEXT), ("surname", _TEXT), ("name_suffix", _TEXT), ("full_name", _TEXT)),
        normalise_person,
        people_only=True,
        halved=True,
    ),
    Lookup(
        "company_lookup",
        ("company_name",),
        (("company_name", _TEXT), ("legal_form", _TEXT), ("company_full_name", _TEXT)),
        normalise_company,
        halved=True,
    ),
    Lookup(
        "street_lookup",
        ("street", "unit", "house_number"),
        (("street", _TEXT), ("house_number", _TEXT), ("unit", _TEXT)),
        normalise_street,
        halved=True,
    ),
    Lookup("city_lookup", ("city",), (("city", _TEXT),), partial(_one, _place)),
    Lookup("region_lookup", ("region",), (("region", _TEXT),), partial(_one, _place)),
)


def normalise_records(con: duckdb.DuckDBPyConnection, draft: ir.Table) -> Dropped:
    """Build the lookups that `normalised` reads for the rows of `draft`; return what was dropped.

    Shape: `draft` names a temporary table with the columns of conformed.customer_record as mapped. Its country codes
    are replaced first, because telephone numbers are parsed by country.
    """
    dropped: Dropped = {}
    types = ", ".join(map(literal, ENTITY_TYPES))
    con.execute(
        f"UPDATE {draft.get_name()} SET entity_type = lower(trim(entity_type)) WHERE entity_type NOT IN ({types})"
    )
    with SecondPython() as second:
        _build(con, COUNTRY, draft, second)
        dropped |= _count_dropped(con, COUNTRY, draft)
        con.execute(f"""
            UPDATE {draft.get_name()} SET country_code = (
                SELECT l.country_code FROM {COUNTRY.name} l WHERE l.key = {draft.get_name()}.country_code
            ) WHERE country_code IS NOT NULL
        """)
        code = "regexp_replace(postcode, '\\s+', '', 'g')"
        written = zip_code_sql(code, country="country_code")
        con.execute(f"UPDATE {draft.get_name()} SET postcode = {written} WHERE {written} <> {code}")
        for lookup in LOOKUPS:
            _build(con, lookup, draft, second)
            dropped |= _count_dropped(con, lookup, draft)
    return dropped


def _count_dropped(con: duckdb.DuckDBPyConnection, lookup: Lookup, draft: ir.Table) -> Dropped:
    """Count the records of which the lookup gives no value for the text that they have, by reason."""
    column = lookup.gives[-1 if lookup.people_only else 0][0]
    nothing = f"{lookup.name} WHERE {column} IS NULL"
    if not fetch_int(con, f"SELECT count(*) FROM {nothing}"):
        return {}

    def keyed() -> str:
        return sql_of(draft.select(key=lookup.key_of(draft), value=draft[lookup.reads[0]]))

    values = con.execute(
        f"SELECT value, count(*) FROM ({_compiled('keyed', lookup, draft, keyed)})"
        f" SEMI JOIN (SELECT key FROM {nothing}) USING (key) GROUP BY 1"
    )
    reasons: Counter[str] = Counter()
    while found := values.fetchmany(_BATCH):
        for value, count in found:
            reasons[_reason(column, value)] += count
    return {column: dict(sorted(reasons.items()))}


def _reason(column: str, value: str | None) -> str:
    """Say why a value was dropped: it stands for none, or it could not be read."""
    if column not in _READ or value is None or tidy(value) is None:
        return PLACEHOLDER
    if column == "email" and emails_in(value):
        return PLACEHOLDER
    return PLACEHOLDER if column == "phone" and is_placeholder_number(value) else UNREADABLE


def drop_lookups(con: duckdb.DuckDBPyConnection) -> None:
    for lookup in (COUNTRY, *LOOKUPS):
        con.execute(f"DROP TABLE {lookup.name}")


def _build(con: duckdb.DuckDBPyConnection, lookup: Lookup, draft: ir.Table, second: SecondPython) -> None:
    def wanted() -> str:
        rows = draft.filter(draft["entity_type"] == "person") if lookup.people_only else draft
        keyed = rows.select(key=lookup.key_of(rows), **{column: rows[column] for column in lookup.reads})
        return sql_of(keyed.filter(keyed["key"].notnull()).distinct())

    distinct = _compiled("wanted", lookup, draft, wanted)
    apply = partial(second.apply if lookup.halved else apply_here, lookup.function)
    build_lookup(con, lookup.name, distinct=distinct, gives=lookup.gives, apply=apply)


def _compiled(what: str, lookup: Lookup, draft: ir.Table, make: Callable[[], str]) -> str:
    return compiled_once(f"{what} {lookup.name} of {draft.get_name()} {draft.schema()!r}", make)


def normalised(draft: ir.Table) -> ir.Table:
    """Return the conformed rows as an expression over `draft` and the lookups of `normalise_records`."""
    rows = draft
    for lookup in LOOKUPS:
        names = {name: f"{lookup.name}.{name}" for name in ("key", *(given for given, _ in lookup.gives))}
        found = ibis.table({name: ibis_type(kind) for name, kind in (("key", _TEXT), *lookup.gives)}, name=lookup.name)
        found = found.select(**{new: found[old] for old, new in names.items()})
        rows = rows.left_join(found, lookup.key_of(rows) == found[f"{lookup.name}.key"])
    is_person = rows["entity_type"] == "person"
    given = {name: rows[f"{lookup.name}.{name}"] for lookup in LOOKUPS for name, _ in lookup.gives}
    for name in ("given_name", "surname", "name_suffix"):
        given[name] = ibis.ifelse(is_person, given[name], None)
    given["full_name"] = ibis.ifelse(is_person, given["full_name"], given.pop("company_full_name"))
    return rows.select(
        record_id=rows["record_id"],
        entity_type=rows["entity_type"],
        **given,
        date_of_birth=rows["date_of_birth"]
        .isin([ibis.date(day) for day in DEFAULT_DATES])
        .ifelse(ibis.null("date"), rows["date_of_birth"]),
        postcode=without_blanks(rows["postcode"]).upper(),
        country_code=rows["country_code"],
        website_domain=domain_of(rows["website_domain"]),
        ip_address=without_blanks(rows["ip_address"]).lower(),
        industry_text=tidy_text(rows["industry_text"]),
        crm_status=tidy_text(rows["crm_status"]),
        **{name: rows[name] for name in _CARRIED},
    )
