"""Turn customer records into match records: the folded columns that are compared, and the blocking keys.

A match record depends on its customer record alone, so it is stored (`resolved.match_record`) and computed again only
when the customer record changes.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| match_input | INPUT_COLUMNS | match_records | match_records |
| match_ascii | value, ascii | transliterate | match_records |
| match_folded | see _folded_rows | match_records | match_records |
| match_roots | name, root, roots | nickname_roots | match_records |
| match_all_roots | record_id, all_roots | match_records | match_records |
| `into` of make_match_records | as resolved.match_record | make_match_records | its caller |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb

from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.records.normaliser import (
    folded_sql,
    in_list,
    nickname_roots,
    replaced_words_sql,
    spaced_sql,
    transliterate,
)
from dataflow.vocabulary.companies import FORM_WORDS, FORMS_BEFORE_WORDS, ORGANISATION_SHORT, SMALL_WORDS
from dataflow.vocabulary.lists import any_of, fold_words
from dataflow.vocabulary.mailboxes import free_mail_sql
from dataflow.vocabulary.names import (
    GENERATIONS,
    HONOURS,
    NUMBERED_RANKS,
    PARTICLES,
    PARTS_OF_SURNAMES,
    TITLES,
    TITLES_THAT_ARE_NAMES,
)
from dataflow.vocabulary.placeholders import NO_NAMES, NOTHING
from dataflow.vocabulary.postcodes import delivery_area_sql
from dataflow.vocabulary.streets import POST_BOXES, STREET_FILLERS, STREET_SHORT, STREET_TYPES
from dataflow.vocabulary.websites import PAGE_HOST

INPUT_COLUMNS = (
    "record_id", "entity_type", "full_name", "given_name", "surname", "name_suffix", "date_of_birth", "company_name",
    "legal_form", "email_canonical", "email_domain", "phone", "street", "house_number", "unit", "line2", "city",
    "region", "postcode", "country_code", "website_domain", "identifier", "occupation", "gender",
)  # fmt: skip
TEXT_COLUMNS = (
    "full_name", "given_name", "surname", "company_name", "street", "line2", "city", "region", "occupation",
)  # fmt: skip
SPACED_COLUMNS = ("given_name", "surname", "street", "line2", "city", "region")
"""Columns in which a full stop separates words."""
RULE_BITS = 64
"""A key modulo this is the number of its rule, from which its cap follows."""

_TITLES = any_of(fold_words((*TITLES, *TITLES_THAT_ARE_NAMES)))
_ENDINGS = "st|nd|rd|th"
_ORDINAL = f"[0-9]+(?:{_ENDINGS})"
_NO_NAMES = fold_words((*NOTHING, *NO_NAMES))
_STREET_WORDS = {**dict.fromkeys((*STREET_TYPES, *STREET_FILLERS), ""), **STREET_SHORT.means}
_BOX = f"^({any_of(fold_words(POST_BOXES.means.values()))}) ([0-9][0-9a-z ]*)$"
_POSTCODE = delivery_area_sql("regexp_replace(postcode, '\\s+', '', 'g')", country="country_code")
# "II" is mostly a junior, and a final "I" more often a senior than an initial
_GENERATIONS = {word: "jr" if form == "ii" else form for word, form in GENERATIONS.means.items()} | {"i": "sr"}
# Chinese, Hebrew and Arabic: the letters do not give the Latin spelling
_OTHER_LETTERS = "[一-鿿\u0590-\u05ff\u0600-\u06ff\u0750-\u077f]"
_HAS_LINE = "entity_type = 'person' AND len(words) > 1"
_NOT_COMPARED_ALONE = (*PARTICLES, *PARTS_OF_SURNAMES)


def make_match_records(con: duckdb.DuckDBPyConnection, source: str, specs: Iterable[EntitySpec], *, into: str) -> None:
    """Make the temporary table `into` of match records from `source`, a query of INPUT_COLUMNS."""
    with match_records(con, source, specs) as rows:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {rows}")


@contextmanager
def match_records(con: duckdb.DuckDBPyConnection, source: str, specs: Iterable[EntitySpec]) -> Iterator[str]:
    """Yield the query of the match records of `source`, a query of INPUT_COLUMNS; it is valid inside the block."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE match_input AS {source}")
    transliterate(con, "match_input", TEXT_COLUMNS, into="match_ascii")
    con.execute(f"CREATE OR REPLACE TEMP TABLE match_folded AS {_folded_rows()}")
    names = "SELECT DISTINCT unnest(list_append(given_tokens, given)) AS name FROM match_folded"
    nickname_roots(con, f"SELECT name FROM ({names}) WHERE name IS NOT NULL", into="match_roots")
    con.execute("""
        CREATE OR REPLACE TEMP TABLE match_all_roots AS
        SELECT record_id, list_sort(list_distinct(flatten(list(r.roots)))) AS all_roots
        FROM (SELECT record_id, unnest(given_tokens) AS name FROM match_folded) t JOIN match_roots r USING (name)
        GROUP BY record_id
    """)
    yield _match_rows(tuple(specs))
    for table in ("match_input", "match_ascii", "match_folded", "match_roots", "match_all_roots"):
        con.execute(f"DROP TABLE {table}")


