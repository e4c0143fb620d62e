"""Kinds of column that the resolver understands, and how to tell them from a column's name and content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.resolve.normaliser import LEGAL_FORMS, roots_of


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of column: the pattern of names it goes by, and SQL from a text column to input columns.

    `{}` stands for the column. `inputs` maps columns of match_record.INPUT_COLUMNS to SQL. Kinds stand in the order
    in which they are tried.
    """

    name: str
    pattern: str
    inputs: Mapping[str, str]


_DIGITS = "nullif(regexp_replace({}, '[^0-9+]', '', 'g'), '')"
_DOMAIN = r"nullif(regexp_extract(lower({}), '(?:https?://)?(?:www\.)?([a-z0-9.-]+\.[a-z]+)', 1), '')"
_FIRST_NUMBER = r"^\s*#?([0-9]+[a-zA-Z]?)\s+"
_LAST_NUMBER = r"\s([0-9]+[a-zA-Z]?)\s*$"
_DATE = (
    "coalesce(try_cast({} AS DATE), try_strptime({}, ['%Y%m%d', '%d/%m/%Y', '%m/%d/%Y', '%d.%m.%Y'])::DATE)::VARCHAR"
)
_EMAIL = "CASE WHEN {} LIKE '%_@_%._%' THEN lower(trim({})) END"

KINDS = (
    Kind(name="ignore", pattern=r"^$", inputs={}),
    Kind(name="email", pattern=r"e.?mail", inputs={
        "email_canonical": _EMAIL,
        "email_domain": "split_part(lower(trim({})), '@', 2)",
    }),
    Kind(name="website", pattern=r"web|url|homepage", inputs={
        "website_domain": _DOMAIN,
    }),
    Kind(name="phone", pattern=r"phone|mobile|telefon|\btel\b|^cell", inputs={"phone": _DIGITS}),
    Kind(name="date_of_birth", pattern=r"birth.?date|date.?of.?birth|\bdob\b|birthday|geburt", inputs={
        "date_of_birth": _DATE,
    }),
    Kind(name="given_name", pattern=r"given|first.?name|forename|name.first|prenom|vorname", inputs={
        "given_name": "{}",
    }),
    Kind(name="surname", pattern=r"^(?!.*\band\b).*sur.?name|last.?name|family.?name|name.last|nachname", inputs={
        "surname": "{}",
    }),
    Kind(name="name_suffix", pattern=r"suffix|generation", inputs={"name_suffix": "lower(replace({}, '.', ''))"}),
    Kind(name="company_name", pattern=r"company|organi[sz]ation|business|employer|\borg\b|firma", inputs={
        "company_name": "{}",
    }),
    Kind(name="house_number", pattern=r"house.?n|street.?n(umber|o)|hausnummer", inputs={"house_number": "{}"}),
    Kind(name="postcode", pattern=r"post.?code|postal|\bzip|plz", inputs={"postcode": "{}"}),
    Kind(name="address", pattern=r"addr(ess)?([ _]?(1|line.?1|full))?$|^street|strasse", inputs={
        "street": f"trim(regexp_replace(regexp_replace({{}}, '{_FIRST_NUMBER}', ''), '{_LAST_NUMBER}', ''))",
        "house_number": f"coalesce(nullif(regexp_extract({{}}, '{_FIRST_NUMBER}', 1), ''), "
        f"nullif(regexp_extract({{}}, '{_LAST_NUMBER}', 1), ''))",
    }),
    Kind(name="city", pattern=r"city|town|suburb|locality|birth.?place|\bort\b", inputs={"city": "{}"}),
    Kind(name="country", pattern=r"country|nation|land$", inputs={"country_code": "upper({})"}),
    Kind(name="identifier", pattern=r"tax.?id|passport|national.?id|\bssn\b|soc.?sec|licen[cs]e.?n|\bvat\b|\blei\b",
         inputs={"identifier": "nullif(regexp_replace(lower({}), '[^a-z0-9]', '', 'g'), '')"}),
    Kind(name="full_name", pattern=r"name", inputs={"full_name": "{}"}),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}

ORGANISATION_WORDS = frozenset(
    {*LEGAL_FORMS, "center", "centre", "school", "academy", "church", "restaurant", "cafe", "hotel", "bar", "club",
     "association", "services", "university", "college", "institute", "foundation", "store", "shop", "house", "grill",
     "bank", "hospital", "clinic", "council", "department", "care", "head", "start", "learning"}
)  # fmt: skip


def infer_kinds(columns: Sequence[str]) -> dict[str, str]:
    """Column to kind by name; a kind taken by an earlier column is not given again, the column is then ignored."""
    kinds: dict[str, str] = {}
    for column in columns:
        readable = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", column).lower()
        found = next((k.name for k in KINDS[1:] if re.search(k.pattern, readable)), "ignore")
        kinds[column] = found if found not in kinds.values() else "ignore"
    return kinds


def looks_like_people(names: Sequence[str]) -> bool:
    """Whether names on one line are people's: known given names against words of organisations."""
    people = organisations = 0
    for name in names:
        words = re.findall(r"[a-z]+", name.lower())
        organisations += any(word in ORGANISATION_WORDS for word in words) or any(c.isdigit() for c in name)
        people += 2 <= len(words) <= 4 and any(len(roots_of(word)) > 1 for word in words[:1])
    return people >= 2 * organisations and people > 0
