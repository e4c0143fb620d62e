"""Kinds of column that the resolver understands, and how to tell them from a column's name and content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.resolve.normaliser import LEGAL_FORMS, is_given_name


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of column: the pattern of names it goes by, and SQL from a text column to input columns.

    `{}` stands for the column. `inputs` maps columns of match_record.INPUT_COLUMNS to SQL. Kinds stand in the order
    in which they are tried. `shape` is what most values must look like, else the name of the column is not believed;
    values that look like `told_by` tell the kind whatever the column is called.
    """

    name: str
    pattern: str
    inputs: Mapping[str, str]
    shape: str = ""
    told_by: str = ""


# an extension is not part of the number; what stands before the last ten digits is a country's or a trunk's
_DIGITS = (
    "nullif(right(regexp_replace(regexp_replace(lower({}), '(ext|x)[ .:]*[0-9]+ *$', ''), '[^0-9]', '', 'g'), 10), '')"
)
_DOMAIN = r"nullif(regexp_extract(lower({}), '(?:https?://)?(?:www\.)?([a-z0-9.-]+\.[a-z]+)', 1), '')"
_FIRST_NUMBER = r"^\s*#?([0-9]+[a-zA-Z]?)(?:\s*[-/]\s*[0-9]+[a-zA-Z]?)?(?:[\s,]+|$)"
_LAST_NUMBER = r"[\s,]([0-9]+[a-zA-Z]?)\s*$"
# what a street line says of where in the street: "between 5th and 6th", "off Main St."
_WHERE = r"(?i)(\s{2,}|\s*[,(]|\s(between|btwn|bet|near|off|at|corner|cor)\s).*$"
_STREET = f"coalesce(nullif(regexp_replace(trim({{}}), '{_WHERE}', ''), ''), {{}})"
_DATE = """coalesce(
    try_cast({} AS DATE)::VARCHAR,
    (try_strptime({}, ['%Y%m%d', '%d/%m/%Y', '%m/%d/%Y', '%d.%m.%Y', '%d %B %Y', '%B %d, %Y'])::DATE)::VARCHAR,
    CASE WHEN regexp_full_match({}, '[0-9]{8}') THEN {}[1:4] || '-' || {}[5:6] || '-' || {}[7:8]
         WHEN regexp_full_match({}, '[0-9]{4}-[0-9]{2}-[0-9]{2}') THEN {} END)"""
_EMAIL = "CASE WHEN length({}) > 4 AND ({} LIKE '%@%' OR {} LIKE '%.%') THEN lower(trim({})) END"


