"""Turn the columns of a file, whose kinds are known, into the input of match records."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from dataflow.resolve.own_file.kinds import BY_NAME, companies_among, type_of_names
from dataflow.resolve.records.match_record import INPUT_COLUMNS
from dataflow.resolve.records.normaliser import in_list
from dataflow.vocabulary.placeholders import NOT_A_NUMBER, NOTHING
from lakehouse.table import literal

Kinds = Mapping[str, str]

PERSON_KINDS = ("given_name", "surname", "date_of_birth", "birth_year", "gender", "middle_name")
SAMPLE = 1_000


def read_values(con: duckdb.DuckDBPyConnection, source: str, kinds: Kinds, *, into: str) -> None:
    """Make the temporary table `into` of `source`, with placeholders in its known columns set to null; drop `source`.

    A column whose kind has a reader gets a column <column>_read beside it, read once per distinct value.
    """
    known = [column for column, kind in kinds.items() if kind != "ignore"]
    cleaned = ", ".join(f"{_cleaned(column)} AS {column}" for column in known)
    con.execute(f"CREATE OR REPLACE TEMP TABLE cleaned_row AS SELECT * REPLACE ({cleaned}) FROM {source}")
    con.execute(f"DROP TABLE {source}")
    joins, structs = [], []
    for column in known:
        if (reader := BY_NAME[kinds[column]].reader) is None:
            continue
        found = con.execute(
            f"SELECT DISTINCT {column} FROM cleaned_row WHERE {column} IS NOT NULL ORDER BY 1"
        ).fetchall()
        values = [str(value) for (value,) in found]
        read = reader(values)
        arrow = pa.table({"value": pa.array(values, type=pa.string()), "read": _structs([read(v) for v in values])})
        con.register("read_arrow", arrow)
        con.execute(f"CREATE OR REPLACE TEMP TABLE read_{column} AS FROM read_arrow")
        con.unregister("read_arrow")
        joins.append(f"LEFT JOIN read_{column} ON read_{column}.value = r.{column}")
        structs.append(f", read_{column}.read AS {column}_read")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS SELECT r.*{"".join(structs)} FROM cleaned_row r {" ".join(joins)}
    """)
    con.execute("DROP TABLE cleaned_row")


def _cleaned(column: str) -> str:
    # a data frame with missing values writes whole numbers with a trailing .0
    text = f"regexp_replace(trim({column}), '^([0-9]+)[.]0$', '\\1')"
    return f"CASE WHEN lower({text}) NOT IN ({in_list(('', *NOTHING, *NOT_A_NUMBER))}) THEN {text} END"


def _structs(read: list[dict[str, str | None]]) -> pa.Array:
    # without values the fields are not known, and none is read
    fields = sorted(read[0]) if read else ["nothing"]
    return pa.array(read, type=pa.struct([(name, pa.string()) for name in fields]))


def decide_types(con: duckdb.DuckDBPyConnection, source: str, kinds: Kinds, *, declared: str | None) -> str:
    """Return the SQL of a row's entity type: `declared` for all rows, else inferred from the row."""
    if declared is not None:
        return literal(declared)
    by_kind = {kind: column for column, kind in reversed(list(kinds.items()))}
    fallback = _fallback_type(con, source, by_kind)
    type_column = by_kind.get("entity_type")
    if type_column is None:
        return fallback
    return (
        f"CASE WHEN regexp_matches(lower({type_column}), 'org|compan|business|corp|firm|legal') THEN 'company'"
        f" WHEN {type_column} IS NOT NULL THEN 'person' ELSE {fallback} END"
    )


