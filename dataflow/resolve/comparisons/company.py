"""The spec of companies: names and their tokens, branches, legal forms, domains."""

from __future__ import annotations

from dataflow.resolve.comparisons.parts import (
    OTHER_SCRIPT,
    Adjustment,
    BlockingRule,
    Comparison,
    EntitySpec,
    Frequency,
    Level,
    both,
    typo,
)
from dataflow.resolve.comparisons.reach import COUNTRY, IDENTIFIER, LINE2, REGION, address, phone
from dataflow.vocabulary.companies import FORM_ABROAD, FORM_OF_WORD

# weight of the tokens in common, of those of the shorter and of the longer name
_COMMON = (
    "list_sum(list_transform(list_filter(list_zip(org_tokens_l, org_token_idf_l),"
    " x -> list_contains(org_tokens_r, x[1])), x -> x[2]))"
)
_SHORTER = "least(list_sum(org_token_idf_l), list_sum(org_token_idf_r))"
_LONGER = "greatest(list_sum(org_token_idf_l), list_sum(org_token_idf_r))"


def _initials(short: str, full: str) -> str:
    """Return the condition that one name is the initials of the other; the last one, of the legal form, is optional."""
    letters = f"array_to_string(list_transform(string_split(org_{full}, ' '), w -> left(w, 1)), '')"
    return (
        f"(length(org_{short}) BETWEEN 3 AND 6 AND NOT contains(org_{short}, ' ') AND length({letters}) >= 3"
        f" AND starts_with(org_{short}, {letters}) AND length(org_{short}) <= length({letters}) + 1)"
    )


def _with_garbled_form(longer: str, other: str) -> str:
    """Return the condition that one name is the other with a misspelt legal form: "Foods Lt" and "Foods Ltd"."""
    word = f"substr(org_{longer}, length(org_{other}) + 2)"
    return (
        f"(length(legal_form_{other}) > 2 AND starts_with(org_{longer}, org_{other} || ' ')"
        f" AND levenshtein({word}, legal_form_{other}) <= 1)"
    )


def _form(side: str) -> str:
    """Return the SQL of the legal form in its short spelling."""
    spelt = " ".join(f"WHEN '{word}' THEN '{short}'" for word, short in (FORM_OF_WORD | FORM_ABROAD).items())
    return f"CASE legal_form_{side} {spelt} ELSE legal_form_{side} END"


COMPANY_NAME = Comparison(
    name="name",
    of_name=True,
    columns=("org",),
    missing=f"{both('org')} OR {OTHER_SCRIPT}",
    levels=(
        Level(label="same name", condition="org_l = org_r", m=0.50, kin=0.10, frequency_of="org", alone=30),
        Level(
            label="same words", condition="org_key_l = org_key_r", m=0.05, kin=0.01, frequency_of="org_key", alone=25
        ),
        Level(
            label="name misspelt",
            # as many tokens: Jaro-Winkler alone would accept a name with one word more
            condition="(len(org_tokens_l) = len(org_tokens_r) AND (jaro_winkler_similarity(org_l, org_r) >= 0.93"
            " OR jaro_winkler_similarity(org_key_l, org_key_r) >= 0.95))"
            f" OR (length(org_l) > 6 AND {typo('org', edits=2)})"
            f" OR {_with_garbled_form('l', 'r')} OR {_with_garbled_form('r', 'l')}",
            m=0.12,
            kin=0.03,
            # "Widgets" and "Gadgets" are two names
            alone=1,
        ),
        Level(
            label="initials of the name", condition=f"{_initials('l', 'r')} OR {_initials('r', 'l')}", m=0.01, kin=0.003
        ),
        Level(
            label="nearly all that is rare in the names",
            condition=f"{_COMMON} >= 0.75 * {_LONGER}",
            m=0.08,
            kin=0.05,
        ),
        Level(
            label="one name inside the other",
            condition=f"{_COMMON} >= 0.95 * {_SHORTER}",
            m=0.10,
            kin=0.22,
        ),
        Level(
            label="most of the shorter name",
            condition=f"{_COMMON} >= 0.6 * {_SHORTER}",
            m=0.05,
            kin=0.20,
        ),
        Level(
            label="half of the shorter name",
            condition=f"{_COMMON} >= 0.3 * {_SHORTER}",
            m=0.04,
            kin=0.14,
        ),
        Level(
            label="a word in common",
            condition="list_has_any(org_tokens_l, org_tokens_r)",
            m=0.03,
            kin=0.05,
        ),
        Level(label="other name", condition="ELSE", m=0.03, kin=0.20),
    ),
)