def _folded_rows() -> str:
    """Return the SELECT that folds every text, splits names into tokens, and sets placeholders to null."""
    legal, before = any_of(FORM_WORDS), any_of(FORMS_BEFORE_WORDS)
    return f"""
        WITH folded AS ({_folded_texts()}), parted AS ({_parts_of_names()}), split AS ({_whole_names()})
        SELECT
            record_id, entity_type,
            is_han,
            CASE WHEN given_all NOT IN ({in_list(_NO_NAMES)}) THEN string_split(given_all, ' ') END AS own_given,
            own_given[1] AS given,
            CASE WHEN own_given IS NOT NULL THEN
                list_concat(own_given, list_filter(coalesce(line_given, []), w -> NOT list_contains(own_given, w)))
            END AS given_tokens,
            CASE WHEN surname_all NOT IN ({in_list(_NO_NAMES)}) THEN replace(surname_all, ' ', '') END AS surname,
            CASE WHEN surname IS NOT NULL THEN
                list_filter(
                    string_split(surname_all, ' '), w -> length(w) > 2 AND w NOT IN ({in_list(_NOT_COMPARED_ALONE)})
                )
            END AS surname_tokens,
            coalesce({_generation_sql("lower(generation)")}, lower(generation)) AS suffix,
            -- not checked: a misspelt date that is not in the calendar can still be compared
            CASE WHEN regexp_full_match(date_of_birth::VARCHAR, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')
                 THEN date_of_birth::VARCHAR
                 ELSE strftime(try_cast(date_of_birth AS DATE), '%Y-%m-%d') END AS date_of_birth,
            coalesce(company_name, CASE WHEN entity_type = 'company' THEN full_name END) AS company_text,
            {replaced_words_sql("company_text", ORGANISATION_SHORT.means)} AS company_words,
            CASE WHEN company_words NOT IN ({in_list(_NO_NAMES)}) THEN
                coalesce(nullif(regexp_replace(company_words, '^({before}) |( ({legal}))+$', '', 'g'), ''),
                    company_words)
            END AS org,
            coalesce(legal_form, nullif(regexp_extract(company_text, ' ({legal})$', 1), ''),
                nullif(regexp_extract(company_text, '^({before}) ', 1), '')) AS legal_form,
            email_canonical AS email,
            coalesce(CASE WHEN NOT regexp_matches(website_domain, '{PAGE_HOST}') THEN website_domain END,
                CASE WHEN NOT {free_mail_sql("email_domain")} THEN email_domain END) AS domain,
            phone, coalesce({replaced_words_sql("street_bare", _STREET_WORDS)}, street) AS street,
            coalesce({replaced_words_sql("line2", _STREET_WORDS)}, line2) AS line2,
            -- the number of a post office box distinguishes addresses as the number of a house does
            coalesce({folded_sql("house_number")}, box_number) AS house_number,
            {folded_sql("unit")} AS unit,
            city, region,
            nullif(regexp_replace(lower({_POSTCODE}), '[^a-z0-9]', '', 'g'), '') AS postcode,
            country_code, identifier, occupation, {folded_sql("gender")} AS gender
        FROM split
    """


