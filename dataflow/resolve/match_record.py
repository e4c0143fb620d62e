"""Turn customer records into match records: the folded columns that are compared, and the keys they are blocked on.

A match record is a function of its customer record alone, so it is kept beside it (`resolved.match_record`) and
worked out again only when the customer record changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb

from dataflow.resolve.normaliser import (
    FREE_MAIL,
    GENERATIONS,
    LEGAL_FORMS,
    NO_NAMES,
    PARTICLES,
    SMALL_WORDS,
    TITLES,
    any_of,
    folded_sql,
    in_list,
    nickname_roots,
    transliterate,
)
from dataflow.resolve.spec import EntitySpec

INPUT_COLUMNS = (
    "record_id", "entity_type", "full_name", "given_name", "surname", "name_suffix", "date_of_birth", "company_name",
    "legal_form", "email_canonical", "email_domain", "phone", "street", "house_number", "unit", "city", "postcode",
    "country_code", "website_domain", "identifier",
)  # fmt: skip
TEXT_COLUMNS = ("full_name", "given_name", "surname", "company_name", "street", "city")
# the low bits of a key hold the number of its rule, so that a key knows its rule's cap
RULE_BITS = 32


def make_match_records(con: duckdb.DuckDBPyConnection, source: str, specs: Iterable[EntitySpec], *, into: str) -> None:
    """Make the temporary table `into` of match records from `source`, a query of INPUT_COLUMNS."""
    with match_records(con, source, specs) as rows:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {rows}")


@contextmanager
def match_records(con: duckdb.DuckDBPyConnection, source: str, specs: Iterable[EntitySpec]) -> Iterator[str]:
    """Give a query of the match records of `source`, itself a query of INPUT_COLUMNS; it holds inside the block."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE match_input AS {source}")
    transliterate(con, "match_input", TEXT_COLUMNS, into="match_ascii")
    con.execute(f"CREATE OR REPLACE TEMP TABLE match_folded AS {_folded_rows()}")
    nickname_roots(con, "SELECT DISTINCT given FROM match_folded WHERE given IS NOT NULL", into="match_roots")
    yield _match_rows(tuple(specs))
    for table in ("match_input", "match_ascii", "match_folded", "match_roots"):
        con.execute(f"DROP TABLE {table}")


def _folded_rows() -> str:
    """Fold every text, split names into tokens, null what says nothing."""
    joins = "\n".join(f"LEFT JOIN match_ascii AS a_{c} ON a_{c}.value = m.{c}" for c in TEXT_COLUMNS)
    folded = ",\n".join(f"{folded_sql(f'coalesce(a_{c}.ascii, m.{c})')} AS {c}" for c in TEXT_COLUMNS)
    others = ", ".join(f"m.{c}" for c in INPUT_COLUMNS if c not in TEXT_COLUMNS)
    no_title = f"regexp_replace({{0}}, '^(({any_of(TITLES)}) )+', '')"
    no_generation = f"regexp_replace({{0}}, '( ({any_of(GENERATIONS)}))+$', '')"
    legal = any_of(LEGAL_FORMS)
    return f"""
    WITH folded AS (
        SELECT {others}, m.full_name LIKE '%,%' AS surname_first, {folded}
        FROM match_input m
        {joins}
    ),
    spoken AS (
        SELECT *,
            {no_title.format("nullif(given_name, '')")} AS given_text,
            {no_generation.format("nullif(surname, '')")} AS surname_text,
            {no_generation.format(no_title.format("full_name"))} AS name_text,
            coalesce(name_suffix, nullif(regexp_extract(coalesce(surname, full_name),
                ' ({any_of(GENERATIONS)})$', 1), '')) AS generation
        FROM folded
    ),
    split AS (
        -- a source that has one line for the name: the last word is the surname unless a comma says otherwise
        SELECT * EXCLUDE (given_text, surname_text),
            entity_type = 'person' AND given_text IS NULL AND surname_text IS NULL AS is_one_line,
            string_split(name_text, ' ') AS words,
            CASE WHEN is_one_line AND surname_first THEN array_to_string(words[2:], ' ')
                 WHEN is_one_line AND len(words) > 1 THEN array_to_string(words[:-2], ' ')
                 ELSE given_text END AS given_all,
            CASE WHEN is_one_line AND surname_first THEN words[1]
                 WHEN is_one_line THEN words[-1]
                 ELSE surname_text END AS surname_all
        FROM spoken
    )
    SELECT
        record_id, entity_type,
        CASE WHEN given_all NOT IN ({in_list(NO_NAMES)}) THEN string_split(given_all, ' ') END AS given_tokens,
        given_tokens[1] AS given,
        CASE WHEN surname_all NOT IN ({in_list(NO_NAMES)}) THEN replace(surname_all, ' ', '') END AS surname,
        CASE WHEN surname IS NOT NULL THEN
            list_filter(string_split(surname_all, ' '), w -> length(w) > 2 AND w NOT IN ({in_list(PARTICLES)}))
        END AS surname_tokens,
        CASE lower(generation) WHEN 'junior' THEN 'jr' WHEN 'senior' THEN 'sr' ELSE lower(generation) END AS suffix,
        strftime(try_cast(date_of_birth AS DATE), '%Y-%m-%d') AS date_of_birth,
        coalesce(company_name, CASE WHEN entity_type = 'company' THEN full_name END) AS company_text,
        CASE WHEN company_text NOT IN ({in_list(NO_NAMES)}) THEN
            coalesce(nullif(regexp_replace(company_text, '( ({legal}))+$', ''), ''), company_text)
        END AS org,
        coalesce(legal_form, nullif(regexp_extract(company_text, ' ({legal})$', 1), '')) AS legal_form,
        email_canonical AS email,
        coalesce(website_domain, CASE WHEN email_domain NOT IN ({in_list(FREE_MAIL)}) THEN email_domain END) AS domain,
        phone, street,
        {folded_sql("house_number")} AS house_number,
        {folded_sql("unit")} AS unit,
        city,
        nullif(regexp_replace(lower(postcode), '[^a-z0-9]', '', 'g'), '') AS postcode,
        country_code, identifier
    FROM split
    """


