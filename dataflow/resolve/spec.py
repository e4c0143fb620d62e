"""What the resolver compares, blocks on and believes, declared once for people and once for companies.

A comparison is a ladder of levels, from surest agreement to plain disagreement; the first that holds is the one that
counts. Columns are those of a match record (match_record.py); `_l` and `_r` are the two records of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """One rung: a SQL condition and how often it holds between two records of the same entity (`m`).

    `m` is what the level starts from; training moves it unless `fixed`. `u`, how often the level holds between
    different entities, is measured on the data unless it is given here. `odds` stands for levels that identify by
    themselves: the odds that two records agreeing here, and compared in nothing else, are the same entity. Their `u`
    follows from the prior, so they mean the same at any size of the data. `frequency_of` names the column whose
    rarer values weigh more.
    """

    label: str
    condition: str
    m: float
    u: float | None = None
    odds: float | None = None
    fixed: bool = False
    frequency_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One thing compared; `missing` says when a pair has nothing to compare, `columns` what must be filled."""

    name: str
    columns: tuple[str, ...]
    missing: str
    levels: tuple[Level, ...]


@dataclass(frozen=True, kw_only=True)
class Frequency:
    """A column whose rare values weigh more than common ones.

    How common a value is is counted in entities, not in records, or ten records of one person would make a rare name
    common: `apart` is an expression that differs between entities that share the value; None counts records.
    """

    column: str
    apart: str | None = None


@dataclass(frozen=True, kw_only=True)
class BlockingRule:
    """Records that share `key` become candidate pairs, unless more than `cap` records share it."""

    name: str
    key: str
    cap: int


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """A weight added where levels that each look harmless contradict, or carry, one another.

    `condition` speaks of the comparisons' levels as `gamma_<comparison>` (0 is disagreement, -1 missing) and of the
    records' columns. The model itself takes comparisons as independent; this is where they are not. Weights are
    negative: a pair that the model already rejects is never looked at again.
    """

    name: str
    condition: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class EntitySpec:
    """Everything the resolver needs to know about one type of entity.

    `kin` is a coarse form of the name: how many of them share an e-mail or a telephone tells a person's own from a
    mailbox or a switchboard of many.
    """

    entity_type: str
    comparisons: tuple[Comparison, ...]
    frequencies: tuple[Frequency, ...]
    kin: str
    blocking: tuple[BlockingRule, ...]
    training_rules: tuple[str, ...]
    adjustments: tuple[Adjustment, ...] = ()
    link_threshold: float = 0.97
    review_threshold: float = 0.2


def _both(column: str) -> str:
    return f'"{column}_l" IS NULL OR "{column}_r" IS NULL'


def _typo(column: str, *, edits: int) -> str:
    """A few letters wrong. The cheap tests stand first: Levenshtein costs ten times Jaro-Winkler, and DuckDB's
    Damerau-Levenshtein sixty times (13 µs a pair, November 2026)."""
    left, right = f"{column}_l", f"{column}_r"
    return (
        f"(abs(length({left}) - length({right})) <= {edits} AND jaro_winkler_similarity({left}, {right}) >= 0.8"
        f" AND levenshtein({left}, {right}) <= {edits})"
    )


EMAIL = Comparison(
    name="email",
    columns=("email",),
    missing=_both("email"),
    levels=(
        Level(label="same e-mail", condition="email_l = email_r", m=0.62, odds=14, frequency_of="email"),
        Level(
            label="same name before the @",
            condition="email_local_l = email_local_r AND length(email_local_l) > 4",
            m=0.10,
            odds=1.5,
            frequency_of="email_local",
        ),
        Level(
            label="e-mail a letter or two apart",
            condition=_typo("email", edits=2),
            m=0.05,
        ),
        Level(label="other e-mail", condition="ELSE", m=0.23),
    ),
)

