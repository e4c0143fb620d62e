"""How text is folded before it is compared.

SQL does what SQL can; what needs a library (transliteration, nicknames) is worked out once for each distinct value
in Python and joined. An epoch freezes NORMALISER_VERSION: change any rule here and raise it, so that no record folded
one way is ever compared with a record folded another way.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import duckdb
import pyarrow as pa
from anyascii import anyascii
from nicknames import NickNamer

from lakehouse.table import literal

NORMALISER_VERSION = "7"

TITLES = (
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "prof",
    "professor",
    "sir",
    "herr",
    "frau",
    "mme",
    "mlle",
    "sr dr",
    "ing",
    "rev",
    "revd",
    "reverend",
    "lady",
    "dame",
    "lord",
    "hon",
    "honourable",
    "honorable",
    "rt",
    "right",
    "the",
    "very",
    "capt",
    "captain",
    "col",
    "colonel",
    "lt",
    "lieutenant",
    "maj",
    "major",
    "gen",
    "general",
    "brig",
    "brigadier",
    "sgt",
    "sergeant",
    "adm",
    "admiral",
    "vice",
    "rear",
    "cdr",
    "commander",
    "sig",
    "sra",
    "don",
    "hr",
    "fr",
    "saint",
    "st",
    "dipl",
    "mag",
    "judge",
    "justice",
    "bishop",
    "baron",
    "baroness",
    "count",
    "countess",
)
# what follows a name: honours and ranks of nobility
HONOURS = (
    "bt",
    "bart",
    "baronet",
    "esq",
    "esquire",
    "phd",
    "md",
    "msc",
    "bsc",
    "obe",
    "mbe",
    "cbe",
    "kbe",
    "qc",
    "kc",
    "frs",
    "viscount",
    "viscountess",
    "marquess",
    "mp",
    "dds",
    "cpa",
)
ORDINAL = "[0-9]+(?:st|nd|rd|th)"
GENERATIONS = ("jr", "sr", "ii", "iii", "iv", "jnr", "snr", "junior", "senior")
PARTICLES = ("de", "da", "do", "dos", "del", "della", "di", "du", "la", "le", "van", "von", "der", "den", "ter", "al",
             "el", "bin", "ibn", "abu", "mac", "mc", "san", "st", "zu", "und", "and")  # fmt: skip
NO_NAMES = ("test", "tester", "testing", "unknown", "none", "null", "na", "n a", "nn", "anonymous", "customer", "guest",
            "user", "name", "firstname", "lastname", "first name", "last name", "xxx", "xx", "x", "asdf", "tbd", "tba",
            "not provided", "not available", "no name", "nobody", "various", "unbekannt", "inconnu")  # fmt: skip
LEGAL_FORMS = ("inc", "incorporated", "llc", "ltd", "limited", "corp", "corporation", "co", "company", "plc", "lp",
               "llp", "lllp", "pllc", "pc", "gmbh", "mbh", "ag", "kg", "ohg", "gbr", "ug", "ev", "eg", "kgaa", "se",
               "sa", "sas", "sarl", "sasu", "eurl", "sci", "spa", "srl", "sl", "slu", "sau", "bv", "nv", "vof", "cv",
               "ab", "as", "asa", "aps", "oy", "oyj", "ltda", "eireli", "pty", "pte", "pvt", "private", "kk", "sdn",
               "bhd", "doo", "dd", "sp z oo", "zoo", "sro", "kft", "zrt", "ooo", "oao", "zao", "holding",
               "group", "haftungsbeschrankt")  # fmt: skip
SMALL_WORDS = ("the", "of", "and", "a", "an", "for", "in", "at", "und", "et", "der", "die", "das", "la", "le", "les",
               "de", "du", "des", "y", "e", "el", "los")  # fmt: skip
# words of a street line that are written in many ways; None: says nothing of which street it is
STREET_WORDS: dict[str, str] = {
    **dict.fromkeys(
        ("street", "str", "st", "strasse", "road", "rd", "avenue", "ave", "av", "avenida", "boulevard", "blvd", "lane",
         "ln", "drive", "dr", "place", "pl", "court", "ct", "crescent", "cres", "circuit", "cct", "circle", "cir",
         "square", "sq", "terrace", "ter", "tce", "way", "parkway", "pkwy", "highway", "hwy", "close", "cl", "rue",
         "via", "calle", "plaza", "north", "south", "east", "west", "n", "s", "e", "w", "ne", "nw", "se", "sw",
         "northeast", "northwest", "southeast", "southwest", "the", "of"), ""),
    "first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7",
    "eighth": "8", "ninth": "9", "tenth": "10", "eleventh": "11", "twelfth": "12", "saint": "st", "mount": "mt",
    "fort": "ft",
}  # fmt: skip
# words of company names that are written in short, and that all companies of a trade share
ORGANISATION_SHORT: dict[str, str] = {
    "ctr": "center", "cntr": "center", "centre": "center", "cntre": "center", "assn": "association",
    "assoc": "association", "dept": "department", "dev": "development", "comm": "community", "svcs": "services",
    "svc": "services", "service": "services", "intl": "international", "natl": "national", "mfg": "manufacturing",
    "univ": "university", "inst": "institute", "acad": "academy", "elem": "elementary", "sch": "school",
    "tech": "technology", "technologies": "technology", "mgmt": "management", "bros": "brothers", "saint": "st",
    "hosp": "hospital", "govt": "government", "lab": "laboratory", "labs": "laboratory", "grp": "group",
    "prods": "products", "sys": "systems", "fam": "family", "neigh": "neighborhood", "neighbourhood": "neighborhood",
    "soc": "society", "ch": "church", "daycare": "day care", "preschool": "pre school", "childcare": "child care",
}  # fmt: skip
FREE_MAIL = ("gmail.com", "googlemail.com", "yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "hotmail.com",
             "hotmail.co.uk", "hotmail.fr", "outlook.com", "live.com", "msn.com", "icloud.com", "me.com", "mac.com",
             "aol.com", "gmx.de", "gmx.net", "gmx.com", "web.de", "t-online.de", "freenet.de", "orange.fr",
             "wanadoo.fr", "free.fr", "laposte.net", "libero.it", "mail.ru", "yandex.ru", "qq.com", "163.com",
             "126.com", "naver.com", "proton.me", "protonmail.com", "fastmail.com", "zoho.com", "mail.com",
             "btinternet.com", "comcast.net")  # fmt: skip


def any_of(words: Iterable[str]) -> str:
    """Alternatives for a regular expression, longest first."""
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))


def in_list(words: Iterable[str]) -> str:
    """The words as a SQL list of literals, for IN."""
    return ", ".join("'" + word + "'" for word in words)


def folded_sql(expression: str) -> str:
    """SQL that folds text already in ASCII: lower case, words of letters and digits with one blank between."""
    plain = f"replace(regexp_replace(lower({expression}), '[.''`]+', '', 'g'), '&', ' and ')"
    return f"nullif(trim(regexp_replace({plain}, '[^a-z0-9]+', ' ', 'g')), '')"


def spaced_sql(expression: str) -> str:
    """SQL that folds the text of a name or a street: as folded_sql, but a full stop parts words ("W.J.", "S.Main")."""
    return folded_sql(f"replace({expression}, '.', ' ')")


def replaced_words_sql(text: str, words: dict[str, str]) -> str:
    """SQL that replaces whole words of folded text; a word replaced by nothing is left out.

    Cases and not a MAP: a MAP was measured to be copied for every word, a hundred times as slow.
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

    Two given names may be one person's when their `roots` meet; `root` is the one form used in blocking keys.
    """
    values = sorted(row[0] for row in con.execute(names).fetchall())
    roots = [roots_of(value) for value in values]
    _make_map(con, into, {"name": values, "root": [root_of(r) for r in roots], "roots": roots})


@cache
def _nicknames() -> NickNamer:
    return NickNamer()


def roots_of(name: str) -> list[str]:
    """The name and every name it is a short form of, sorted."""
    return sorted({name, *_nicknames().canonicals_of(name)})


def is_given_name(word: str) -> bool:
    """Whether the word is a given name, or short for one."""
    return bool(_nicknames().canonicals_of(word) or _nicknames().nicknames_of(word))


@cache
def known_given_names() -> tuple[str, ...]:
    """Every given name that the dictionary of nicknames knows, short forms left out: "al" may be anything."""
    return tuple(sorted(name for name in _nicknames()._nickname_lookup if len(name) > 3 and name.isalpha()))


def root_of(roots: list[str]) -> str:
    """The longest of the roots: short forms are short."""
    return max(roots, key=lambda root: (len(root), root))


def _make_map(con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, list[str] | list[list[str]]]) -> None:
    types = {name: pa.list_(pa.string()) if name == "roots" else pa.string() for name in columns}
    arrow = pa.table({name: pa.array(values, type=types[name]) for name, values in columns.items()})
    con.register(f"{table}_arrow", arrow)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {table}_arrow")
    con.unregister(f"{table}_arrow")