KINDS = (
    Kind(name="ignore", pattern=r"^$", inputs={}),
    Kind(name="email", pattern=r"e.?mail", inputs={
        "email_canonical": _EMAIL,
        "email_domain": "CASE WHEN {} LIKE '%_@_%._%' THEN split_part(lower(trim({})), '@', 2) END",
    }, shape=r".*@.*", told_by=r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    Kind(name="website", pattern=r"web|url|homepage|domain", inputs={
        "website_domain": _DOMAIN,
    }, shape=r"[^\s@]+\.[^\s@]+", told_by=r"(?:https?://|www\.)\S+"),
    Kind(name="phone", pattern=r"phone|mobile|telefon|\btel\b|^cell|fixe|handy", inputs={"phone": _DIGITS},
         shape=r"(?:\D*\d){6,}.*", told_by=r"(?:\+\d|\(\d{2,5}\)|\d{3}[-./ ]+\d{3}[-./ ]*\d{4})[\d ()./-]*"),
    Kind(name="date_of_birth", pattern=r"birth.?date|date.?(of.?)?birth|\bdob\b|birthday|geburt|naissance|\bborn\b",
         inputs={"date_of_birth": _DATE}, shape=r".*\d.*\d.*\d.*",
         told_by=r"(?:1[89]\d\d|200\d)-?[01]\d-?[0-3]\d|[0-3]?\d[/.][0-3]?\d[/.](?:1[89]\d\d|200\d)"),
    Kind(name="middle_name", pattern=r"middle|second.?name", inputs={}),
    Kind(name="given_name", pattern=r"given|first.?name|fore.?name|name.first|prenom|vorname|^f.?name", inputs={
        "given_name": "{}",
    }),
    Kind(name="surname", pattern=r"^(?!.*\band\b).*sur.?name|last.?name|family.?name|name.last|nachname|^l.?name",
         inputs={"surname": "{}"}),
    Kind(name="name_suffix", pattern=r"suffix|generation", inputs={"name_suffix": "lower(replace({}, '.', ''))"}),
    Kind(name="company_name", pattern=r"company|organi[sz]ation|business|employer|\borg\b|firma", inputs={
        "company_name": "{}",
    }),
    Kind(name="occupation", pattern=r"occupation|profession|job|beruf", inputs={"occupation": "{}"}),
    Kind(name="gender", pattern=r"gender|\bsex\b|geschlecht", inputs={"gender": "{}[1]"}),
    Kind(name="house_number", pattern=r"house.?n|street.?n(umber|o)|hausnummer", inputs={"house_number": "{}"},
         shape=r".*\d.*"),
    Kind(name="postcode", pattern=r"post.?code|postal|\bzip|plz", inputs={"postcode": "{}"}, shape=r"(?=.*\d).{2,10}"),
    Kind(name="unit", pattern=r"\bunit\b|\bflat\b|apartment|\bapt\b|suite", inputs={"unit": "{}"}),
    Kind(name="line2", pattern=r"(addr(ess)?|street|line).?(line.?)?2|building", inputs={"line2": "{}"}),
    Kind(name="address", pattern=r"addr(ess)?([ _]?(1|line.?1|full))?$|^street|strasse|^line.?1", inputs={
        "street": f"trim(regexp_replace(regexp_replace({_STREET}, '{_FIRST_NUMBER}', ''), '{_LAST_NUMBER}', ''))",
        "house_number": f"coalesce(nullif(regexp_extract({{}}, '{_FIRST_NUMBER}', 1), ''), "
        f"nullif(regexp_extract({_STREET}, '{_LAST_NUMBER}', 1), ''))",
    }, told_by=r"\d+[a-zA-Z]?\s+.*(?:\bst|\bave?|\brd|street|avenue|road|drive|lane|blvd|\bdr|\bln|place)\b.*"
               r"|.*stra(?:ss|ß)e\s+\d+.*"),
    Kind(name="city", pattern=r"city|town|suburb|locality|birth.?place|\bort\b|place.?of.?birth|ville",
         inputs={"city": "{}"}),
    Kind(name="region", pattern=r"\bstate\b|province|region|county|bundesland", inputs={"region": "{}"}),
    Kind(name="country", pattern=r"country|nation|land$", inputs={"country_code": "upper({})"}),
    Kind(name="identifier",
         pattern=r"tax.?id|passport|national.?id|\bssn\b|soc.?sec|licen[cs]e.?n|\bvat\b|\blei\b|\bein\b|\bduns\b",
         inputs={"identifier": "nullif(regexp_replace(lower({}), '[^a-z0-9]', '', 'g'), '')"}),
    Kind(name="full_name", pattern=r"name|title", inputs={"full_name": "{}"}),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}

ORGANISATION_WORDS = frozenset(
    {*LEGAL_FORMS, "center", "centre", "school", "academy", "church", "restaurant", "cafe", "hotel", "bar", "club",
     "association", "services", "university", "college", "institute", "foundation", "store", "shop", "house", "grill",
     "bank", "hospital", "clinic", "council", "department", "care", "head", "start", "learning"}
)  # fmt: skip


def infer_kinds(columns: Mapping[str, Sequence[str]], rows: int) -> dict[str, str]:
    """Column to kind, by its name where its values do not contradict, else by its values (`columns`: a sample of each;
    of `rows` taken).

    A kind taken by an earlier column is not given again; columns of no known kind, or with no values, are ignored.
    """
    named = {column: _kind_by_name(column, values) for column, values in columns.items()}
    kinds: dict[str, str] = {}
    for column, values in columns.items():
        found = named[column]
        if found == "ignore" and len(values) >= 0.2 * rows:
            found = _kind_by_values(values)
            found = found if found not in named.values() else "ignore"
        if found in kinds.values():
            found = "line2" if found == "address" and "line2" not in {*kinds.values(), *named.values()} else "ignore"
        kinds[column] = found
    return kinds


def _kind_by_name(column: str, values: Sequence[str]) -> str:
    readable = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|_", " ", column).lower()
    kind = next((kind for kind in KINDS[1:] if re.search(kind.pattern, readable)), None)
    if kind is None or not values or (kind.shape and _share(kind.shape, values) < 0.5):
        return "ignore"
    return kind.name


def _kind_by_values(values: Sequence[str]) -> str:
    if not values:
        return "ignore"
    for kind in KINDS:
        if kind.told_by and _share(kind.told_by, values) >= 0.8:
            return kind.name
    if len(set(values)) < 0.3 * len(values):
        return "ignore"  # a category, not a name
    words = [re.findall(r"[^\W\d_]+", value.lower()) for value in values]
    known = sum(1 for w in words if w and is_given_name(w[0])) / len(values)
    if known >= 0.4:
        return "given_name" if sum(len(w) == 1 for w in words) >= 0.8 * len(words) else "full_name"
    if sum(bool(ORGANISATION_WORDS & set(w)) for w in words) >= 0.3 * len(words):
        return "company_name"
    return "ignore"


def _share(pattern: str, values: Sequence[str]) -> float:
    return sum(bool(re.fullmatch(pattern, value.strip(), re.DOTALL | re.IGNORECASE)) for value in values) / len(values)


def looks_like_people(names: Sequence[str]) -> bool:
    """Whether names on one line are people's: known given names against words of organisations."""
    people = organisations = 0
    for name in names:
        words = re.findall(r"[a-z]+", name.lower())
        organisations += any(word in ORGANISATION_WORDS for word in words) or any(c.isdigit() for c in name)
        people += 2 <= len(words) <= 4 and is_given_name(words[0])
    return people >= 2 * organisations and people > 0