def _folded_texts() -> str:
    """Return the SELECT of the folded texts of `match_input`."""
    joins = "\n".join(f"LEFT JOIN match_ascii AS a_{c} ON a_{c}.value = m.{c}" for c in TEXT_COLUMNS)
    folded = ",\n".join(f"{_folded(c)} AS {c}" for c in TEXT_COLUMNS)
    # ordinals: "3rd" and "3" are one street
    bare = f"regexp_replace({_folded('street')}, '\\b([0-9]+)({_ENDINGS})\\b', '\\1', 'g')"
    others = ", ".join(f"m.{c}" for c in INPUT_COLUMNS if c not in TEXT_COLUMNS)
    return f"""
        SELECT {others}, m.full_name LIKE '%_,_%' AND NOT regexp_matches(m.full_name, ', *[0-9]')
            AS surname_first,
            regexp_matches(concat_ws(' ', m.full_name, m.given_name, m.surname, m.company_name),
                '{_OTHER_LETTERS}') AS is_han,
            {folded},
            regexp_replace({bare}, '{_BOX}', '\\1') AS street_bare,
            nullif(regexp_extract({bare}, '{_BOX}', 2), '') AS box_number
        FROM match_input m
        {joins}
    """


def _parts_of_names() -> str:
    """Return the SELECT of the names of `folded` without titles, honours and generations."""
    generations = any_of(GENERATIONS)
    return f"""
        SELECT *,
            {_without_honour(_without_title("full_name"))} AS line_text,
            -- "Smith Jr, John"
            CASE WHEN surname_first THEN regexp_replace(line_text, ' ({generations}) ', ' ') ELSE line_text END
                AS name_text,
            string_split(name_text, ' ') AS words,
            -- a title or an honour alone is not a name: use the full name instead
            coalesce(regexp_replace(trim({_without_title("given_name")}), ' (i|{generations})$', ''),
                CASE WHEN {_HAS_LINE} AND given_name <> '' AND words[1] <> coalesce(surname, '') THEN words[1] END,
                given_name) AS given_text,
            coalesce({_without_honour("surname")},
                CASE WHEN {_HAS_LINE} AND surname IS NOT NULL THEN words[-1] END) AS surname_text,
            coalesce(name_suffix, nullif(regexp_extract(coalesce(surname, full_name), ' ({generations})$', 1), ''),
                CASE WHEN surname_first THEN nullif(regexp_extract(full_name, ' ({generations}) ', 1), '') END,
                nullif(regexp_extract(given_name, ' (i|{generations})$', 1), '')) AS generation
        FROM folded
    """


def _without_title(name: str) -> str:
    return f"nullif(regexp_replace({name} || ' ', '^(({_TITLES}|{_ORDINAL}) +)+', ''), '')"


def _without_honour(name: str) -> str:
    after = f"{any_of((*GENERATIONS, *HONOURS))}|{_ORDINAL}|{_ORDINAL} ({any_of(NUMBERED_RANKS)})"
    return f"nullif(trim(regexp_replace(' ' || {name}, '( ({after}))+ *$', '')), '')"


def _whole_names() -> str:
    """Return the SELECT that splits given names from the surname.

    Of a name on one line the last word is the surname, or with a comma ("Smith, John") the first.
    """
    return f"""
        SELECT * EXCLUDE (given_text, surname_text),
            entity_type = 'person' AND surname_text IS NULL
                AND (given_text IS NULL OR coalesce(given_text = name_text, false)) AS is_one_line,
            CASE WHEN is_one_line AND surname_first THEN array_to_string(words[2:], ' ')
                 WHEN is_one_line AND len(words) > 1 THEN array_to_string(words[:-2], ' ')
                 WHEN NOT is_one_line THEN given_text END AS given_all,
            CASE WHEN is_one_line AND surname_first THEN words[1]
                 WHEN is_one_line THEN words[-1]
                 ELSE surname_text END AS surname_all,
            -- the full name can hold more given names than the column
            CASE WHEN {_HAS_LINE} AND given_text IS NOT NULL AND surname_text IS NOT NULL THEN
                list_filter(words, w -> NOT list_contains(string_split(surname_text, ' '), w))
            END AS line_given
        FROM parted
    """


