"""Fold text before it is compared.

SQL does what it can; what needs a library (transliteration, nicknames) is computed in Python once per distinct value
and joined. An epoch freezes FOLDING_VERSION, so that only records folded by the same version are compared: another
version folds every record again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import duckdb
import pyarrow as pa
from anyascii import anyascii

from dataflow.resolve.records.nickname_dictionary import canonicals_of, full_names, is_known
from dataflow.vocabulary import version_of
from dataflow.vocabulary.companies import (
    FORMS_BEFORE,
    FORMS_THAT_ARE_WORDS,
    LEGAL_FORMS,
    ORGANISATION_SHORT,
    PARTS_OF_FORMS,
    SMALL_WORDS,
)
from dataflow.vocabulary.mailboxes import FREE_MAIL, FREE_MAIL_BRANDS
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
from dataflow.vocabulary.streets import POST_BOXES, STREET_FILLERS, STREET_SHORT, STREET_TYPES
from dataflow.vocabulary.websites import PAGE_HOSTS
from lakehouse.table import literal

FOLDED_WITH = (
    FORMS_BEFORE,
    FORMS_THAT_ARE_WORDS,
    FREE_MAIL,
    FREE_MAIL_BRANDS,
    GENERATIONS,
    HONOURS,
    LEGAL_FORMS,
    NOTHING,
    NO_NAMES,
    NUMBERED_RANKS,
    ORGANISATION_SHORT,
    PAGE_HOSTS,
    PARTICLES,
    PARTS_OF_FORMS,
    PARTS_OF_SURNAMES,
    POST_BOXES,
    SMALL_WORDS,
    STREET_FILLERS,
    STREET_SHORT,
    STREET_TYPES,
    TITLES,
    TITLES_THAT_ARE_NAMES,
)
"""The word lists that match records are made with: a change in one of them folds every record again."""

RULES_VERSION = "7"
"""Raise it with any change of the folding rules: all models are then trained again. A change of comparison levels or of
adjustments needs no new version: a model holds those that it was trained with."""

COLUMNS_VERSION = "3"
"""Raise it with a new column of match records, or other values in one: all records are folded again, under the present
models."""

FOLDING_VERSION = f"{RULES_VERSION}.{COLUMNS_VERSION}.{version_of(*FOLDED_WITH)}"
"""The version of rules, columns and lists. Under changed lists a model is kept, since its weights of levels still hold:
trained again it moved 45 of the golden lake's 3,413 records to other customers, kept it moves none."""


def same_rules(version: str) -> bool:
    """Return whether `version` has the present folding rules, with any lists."""
    return version.split(".")[0] == RULES_VERSION


def in_list(words: Iterable[str]) -> str:
    """Return the words as a SQL list of literals, for IN."""
    return ", ".join("'" + word + "'" for word in words)


def folded_sql(expression: str) -> str:
    """Return SQL that folds ASCII text to lower-case words of letters and digits, separated by one blank."""
    plain = f"replace(regexp_replace(lower({expression}), '[.''`]+', '', 'g'), '&', ' and ')"
    return f"nullif(trim(regexp_replace({plain}, '[^a-z0-9]+', ' ', 'g')), '')"


def spaced_sql(expression: str) -> str:
    """Return SQL that folds a name or a street: like folded_sql, but a full stop separates words ("W.J.", "S.Main")."""
    return folded_sql(f"replace({expression}, '.', ' ')")


def replaced_words_sql(text: str, words: Mapping[str, str]) -> str:
    """Return SQL that replaces whole words of folded text; a word replaced by an empty one is left out.

    It uses CASE: a MAP was copied for every word, at a hundred times the time.
    """
    cases = " ".join(f"WHEN {literal(word)} THEN {literal(meant)}" for word, meant in words.items())
    changed = f"list_transform(string_split({text}, ' '), w -> CASE w {cases} ELSE w END)"
    return f"nullif(array_to_string(list_filter({changed}, w -> w <> ''), ' '), '')"


def transliterate(con: duckdb.DuckDBPyConnection, source: str, columns: Iterable[str], *, into: str) -> None:
    """Make the temporary table `into` (value, ascii): each distinct value of `columns` that is not plain ASCII."""
    parts = " UNION ".join(
        f"SELECT {column} AS value FROM {source} WHERE NOT regexp_full_match({column}, '[\\x00-\\x7F]*')"
        for column in columns
    )
    values = [row[0] for row in con.execute(parts).fetchall()]
    _make_map(con, into, {"value": values, "ascii": [anyascii(value) for value in values]})


def nickname_roots(con: duckdb.DuckDBPyConnection, names: str, *, into: str) -> None:
    """Make the temporary table `into` (name, root, roots) for each name of the query `names`.

    Two given names can be of one person when their `roots` intersect; `root` is the form used in blocking keys.
    """
    values = sorted(row[0] for row in con.execute(names).fetchall())
    roots = [roots_of(value) for value in values]
    _make_map(con, into, {"name": values, "root": [root_of(r) for r in roots], "roots": roots})


def roots_of(name: str) -> list[str]:
    """Return the name and every name it is a short form of, sorted."""
    return sorted({name, *canonicals_of(name)})


def is_given_name(word: str) -> bool:
    """Return whether the word is a given name or a short form of one."""
    return is_known(word)


@cache
def known_given_names() -> tuple[str, ...]:
    """Return every given name in the dictionary of nicknames, without short forms: "al" can be anything."""
    return tuple(name for name in full_names() if len(name) > 3 and name.isalpha())


def root_of(roots: list[str]) -> str:
    """Return the longest of the roots, which is the least abbreviated."""
    return max(roots, key=lambda root: (len(root), root))


def _make_map(con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, list[str] | list[list[str]]]) -> None:
    types = {name: pa.list_(pa.string()) if name == "roots" else pa.string() for name in columns}
    arrow = pa.table({name: pa.array(values, type=types[name]) for name, values in columns.items()})
    con.register(f"{table}_arrow", arrow)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {table}_arrow")
    con.unregister(f"{table}_arrow")