def _fallback_type(con: duckdb.DuckDBPyConnection, source: str, by_kind: Mapping[str, str]) -> str:
    personal = [by_kind[kind] for kind in PERSON_KINDS if kind in by_kind]
    company, name = by_kind.get("company_name"), by_kind.get("full_name")
    if name is not None and not personal:
        of_name = _type_of_names(con, source, name)
        if company is None:
            return of_name
        # a company's own name beside that of its contact
        return f"CASE WHEN {name} IS NULL AND {company} IS NOT NULL THEN 'company' ELSE {of_name} END"
    if company is None:
        return "'person'"
    if not personal:
        return "'company'"
    no_person = " AND ".join(f"{column} IS NULL" for column in (*personal, *([name] if name else [])))
    return f"CASE WHEN {company} IS NOT NULL AND {no_person} THEN 'company' ELSE 'person' END"


def _type_of_names(con: duckdb.DuckDBPyConnection, source: str, name: str) -> str:
    """Return the SQL of the type of all rows, or of each row where the column names both people and companies."""
    distinct = f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL"
    sampled = con.execute(f"{distinct} ORDER BY md5({name}) LIMIT {SAMPLE}").fetchall()
    found = type_of_names([str(value) for (value,) in sampled])
    if found != "mixed":
        return literal(found)
    companies = companies_among([str(value) for (value,) in con.execute(distinct).fetchall()])
    con.register("company_arrow", pa.table({"name": pa.array(companies, type=pa.string())}))
    con.execute("CREATE OR REPLACE TEMP TABLE company_of_name AS FROM company_arrow")
    con.unregister("company_arrow")
    return f"CASE WHEN {name} IN (SELECT name FROM company_of_name) THEN 'company' ELSE 'person' END"


def input_sql(source: str, kinds: Kinds, types: str) -> str:
    """Return the query of match_record.INPUT_COLUMNS."""
    given: dict[str, list[str]] = {"record_id": ['"record id"'], "entity_type": [types]}
    aside: dict[str, list[str]] = {}
    for column, kind in kinds.items():
        declared = BY_NAME[kind]
        subject = f"{column}_read" if declared.reader else column
        for name, sql in declared.inputs.items():
            # a column of its own takes precedence over a part of another column
            of = given if len(declared.inputs) == 1 or declared.many else aside
            of.setdefault(name, []).append(sql.replace("{}", subject))
    for name, cut_out in aside.items():
        given.setdefault(name, []).extend(cut_out)
    middle = next((column for column, kind in kinds.items() if kind == "middle_name"), None)
    if middle is not None and "full_name" not in given and "given_name" in given and "surname" in given:
        given["full_name"] = [f"concat_ws(' ', {given['given_name'][0]}, {middle}, {given['surname'][0]})"]
    if "birth_year" in kinds.values():
        given["date_of_birth"] = [_birth({kind: column for column, kind in kinds.items()})]
    if len(given.get("identifier", [])) > 1:
        given["identifier"] = [_identifiers(given["identifier"])]
    columns = ", ".join(f"{_first(given.get(name, []))} AS {name}" for name in INPUT_COLUMNS)
    return f"SELECT {columns} FROM {source}"


def _birth(columns: Mapping[str, str]) -> str:
    """Return the SQL of the date of birth from its parts; a year alone becomes its first of January."""
    year = f"try_cast({columns['birth_year']} AS INT)"
    month, day = (
        f"coalesce(try_cast({columns[part]} AS INT), 1)" if part in columns else "1"
        for part in ("birth_month", "birth_day")
    )
    return f"CASE WHEN {year} IS NOT NULL THEN printf('%04d-%02d-%02d', {year}, {month}, {day}) END"


def _identifiers(numbers: list[str]) -> str:
    """Return the SQL of the numbers of several sorts, each prefixed with its sort: only numbers of one sort compare."""
    marked = ", ".join(f"'{sort}:' || {number}" for sort, number in enumerate(numbers))
    return f"concat_ws(' ', {marked})"


def _first(expressions: list[str]) -> str:
    filled = ", ".join(f"nullif(({sql})::VARCHAR, '')" for sql in expressions)
    return f"coalesce({filled})" if len(expressions) > 1 else filled or "NULL::VARCHAR"