PHONE = Comparison(
    name="phone",
    columns=("phone",),
    missing=_both("phone"),
    levels=(
        Level(label="same telephone", condition="phone_l = phone_r", m=0.62, odds=6, frequency_of="phone"),
        Level(label="one digit apart", condition=_typo("phone", edits=1), m=0.05),
        Level(label="other telephone", condition="ELSE", m=0.33),
    ),
)

_SAME_STREET = "jaro_winkler_similarity(street_l, street_r) >= 0.9"
_SAME_HOUSE = "house_number_l = house_number_r"
_SAME_PLACE = "(postcode_l = postcode_r OR city_l = city_r)"

ADDRESS = Comparison(
    name="address",
    columns=("street", "house_number", "postcode", "city"),
    # parts of an address say one thing together: compared apart they would count it four times
    missing="(street_l IS NULL OR street_r IS NULL) AND (postcode_l IS NULL OR postcode_r IS NULL)"
    " AND (city_l IS NULL OR city_r IS NULL)",
    levels=(
        Level(
            label="same door",
            condition=f"{_SAME_STREET} AND {_SAME_HOUSE} AND {_SAME_PLACE} AND unit_l IS NOT DISTINCT FROM unit_r",
            m=0.42,
            odds=0.5,
            frequency_of="door",
        ),
        Level(
            label="same house",
            condition=f"{_SAME_STREET} AND {_SAME_HOUSE} AND {_SAME_PLACE}",
            m=0.08,
            odds=0.1,
        ),
        Level(
            label="same street, other house",
            condition=f"{_SAME_STREET} AND {_SAME_PLACE} AND house_number_l <> house_number_r",
            m=0.02,
        ),
        Level(label="same postcode", condition="postcode_l = postcode_r", m=0.14, frequency_of="postcode"),
        Level(label="same city", condition="city_l = city_r", m=0.12, frequency_of="city"),
        Level(label="other address", condition="ELSE", m=0.22),
    ),
)

GIVEN = Comparison(
    name="given",
    columns=("given",),
    missing=_both("given"),
    levels=(
        Level(label="same given name", condition="given_l = given_r", m=0.68, frequency_of="given"),
        Level(
            label="names swapped",
            condition="given_l = surname_r AND surname_l = given_r",
            m=0.01,
        ),
        Level(label="nickname", condition="list_has_any(given_roots_l, given_roots_r)", m=0.09),
        Level(
            label="given name misspelt",
            condition="jaro_winkler_similarity(given_l, given_r) >= 0.9"
            f" OR (length(given_l) > 3 AND {_typo('given', edits=1)})",
            m=0.11,
        ),
        Level(
            label="initial",
            condition="(length(given_l) = 1 OR length(given_r) = 1) AND given_l[1] = given_r[1]",
            m=0.06,
        ),
        Level(label="one of several given names", condition="list_has_any(given_tokens_l, given_tokens_r)", m=0.02),
        Level(label="other given name", condition="ELSE", m=0.02, fixed=True),
    ),
)

SURNAME = Comparison(
    name="surname",
    columns=("surname",),
    missing=_both("surname"),
    levels=(
        Level(label="same surname", condition="surname_l = surname_r", m=0.80, frequency_of="surname"),
        Level(
            label="names swapped",
            condition="given_l = surname_r AND surname_l = given_r",
            m=0.01,
        ),
        Level(
            label="surname misspelt",
            condition="jaro_winkler_similarity(surname_l, surname_r) >= 0.92"
            f" OR (length(surname_l) > 4 AND {_typo('surname', edits=1)})",
            m=0.11,
        ),
        Level(
            label="part of a compound surname",
            condition="list_has_any(surname_tokens_l, surname_tokens_r)",
            m=0.02,
        ),
        Level(label="other surname", condition="ELSE", m=0.06),
    ),
)