def _generation_sql(word: str) -> str:
    cases = " ".join(f"WHEN '{one}' THEN '{form}'" for one, form in _GENERATIONS.items())
    return f"CASE {word} {cases} END"


def _folded(column: str) -> str:
    text = f"coalesce(a_{column}.ascii, m.{column})"
    if column == "full_name":
        return f"CASE WHEN m.entity_type = 'person' THEN {spaced_sql(text)} ELSE {folded_sql(text)} END"
    return spaced_sql(text) if column in SPACED_COLUMNS else folded_sql(text)


def _match_rows(specs: tuple[EntitySpec, ...]) -> str:
    """Return the SELECT of the match records, with compound columns and blocking keys."""
    keys = "\n".join(f"WHEN '{spec.entity_type}' THEN {key_list_sql(spec)}" for spec in specs)
    small = in_list(SMALL_WORDS)
    return f"""
    WITH derived AS (
        SELECT f.record_id, f.entity_type, f.is_han, f.given, n.root AS given_root, n.roots AS given_roots,
            coalesce(a.all_roots, n.roots) AS all_roots,
            list_filter(f.given_tokens, w -> length(w) > 1) AS given_tokens,
            nullif(f.given_tokens[2:], []) AS middle,
            f.surname, f.surname_tokens,
            CASE WHEN f.given IS NOT NULL AND f.surname IS NOT NULL
                 THEN least(f.given, f.surname) || ' ' || greatest(f.given, f.surname) END AS name_key,
            f.suffix, f.date_of_birth,
            f.org,
            -- a plural and its singular are one word
            list_sort(list_distinct(list_transform(
                list_filter(string_split(f.org, ' '), w -> w NOT IN ({small})),
                w -> regexp_replace(w, '([a-z]{{2}}[a-rt-z])s$', '\\1')))) AS org_tokens,
            -- "Mueller" is "Müller" written without the umlaut
            regexp_replace(coalesce(nullif(array_to_string(org_tokens, ' '), ''), f.org), '([aou])e', '\\1', 'g')
                AS org_key,
            nullif(array_to_string(list_sort(regexp_extract_all(f.org, '[0-9]+')), ' '), '') AS org_numbers,
            f.legal_form, f.domain,
            f.email,
            -- a mailbox made of the name is not compared: it would count the name twice
            split_part(f.email, '@', 1) AS local_part,
            regexp_replace(local_part, '[^a-z0-9]', '', 'g') AS local_letters,
            CASE WHEN f.surname IS NULL OR f.given IS NULL OR local_letters NOT IN (
                f.given || f.surname, f.surname || f.given, f.given[1] || f.surname, f.surname || f.given[1],
                f.given || f.surname[1], f.surname, f.given) THEN local_part END AS email_local,
            f.phone, f.street, f.house_number, f.unit, f.line2,
            f.street || ' ' || f.house_number || ' ' || coalesce(f.postcode, f.city, '') AS door,
            f.city, f.region, f.postcode, f.country_code, f.identifier, f.occupation, f.gender
        FROM match_folded f LEFT JOIN match_roots n ON n.name = f.given
        LEFT JOIN match_all_roots a ON a.record_id = f.record_id
    ),
    -- hashed otherwise by another release of DuckDB, equal contents are two groups: two more records are compared
    hashed AS (
        SELECT * EXCLUDE (local_part, local_letters),
            hash(*COLUMNS(* EXCLUDE (record_id, local_part, local_letters))) AS content
        FROM derived
    )
    SELECT * REPLACE (CASE WHEN coalesce(given, surname, org) IS NOT NULL THEN content END AS content),
        CASE entity_type {keys} END AS block_keys, false AS is_copy
    FROM hashed
    """


def key_list_sql(spec: EntitySpec) -> str:
    """Return the blocking keys of a match record as an expression over its other columns."""
    items = ", ".join(
        f"(md5_number_lower('{rule.name}|' || ({rule.key})) // {RULE_BITS}) * {RULE_BITS} + {number}"
        for number, rule in enumerate(spec.blocking)
    )
    return f"list_distinct(list_filter([{items}]::UBIGINT[], k -> k IS NOT NULL))"