def _match_rows(specs: tuple[EntitySpec, ...]) -> str:
    """Derive the compound columns and the blocking keys."""
    keys = "\n".join(f"WHEN '{spec.entity_type}' THEN {_key_list(spec)}" for spec in specs)
    small = in_list(SMALL_WORDS)
    return f"""
    WITH derived AS (
        SELECT f.record_id, f.entity_type, f.given, n.root AS given_root, n.roots AS given_roots,
            list_filter(f.given_tokens, w -> length(w) > 1) AS given_tokens,
            f.surname, f.surname_tokens,
            CASE WHEN f.given IS NOT NULL AND f.surname IS NOT NULL
                 THEN least(f.given, f.surname) || ' ' || greatest(f.given, f.surname) END AS name_key,
            f.suffix, f.date_of_birth,
            f.org,
            list_sort(list_distinct(list_filter(string_split(f.org, ' '), w -> w NOT IN ({small})))) AS org_tokens,
            coalesce(nullif(array_to_string(org_tokens, ' '), ''), f.org) AS org_key,
            nullif(array_to_string(list_sort(regexp_extract_all(f.org, '[0-9]+')), ' '), '') AS org_numbers,
            f.legal_form, f.domain,
            f.email,
            -- a mailbox made of the name says of the name what the name has said
            split_part(f.email, '@', 1) AS local_part,
            regexp_replace(local_part, '[^a-z0-9]', '', 'g') AS local_letters,
            CASE WHEN f.surname IS NULL OR f.given IS NULL OR local_letters NOT IN (
                f.given || f.surname, f.surname || f.given, f.given[1] || f.surname, f.surname || f.given[1],
                f.given || f.surname[1], f.surname, f.given) THEN local_part END AS email_local,
            f.phone, f.street, f.house_number, f.unit,
            f.street || ' ' || f.house_number || ' ' || coalesce(f.postcode, f.city, '') AS door,
            f.city, f.postcode, f.country_code, f.identifier
        FROM match_folded f LEFT JOIN match_roots n ON n.name = f.given
    )
    SELECT * EXCLUDE (local_part, local_letters), CASE entity_type {keys} END AS block_keys FROM derived
    """


def _key_list(spec: EntitySpec) -> str:
    items = ", ".join(
        f"(md5_number_lower('{rule.name}|' || ({rule.key})) // {RULE_BITS}) * {RULE_BITS} + {number}"
        for number, rule in enumerate(spec.blocking)
    )
    return f"list_distinct(list_filter([{items}]::UBIGINT[], k -> k IS NOT NULL))"
