"""Which record a golden value is taken from, declared per field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from checks.errors import CheckDeclarationError
from checks.registry import Registry, unknown_name
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.resolved import GOLDEN_CUSTOMER

Criterion = Literal["frequency", "completeness", "trust", "recency"]


@dataclass(frozen=True, kw_only=True)
class Survivorship:
    """Fields that are taken together from one record, and the criteria that choose it, the first one first.

    Only records with the `anchor` are candidates. frequency: how many of the customer's records agree on the anchor.
    completeness: how many of the fields the record fills. trust: the rank of its source in the settings. recency: when
    the source last changed it. The record id breaks ties. `is_single`: a customer has one such value at a time, so
    records that differ are a conflict; a second e-mail is not.
    """

    fields: tuple[str, ...]
    anchor: str
    by: tuple[Criterion, ...]
    is_single: bool = False


RULES = (
    # one source writes a name out, others shorten it; parts of different records would make a name that is none of them
    Survivorship(
        fields=("full_name", "given_name", "surname"),
        anchor="full_name",
        by=("completeness", "frequency", "trust", "recency"),
    ),
    Survivorship(fields=("name_suffix",), anchor="name_suffix", by=("frequency", "trust", "recency"), is_single=True),
    Survivorship(
        fields=("date_of_birth",), anchor="date_of_birth", by=("frequency", "trust", "recency"), is_single=True
    ),
    Survivorship(fields=("company_name", "legal_form"), anchor="company_name", by=("trust", "recency")),
    Survivorship(fields=("email",), anchor="email", by=("recency", "trust")),
    Survivorship(fields=("phone",), anchor="phone", by=("recency", "trust")),
    # parts of two addresses would make an address that does not exist
    Survivorship(
        fields=("street", "house_number", "unit", "city", "region", "postcode"),
        anchor="coalesce(street, postcode, city)",
        by=("completeness", "recency", "trust"),
    ),
    Survivorship(fields=("country_code",), anchor="country_code", by=("frequency", "recency", "trust"), is_single=True),
    Survivorship(fields=("website_domain",), anchor="website_domain", by=("trust", "recency")),
    Survivorship(fields=("ip_address",), anchor="ip_address", by=("recency",)),
    Survivorship(fields=("industry_text",), anchor="industry_text", by=("trust", "recency")),
    Survivorship(fields=("employee_count",), anchor="employee_count", by=("recency", "trust")),
    Survivorship(fields=("crm_status",), anchor="crm_status", by=("recency", "trust")),
    Survivorship(fields=("parent_customer_id",), anchor="parent_customer_id", by=("trust", "recency")),
)


def index_rules(rules: tuple[Survivorship, ...]) -> Registry[Survivorship]:
    """Index the rules by field. Raises: CheckDeclarationError for a field of two rules, or one that no record has."""
    by_field = [(field, rule) for rule in rules for field in rule.fields]
    found = Registry("golden field", by_field, name=lambda pair: pair[0])
    known = {*CUSTOMER_RECORD.column_names, *GOLDEN_CUSTOMER.column_names}
    for field in found:
        if field not in known:
            raise CheckDeclarationError(unknown_name("golden field", field, known))
    return Registry("golden field", rules, name=lambda rule: rule.fields[0])


SURVIVORSHIP = index_rules(RULES)
"""The rules by their first field."""
