"""Resolve a file of one's own: CSV or Parquet with any columns, by the functions that the pipeline uses."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from dataflow.errors import SourceMalformed, SourceMissing, UsageError
from dataflow.report import measured
from dataflow.resolve.clusters import find_clusters
from dataflow.resolve.edges import find_edges
from dataflow.resolve.epoch import train_epoch
from dataflow.resolve.evaluate import Evaluation, causes_of_error, evaluate
from dataflow.resolve.kinds import BY_NAME, infer_kinds, looks_like_people
from dataflow.resolve.match_record import INPUT_COLUMNS, make_match_records
from dataflow.resolve.spec import SPECS
from lakehouse.connect import connect
from lakehouse.table import literal, quote

SAMPLE = 1_000
READERS = {".csv": "read_csv({}, all_varchar = true)", ".parquet": "read_parquet({})"}


@dataclass(frozen=True, kw_only=True)
class FileSpec:
    """What the columns of a file are: column to kind (kinds.py); entity type None: told from the columns."""

    columns: Mapping[str, str]
    entity_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileResolution:
    """What came of it. `evaluation` and `causes` (pairs by cause of error) need a truth column."""

    entity_type: str
    kinds: dict[str, str]
    records: int
    clusters: int
    compared_pairs: int
    seconds: float
    evaluation: Evaluation | None
    causes: dict[str, int]


def read_file_spec(path: Path) -> FileSpec:
    """Read `entity_type` and `[columns]` (column = "kind") from TOML.

    Raises: UsageError when the file is missing, is not TOML, or names a kind that does not exist.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"Reading the spec of a file: {path} is not there.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"Reading the spec of a file: {path} is not TOML ({type(error).__name__}).") from error
    columns = told.get("columns", {})
    unknown = sorted({str(kind) for kind in columns.values() if kind not in BY_NAME})
    surplus = sorted(set(told) - {"columns", "entity_type"})
    if unknown or surplus or told.get("entity_type") not in (None, *SPECS):
        raise UsageError(
            f"Reading the spec of a file: {path} has unknown kinds {unknown} or settings {surplus}, or an unknown "
            f"entity_type. Kinds are {', '.join(BY_NAME)}; entity types are {', '.join(SPECS)}."
        )
    return FileSpec(columns=columns, entity_type=told.get("entity_type"))


def resolve_file(
    path: Path,
    spec: FileSpec | None = None,
    *,
    truth: str | None = None,
    key: str | None = None,
    ignore: Iterable[str] = (),
    out: Path | None = None,
) -> FileResolution:
    """Find out which rows of a file are one person, or one company.

    `truth`: column with the known answer, never an input. `key`: column that identifies a row, else its number.
    `out`: CSV or Parquet to write, one row per input row with record_key, cluster_id, confidence.
    Raises: SourceMissing, SourceMalformed, UsageError.
    """
    with measured() as watch:
        con = connect()
        try:
            columns = _load(con, path)
            kinds = _decide_kinds(con, columns, spec, path=path, aside=[truth, key, *ignore])
            _number_rows(con, path, key=key, columns=columns)
            entity_type = _decide_type(con, kinds, spec)
            compared = _resolve(con, kinds, entity_type)
            evaluation, causes = _judge(con, truth, columns, path) if truth is not None else (None, {})
            if out is not None:
                _write(con, out)
            records, clusters = con.execute("SELECT count(*), count(DISTINCT cluster) FROM found").fetchall()[0]
        finally:
            con.close()
        return FileResolution(
            entity_type=entity_type,
            kinds={column: kind for column, kind in kinds.items() if kind != "ignore"},
            records=records,
            clusters=clusters,
            compared_pairs=compared,
            seconds=watch.seconds,
            evaluation=evaluation,
            causes=causes,
        )