BIRTH = Comparison(
    name="birth",
    columns=("date_of_birth",),
    missing=_both("date_of_birth"),
    levels=(
        Level(
            label="same date of birth",
            condition="date_of_birth_l = date_of_birth_r AND right(date_of_birth_l, 5) <> '01-01'",
            m=0.82,
            frequency_of="date_of_birth",
        ),
        # systems write the first of January where only the year is known
        Level(label="same first of January", condition="date_of_birth_l = date_of_birth_r", m=0.08),
        Level(
            label="date of birth mistyped",
            # one digit, two neighbours, or day and month changed places
            condition="(levenshtein(date_of_birth_l, date_of_birth_r) <= 2"
            " AND list_sort(split(date_of_birth_l, '')) = list_sort(split(date_of_birth_r, '')))"
            " OR levenshtein(date_of_birth_l, date_of_birth_r) <= 1"
            " OR (left(date_of_birth_l, 4) = left(date_of_birth_r, 4)"
            " AND right(date_of_birth_l, 2) = substr(date_of_birth_r, 6, 2)"
            " AND right(date_of_birth_r, 2) = substr(date_of_birth_l, 6, 2))",
            m=0.06,
        ),
        Level(
            label="same year or same day of the year",
            condition="left(date_of_birth_l, 4) = left(date_of_birth_r, 4)"
            " OR right(date_of_birth_l, 5) = right(date_of_birth_r, 5)",
            m=0.03,
        ),
        Level(label="other date of birth", condition="ELSE", m=0.01),
    ),
)

GENERATION = Comparison(
    name="generation",
    columns=("suffix",),
    missing=_both("suffix"),
    levels=(
        Level(label="same generation", condition="suffix_l = suffix_r", m=0.985, u=0.45, fixed=True),
        Level(label="other generation", condition="ELSE", m=0.015, u=0.55, fixed=True),
    ),
)

EMPLOYER = Comparison(
    name="employer",
    columns=("org_key",),
    missing=_both("org_key"),
    levels=(
        Level(label="same employer", condition="org_key_l = org_key_r", m=0.62, frequency_of="org_key"),
        Level(label="employer misspelt", condition="jaro_winkler_similarity(org_l, org_r) >= 0.92", m=0.10),
        Level(label="other employer", condition="ELSE", m=0.28),
    ),
)

COUNTRY = Comparison(
    name="country",
    columns=("country_code",),
    missing=_both("country_code"),
    levels=(
        Level(label="same country", condition="country_code_l = country_code_r", m=0.96),
        Level(label="other country", condition="ELSE", m=0.04),
    ),
)

IDENTIFIER = Comparison(
    name="identifier",
    columns=("identifier",),
    missing=_both("identifier"),
    levels=(
        Level(label="same identifier", condition="identifier_l = identifier_r", m=0.93, odds=200),
        Level(
            label="identifier mistyped",
            condition=f"length(identifier_l) > 5 AND {_typo('identifier', edits=1)}",
            m=0.05,
        ),
        Level(label="other identifier", condition="ELSE", m=0.02),
    ),
)

