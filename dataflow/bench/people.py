"""Generate any number of match records of people in one statement, to measure identity resolution without a pipeline.

Each person has two or three records on average, as different sources would hold them: with a typo, an initial, another
mailbox, a former address, missing fields. Names and towns have skewed frequencies, as real ones do. The records are the
same in each run: every value derives from the hash of a number.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from dataflow.resolve.comparisons import PERSON
from dataflow.resolve.records.match_record import key_list_sql
from dataflow.tables.resolved import MATCH_RECORD
from lakehouse.table import column_list, literal, quote

_SYLLABLES = (
    "ka", "ro", "mi", "la", "ten", "ber", "son", "ni", "do", "var", "el", "sha", "to", "li", "gre", "man",
    "po", "ri", "ced", "wal", "fen", "dra", "hu", "jo", "ste", "quin", "ab", "nor", "vi", "lem", "ost", "tra",
)  # fmt: skip
_RECORDS_PER_PERSON = 2.5


def write_people(con: duckdb.DuckDBPyConnection, file: Path, *, start: int, count: int, known: int) -> None:
    """Write the match records numbered from `start` to a Parquet file.

    Those below `known` belong to the people of `known` records; half of the later ones do, half are of new people.
    Shape: resolved.match_record without `_run_id`.
    """
    con.execute(f"COPY ({_people_sql(start=start, count=count, known=known)}) TO {literal(str(file))}")


def _chance(salt: str, of: str = "record") -> str:
    """Return the SQL of a number from 0 to 1, fixed for the record or the person."""
    return f"((hash({of}, {literal(salt)}) % 1000003) / 1000003.0)"


def _name(number: str, syllables: int) -> str:
    pool = f"[{', '.join(literal(s) for s in _SYLLABLES)}]"
    size = len(_SYLLABLES)
    parts = (f"{pool}[1 + ({number})::BIGINT // {size**place} % {size}]" for place in range(syllables))
    return f"({' || '.join(parts)})"


def _uneven(salt: str, size: int) -> str:
    """Return the SQL of a number below `size`; small numbers are far more frequent."""
    return f"(pow({_chance(salt, 'person')}, 3) * {size})::BIGINT"


def _misspelt(name: str, salt: str) -> str:
    place = f"(2 + {_chance(salt + ' place')} * (length({name}) - 2))::INT"
    return f"CASE WHEN {_chance(salt)} < 0.08 THEN {name}[1:{place} - 1] || 'x' || {name}[{place} + 1:] ELSE {name} END"


def _now_and_then(share: float, value: str, salt: str) -> str:
    return f"CASE WHEN {_chance(salt)} < {share} THEN {value} END"


_DERIVED = {
    "record_id": "printf('%08x|bench|%d', hash(record) % 4294967296, record)",
    "entity_type": "'person'",
    "is_han": "false",
    "given_root": "given",
    "given_roots": "[given]",
    "all_roots": "[given]",
    "given_tokens": "[given]",
    "surname_tokens": "[surname]",
    "name_key": "least(given, surname) || ' ' || greatest(given, surname)",
    "domain": "split_part(email, '@', 2)",
    "email_local": "split_part(email, '@', 1)",
    "door": "street || ' ' || house_number || ' ' || postcode",
    "region": "left(postcode, 2)",
    "country_code": "'US'",
}
"""Column of the match record to its SQL over the generated columns."""
_GENERATED = ("given", "surname", "date_of_birth", "email", "phone", "street", "house_number", "city", "postcode")
_COLUMNS = [c for c in MATCH_RECORD.columns if c.name not in ("_run_id", "block_keys")]


def _in_order() -> str:
    """Return the SELECT list of the table's columns in their order, with the blocking keys computed."""
    keys = f"{key_list_sql(PERSON)} AS block_keys"
    names = [name for name in MATCH_RECORD.column_names if name != "_run_id"]
    return ", ".join(keys if name == "block_keys" else column_list([name]) for name in names)


def _match_record_sql() -> str:
    """Return the SELECT list of the match record over the generated columns; all other columns are null."""
    return ", ".join(
        f"{_DERIVED.get(c.name, c.name if c.name in _GENERATED else 'NULL')}::{c.type} AS {quote(c.name)}"
        for c in _COLUMNS
    )


def _people_sql(*, start: int, count: int, known: int) -> str:
    people = int(known / _RECORDS_PER_PERSON)
    home = f"CASE WHEN {_chance('move')} < 0.15 THEN record ELSE person END"
    town = f"(pow({_chance('town', f'({home})')}, 3) * 8000)::BIGINT"
    birth = f"strftime(DATE '1940-01-01' + ({_chance('birth', 'person')} * 24000)::INT, '%Y-%m-%d')"
    box = f"CASE WHEN {_chance('other mail')} < 0.1 THEN record ELSE person END"
    mail = f"whole_given || '.' || whole_surname || {box} || '@mail' || person % 40 || '.com'"
    phone = "'+1' || lpad((hash(person, 'phone') % 10000000000)::VARCHAR, 10, '0')"
    street = _name("hash(home, 'street') % 20000", 3) + " || ' street'"
    return f"""
        WITH numbered AS (
            SELECT record, CASE
                WHEN record < {known} THEN record * 2 // 5
                WHEN {_chance("met")} < 0.5 THEN ({_chance("whom")} * {people})::BIGINT
                ELSE {people} + record END AS person
            FROM range({start}, {start + count}) r(record)
        ),
        person AS (
            SELECT *, {_name(_uneven("given", 2000), 3)} AS whole_given, {_name(_uneven("surname", 30000), 3)}
                AS whole_surname, ({home}) AS home, {town} AS town FROM numbered
        ),
        known AS (
            SELECT record, CASE WHEN {_chance("initial")} < 0.04 THEN whole_given[1]
                    ELSE {_misspelt("whole_given", "given typo")} END AS given,
                {_misspelt("whole_surname", "surname typo")} AS surname,
                {_now_and_then(0.6, birth, "has birth")} AS date_of_birth,
                {_now_and_then(0.75, mail, "has mail")} AS email,
                {_now_and_then(0.7, phone, "has phone")} AS phone,
                {_now_and_then(0.8, street, "has street")} AS street,
                (hash(home, 'house') % 300 + 1)::VARCHAR AS house_number, {_name("town", 3)} AS city,
                lpad((town * 11 + hash(home, 'post') % 11)::VARCHAR, 5, '0') AS postcode
            FROM person
        ),
        match_record AS (SELECT {_match_record_sql()} FROM known)
        SELECT {_in_order()} FROM match_record
    """