def _load(con: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    if not path.is_file():
        raise SourceMissing(f"Resolving a file: {path} is not there.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"Resolving a file: {path.name} should end in one of {', '.join(READERS)}.")
    try:
        con.execute(f"""
            CREATE TEMP TABLE file_row AS
            SELECT COLUMNS(*)::VARCHAR, row_number() OVER () AS "row number"
            FROM {reader.format(literal(str(path)))}
        """)
    except duckdb.Error as error:
        raise SourceMalformed(
            f"Resolving a file: {path.name} cannot be read as {path.suffix[1:].upper()} ({type(error).__name__})."
        ) from error
    if con.table("file_row").shape[0] == 0:
        raise SourceMalformed(f"Resolving a file: {path.name} has no rows.")
    return [name for name in con.table("file_row").columns if name != "row number"]


def _decide_kinds(
    con: duckdb.DuckDBPyConnection,
    columns: list[str],
    spec: FileSpec | None,
    *,
    path: Path,
    aside: list[str | None],
) -> dict[str, str]:
    named = {column for column in (*aside, *(spec.columns if spec else ())) if column is not None}
    unknown = sorted(named - set(columns))
    if unknown:
        raise UsageError(
            f"Resolving a file: {path.name} has no column {', '.join(unknown)}; it has {', '.join(columns)}."
        )
    kinds = infer_kinds(
        {column: _sample(con, column) for column in columns if column not in aside},
        rows=min(SAMPLE, con.table("file_row").shape[0]),
    )
    if spec is not None and spec.columns:
        kinds = {column: spec.columns.get(column, "ignore") for column in kinds}
    if not any(BY_NAME[kind].inputs for kind in kinds.values()):
        raise UsageError(
            f"Resolving a file: no column of {path.name} is of a known kind by its name or its values.",
            next_move="Say what the columns are in a spec: --spec SPEC.",
        )
    return kinds


def _sample(con: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """Values of a column, the same whatever the order of the rows."""
    name = quote(column)
    rows = con.execute(f"""
        SELECT trim({name}) FROM file_row WHERE trim({name}) <> '' ORDER BY md5({name}), 1 LIMIT {SAMPLE}
    """).fetchall()
    return [str(row[0]) for row in rows]


def _number_rows(con: duckdb.DuckDBPyConnection, path: Path, *, key: str | None, columns: list[str]) -> None:
    """Give rows their record id: the key as it stands, else the row number; ids sort as text."""
    record_id = quote(key) if key in columns and key is not None else "lpad(\"row number\"::VARCHAR, 10, '0')"
    con.execute(f'CREATE TEMP TABLE source_row AS SELECT *, {record_id} AS "record id" FROM file_row')
    repeated, missing = con.execute("""
        SELECT count("record id") - count(DISTINCT "record id"), count(*) - count("record id") FROM source_row
    """).fetchall()[0]
    if repeated or missing:
        raise UsageError(
            f"Resolving a file: the key column {key} of {path.name} is empty in {missing} rows and repeated in "
            f"{repeated}; a key is given once to each row."
        )


def _decide_type(con: duckdb.DuckDBPyConnection, kinds: dict[str, str], spec: FileSpec | None) -> str:
    if spec is not None and spec.entity_type is not None:
        return spec.entity_type
    found = set(kinds.values())
    if found & {"given_name", "surname", "date_of_birth"}:
        return "person"
    if "full_name" not in found:
        return "company" if "company_name" in found else "person"
    column = next(column for column, kind in kinds.items() if kind == "full_name")
    return "person" if looks_like_people(_sample(con, column)) else "company"


def _resolve(con: duckdb.DuckDBPyConnection, kinds: dict[str, str], entity_type: str) -> int:
    """Leave the tables `found` (record_id, cluster, confidence, …) and `edge`; return how many pairs were compared."""
    spec = SPECS[entity_type]
    spec = replace(spec, blocking=(*spec.blocking, *spec.wide))
    make_match_records(con, _input_sql(kinds, entity_type), [spec], into="match_record")
    epoch = train_epoch(con, "match_record", spec=spec, frequencies="frequency")
    compared = find_edges(con, "match_record", epoch=epoch, spec=spec, into="edge")
    find_clusters(con, "match_record", "edge", epoch=epoch, spec=spec, into="found")
    return compared


def _input_sql(kinds: dict[str, str], entity_type: str) -> str:
    given: dict[str, str] = {"record_id": '"record id"', "entity_type": literal(entity_type)}
    for column, kind in kinds.items():
        cleaned = f"nullif(trim({quote(column)}), '')"
        for name, sql in BY_NAME[kind].inputs.items():
            # what a column of its own says comes before what was cut out of another
            given[name] = (
                sql.replace("{}", cleaned)
                if len(BY_NAME[kind].inputs) == 1
                else (given.get(name) or sql.replace("{}", cleaned))
            )
    middle = next((quote(column) for column, kind in kinds.items() if kind == "middle_name"), None)
    if middle is not None and "full_name" not in given and "given_name" in given and "surname" in given:
        given["full_name"] = f"concat_ws(' ', {given['given_name']}, {middle}, {given['surname']})"
    columns = ", ".join(f"({given.get(name, 'NULL')})::VARCHAR AS {name}" for name in INPUT_COLUMNS)
    return f"SELECT {columns} FROM source_row"


def _judge(
    con: duckdb.DuckDBPyConnection, truth: str, columns: list[str], path: Path
) -> tuple[Evaluation, dict[str, int]]:
    if truth not in columns:
        raise UsageError(f"Resolving a file: {path.name} has no column {truth}; it has {', '.join(columns)}.")
    con.execute(f"""
        CREATE TEMP TABLE truth AS
        SELECT "record id" AS record_id, {quote(truth)} AS cluster FROM source_row WHERE {quote(truth)} IS NOT NULL
    """)
    return evaluate(con, "SELECT record_id, cluster FROM found", "FROM truth"), causes_of_error(
        con, "found", "truth", "edge"
    )


def _write(con: duckdb.DuckDBPyConnection, out: Path) -> None:
    if out.suffix.lower() not in READERS:
        raise UsageError(f"Resolving a file: {out.name} should end in one of {', '.join(READERS)}.")
    form = "csv, HEADER" if out.suffix.lower() == ".csv" else "parquet"
    con.execute(f"""
        COPY (
            SELECT s."record id" AS record_key, f.cluster AS cluster_id, f.confidence
            FROM source_row s JOIN found f ON f.record_id = s."record id" ORDER BY s."row number"
        ) TO {literal(str(out))} (FORMAT {form})
    """)