PERSON = EntitySpec(
    entity_type="person",
    comparisons=(GIVEN, SURNAME, BIRTH, GENERATION, EMAIL, PHONE, ADDRESS, COUNTRY, EMPLOYER, IDENTIFIER),
    frequencies=(
        Frequency(column="given", apart="surname"),
        Frequency(column="surname", apart="given_root"),
        Frequency(column="date_of_birth", apart="name_key"),
        Frequency(column="postcode", apart="name_key"),
        Frequency(column="city", apart="name_key"),
        Frequency(column="org_key", apart="name_key"),
    ),
    kin="given_root[1] || surname[1]",
    blocking=(
        BlockingRule(name="e-mail", key="email", cap=50),
        BlockingRule(name="telephone", key="phone", cap=50),
        BlockingRule(name="e-mail and name", key="email || surname || given[1]", cap=50),
        BlockingRule(name="telephone and given name", key="phone || given_root", cap=50),
        BlockingRule(name="name before the @", key="CASE WHEN length(email_local) > 5 THEN email_local END", cap=20),
        BlockingRule(name="birth and surname", key="date_of_birth || surname[1:3]", cap=50),
        BlockingRule(name="birth and given name", key="date_of_birth || given[1:2]", cap=50),
        BlockingRule(name="birth and postcode", key="date_of_birth || postcode", cap=50),
        BlockingRule(name="name and postcode", key="surname[1:4] || given[1] || postcode", cap=50),
        BlockingRule(name="name and city", key="name_key || city", cap=30),
        BlockingRule(name="name and employer", key="surname || org_key", cap=30),
        BlockingRule(name="door and given name", key="house_number || postcode || given[1:3]", cap=30),
        # broad keys: of use where the value is rare or the table is small, gone by their caps everywhere else
        BlockingRule(name="rare name", key="name_key", cap=15),
        BlockingRule(name="rare name by root", key="given_root || surname", cap=15),
        BlockingRule(name="rare birth", key="date_of_birth", cap=15),
        BlockingRule(name="rare surname", key="surname", cap=12),
        BlockingRule(name="rare start of the name", key="given[1] || surname[1:4]", cap=12),
        BlockingRule(name="given name and city", key="given_root || city", cap=12),
        BlockingRule(name="surname and city", key="surname[1:3] || city", cap=12),
        BlockingRule(name="given name and postcode", key="given_root || postcode", cap=12),
        BlockingRule(name="identifier", key="identifier", cap=50),
    ),
    training_rules=(
        "l.email = r.email",
        "l.phone = r.phone",
        "l.date_of_birth = r.date_of_birth AND l.given[1] = r.given[1]",
        "l.name_key = r.name_key",
    ),
    adjustments=(
        # spouses on one mailbox, parent and child: a household explains all that agrees
        Adjustment(
            name="other given name, birth other or unknown",
            condition="gamma_given = 0 AND gamma_birth <= 1",
            weight=-22,
        ),
        Adjustment(
            name="other given name, birth nearly the same",
            condition="gamma_given = 0 AND gamma_birth IN (2, 3)",
            weight=-6,
        ),
        # twins: even the birth agrees
        Adjustment(
            name="other given name, same birth",
            condition="gamma_given = 0 AND gamma_birth = 4 AND gamma_surname > 0 AND gamma_email < 3",
            weight=-16,
        ),
        Adjustment(name="both names differ", condition="gamma_given = 0 AND gamma_surname = 0", weight=-10),
        # father and son: one name, one house, one telephone
        Adjustment(name="other birth", condition="gamma_birth = 0", weight=-5),
        Adjustment(name="other birth, same house", condition="gamma_birth = 0 AND gamma_address >= 4", weight=-14),
        Adjustment(name="other generation", condition="gamma_generation = 0", weight=-10),
    ),
)

COMPANY_NAME = Comparison(
    name="name",
    columns=("org",),
    missing=_both("org"),
    levels=(
        Level(label="same name", condition="org_l = org_r", m=0.62, frequency_of="org"),
        Level(label="same words", condition="org_key_l = org_key_r", m=0.05, frequency_of="org_key"),
        Level(
            label="name misspelt",
            # Jaro-Winkler alone takes a name with a word more for a misspelling
            condition="(len(org_tokens_l) = len(org_tokens_r) AND (jaro_winkler_similarity(org_l, org_r) >= 0.93"
            " OR jaro_winkler_similarity(org_key_l, org_key_r) >= 0.95))"
            f" OR (length(org_l) > 6 AND {_typo('org', edits=2)})",
            m=0.14,
        ),
        Level(
            label="one name inside the other",
            condition="list_has_all(org_tokens_l, org_tokens_r) OR list_has_all(org_tokens_r, org_tokens_l)",
            m=0.07,
        ),
        Level(
            label="half of the words",
            condition="2 * len(list_intersect(org_tokens_l, org_tokens_r))"
            " >= least(len(org_tokens_l), len(org_tokens_r))",
            m=0.07,
        ),
        Level(label="other name", condition="ELSE", m=0.05),
    ),
)