BRANCH = Comparison(
    name="branch",
    of_name=True,
    columns=("org_numbers",),
    # a store number on one side only is little evidence; two different ones are strong evidence
    missing="org_numbers_l IS NULL OR org_numbers_r IS NULL",
    levels=(
        Level(
            label="same number in the name",
            condition="org_numbers_l = org_numbers_r",
            m=0.97,
            kin=0.05,
            u=0.1,
            fixed=True,
        ),
        Level(label="other number in the name", condition="ELSE", m=0.03, kin=0.95, u=0.9, fixed=True),
    ),
)

LEGAL_FORM = Comparison(
    name="legal_form",
    of_name=True,
    columns=("legal_form",),
    missing=both("legal_form"),
    levels=(
        Level(
            label="same legal form",
            condition=f"{_form('l')} = {_form('r')}",
            m=0.93,
            kin=0.5,
            u=0.3,
            fixed=True,
        ),
        Level(label="other legal form", condition="ELSE", m=0.07, kin=0.5, u=0.7, fixed=True),
    ),
)

DOMAIN = Comparison(
    name="domain",
    columns=("domain",),
    missing=both("domain"),
    levels=(
        Level(label="same domain", condition="domain_l = domain_r", m=0.80, kin=0.7, odds=4, frequency_of="domain"),
        Level(label="other domain", condition="ELSE", m=0.20, kin=0.3),
    ),
)

# kin of companies: branches are elsewhere, tenants in one house
PHONE = phone((0.20, 0.01, 0.03, 0.76))
ADDRESS = address((0.10, 0.03, 0.01, 0.02, 0.02, 0.04, 0.10, 0.08, 0.20, 0.03, 0.05, 0.32))

COMPANY = EntitySpec(
    entity_type="company",
    comparisons=(COMPANY_NAME, BRANCH, LEGAL_FORM, DOMAIN, PHONE, ADDRESS, LINE2, REGION, COUNTRY, IDENTIFIER),
    frequencies=(
        Frequency(column="org"),
        Frequency(column="org_key"),
        Frequency(column="door", apart="org_key[1:3]"),
        Frequency(column="postcode", apart="org_key"),
        Frequency(column="city", apart="org_key"),
        Frequency(column="region", apart="org_key"),
    ),
    kin="org_key[1:3]",
    tokens="org_tokens",
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
        BlockingRule(name="identifier", key="split_part(identifier, ' ', 1)", cap=50),
        BlockingRule(name="last identifier", key="split_part(identifier, ' ', -1)", cap=50),
    ),
    wide=(
        BlockingRule(name="all of a small table", key="'all'", cap=800),
        BlockingRule(name="street and number", key="street[1:4] || house_number", cap=40),
        BlockingRule(name="end of the telephone", key="phone[-7:]", cap=40),
        BlockingRule(name="start of the name, wide", key="org[1:6]", cap=40),
        BlockingRule(name="any word 1", key="org_tokens[1]", cap=30),
        BlockingRule(name="any word 2", key="org_tokens[2]", cap=30),
        BlockingRule(name="any word 3", key="org_tokens[3]", cap=30),
        BlockingRule(name="any word 4", key="org_tokens[4]", cap=30),
        BlockingRule(name="number and postcode", key="house_number || postcode", cap=30),
    ),
    adjustments=(
        # two branches, or a firm and its subsidiary: a longer name and another place
        Adjustment(
            name="elsewhere",
            condition="gamma_name BETWEEN 0 AND 4 AND gamma_address IN (0, 1)",
            weight=-3,
            text="a longer name and another place are mostly a branch or a subsidiary.",
        ),
    ),
)