BRANCH = Comparison(
    name="branch",
    columns=("org_numbers",),
    # a store number on one side only says little; two different ones say much
    missing="org_numbers_l IS NULL OR org_numbers_r IS NULL",
    levels=(
        Level(label="same number in the name", condition="org_numbers_l = org_numbers_r", m=0.97, u=0.1, fixed=True),
        Level(label="other number in the name", condition="ELSE", m=0.03, u=0.9, fixed=True),
    ),
)

LEGAL_FORM = Comparison(
    name="legal_form",
    columns=("legal_form",),
    missing=_both("legal_form"),
    levels=(
        Level(label="same legal form", condition="legal_form_l = legal_form_r", m=0.93, u=0.3, fixed=True),
        Level(label="other legal form", condition="ELSE", m=0.07, u=0.7, fixed=True),
    ),
)

DOMAIN = Comparison(
    name="domain",
    columns=("domain",),
    missing=_both("domain"),
    levels=(
        Level(label="same domain", condition="domain_l = domain_r", m=0.80, odds=4, frequency_of="domain"),
        Level(label="other domain", condition="ELSE", m=0.20),
    ),
)

COMPANY = EntitySpec(
    entity_type="company",
    comparisons=(COMPANY_NAME, BRANCH, LEGAL_FORM, DOMAIN, PHONE, ADDRESS, COUNTRY, IDENTIFIER),
    frequencies=(
        Frequency(column="org"),
        Frequency(column="org_key"),
        Frequency(column="postcode", apart="org_key"),
        Frequency(column="city", apart="org_key"),
    ),
    kin="org_key[1:3]",
    blocking=(
        BlockingRule(name="domain", key="domain", cap=40),
        BlockingRule(name="telephone", key="phone", cap=40),
        BlockingRule(name="name", key="org_key", cap=25),
        BlockingRule(name="name and city", key="org_key || city", cap=40),
        BlockingRule(name="name and postcode", key="org_tokens[1] || postcode", cap=40),
        BlockingRule(name="start of the name and city", key="org[1:8] || city", cap=40),
        BlockingRule(name="start of the name", key="org[1:10]", cap=15),
        BlockingRule(name="first word", key="org_tokens[1]", cap=10),
        BlockingRule(name="last word", key="org_tokens[-1]", cap=10),
        BlockingRule(name="door", key="house_number || postcode || street[1:4]", cap=25),
        BlockingRule(name="door and city", key="house_number || city || street[1:4]", cap=25),
        BlockingRule(name="identifier", key="identifier", cap=50),
    ),
    training_rules=(
        "l.domain = r.domain",
        "l.phone = r.phone",
        "l.org_key = r.org_key",
        "l.postcode = r.postcode AND l.house_number = r.house_number",
    ),
    adjustments=(
        # one reseller's or registrar's address, one switchboard: companies that share nothing but how to reach them
        Adjustment(name="other name", condition="gamma_name = 0 AND gamma_domain <= 0", weight=-4),
        # a word more in the name and another place: a branch or a subsidiary, on its parent's domain and telephone
        Adjustment(
            name="a part of the name, another city",
            condition="gamma_name IN (1, 2) AND gamma_address = 0",
            weight=-26,
        ),
        Adjustment(
            name="a part of the name, another house",
            condition="gamma_name IN (1, 2) AND gamma_address BETWEEN 1 AND 3 AND gamma_phone < 2",
            weight=-16,
        ),
        Adjustment(
            name="a part of the name, place unknown",
            condition="gamma_name IN (1, 2) AND gamma_address = -1",
            weight=-8,
        ),
    ),
)

SPECS = {spec.entity_type: spec for spec in (PERSON, COMPANY)}
