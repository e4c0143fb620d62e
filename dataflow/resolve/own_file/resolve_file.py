"""Resolve a file: CSV or Parquet with any columns, by the functions of the pipeline.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| file_row | c0, c1, …, "row number" | _load | read_values |
| read_row | as file_row, <column>_read | read_values | _number_rows |
| source_row | as read_row, "record key", "record id" | _number_rows | _keep_keys |
| label | record_id_l, record_id_r, verdict | _read_labels | the connection |
| match_record | see records/match_record.py | make_match_records | _resolve |
| row_key | "record id", "record key", "row number", truth | _keep_keys | the connection |
| copy, copied_record | see copies.py | set_copies_aside | the connection |
| match_TYPE, edge_TYPE, frequency_TYPE | of match_record.py, edges.py, frequencies.py | _resolve | the connection |
| found | record_id, cluster, confidence, entity_type | _resolve | the connection |
| truth | record_id, cluster | _judge | the connection |
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from dataflow.errors import SourceMalformed, UsageError
from dataflow.resolve.clusters.clusters import find_clusters
from dataflow.resolve.comparisons import SPECS, EntitySpec
from dataflow.resolve.own_file.copies import add_copies, set_copies_aside
from dataflow.resolve.own_file.error_causes import Cause, Model, causes_of_error
from dataflow.resolve.own_file.evaluate import Evaluation, evaluate
from dataflow.resolve.own_file.file_records import decide_types, input_sql, read_values
from dataflow.resolve.own_file.kinds import BY_NAME, infer_kinds
from dataflow.resolve.pairs.candidates import cap_sql
from dataflow.resolve.pairs.edges import find_edges
from dataflow.resolve.records.match_record import RULE_BITS, make_match_records
from dataflow.resolve.training.epoch import train_epoch
from dataflow.resolve.training.labels import learn_from_labels, read_labels
from dataflow.sources.files.any_table import load_table
from dataflow.workspace.report import measured
from lakehouse.connect import connect
from lakehouse.table import literal

DOING = "Resolving a file"
MEMORY = "4GB"
"""The memory limit, enough for a million rows of fifteen columns; more spills to the disk."""
WIDE_PAIRS = 6_000_000
"""The most pairs from wide keys alone: a minute's work, as many as a table of 200,000 rows has (November 2026)."""
SAMPLE = 1_000
OUT_FORMATS = {".csv": "csv, HEADER", ".parquet": "parquet"}


@dataclass(frozen=True, kw_only=True)
class FileSpec:
    """The kinds of a file's columns (kinds.py), and its entity type; None: inferred from the columns."""

    columns: Mapping[str, str]
    entity_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileResolution:
    """The outcome. `entity_types`: clusters of each type. `evaluation` and `causes` of error need a truth column."""

    entity_types: dict[str, int]
    kinds: dict[str, str]
    records: int
    clusters: int
    compared_pairs: int
    labels: int
    seconds: float
    evaluation: Evaluation | None
    causes: list[Cause]


def read_file_spec(path: Path) -> FileSpec:
    """Read `entity_type` and `[columns]` (column = "kind") from TOML.

    Raises: UsageError when the file is missing, is not TOML, or names a kind that does not exist.
    """
    try:
        declared = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"Reading the spec of a file: {path} does not exist.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"Reading the spec of a file: {path} is not TOML ({type(error).__name__}).") from error
    columns = declared.get("columns", {})
    unknown = sorted({str(kind) for kind in columns.values() if kind not in BY_NAME})
    surplus = sorted(set(declared) - {"columns", "entity_type"})
    if unknown or surplus or declared.get("entity_type") not in (None, *SPECS):
        raise UsageError(
            f"Reading the spec of a file: {path} has unknown kinds {unknown} or settings {surplus}, or an unknown "
            f"entity_type. Kinds are {', '.join(BY_NAME)}; entity types are {', '.join(SPECS)}."
        )
    return FileSpec(columns=columns, entity_type=declared.get("entity_type"))


def resolve_file(
    path: Path,
    spec: FileSpec | None = None,
    *,
    truth: str | None = None,
    key: str | None = None,
    ignore: Iterable[str] = (),
    labels: Path | None = None,
    out: Path | None = None,
) -> FileResolution:
    """Resolve the rows of a file: find those that are one person or one company.

    `truth`: column with the known answer, never an input. `key`: column that identifies a row, else its number.
    `labels`: CSV or Parquet of pairs labelled same or different, by their keys (labels.py).
    `out`: CSV or Parquet to write, one row per input row with record_key, cluster_id, confidence.
    Raises: SourceMissing, SourceMalformed, UsageError.
    """
    if out is not None and out.suffix.lower() not in OUT_FORMATS:
        raise UsageError(f"{DOING}: {out.name} should end in one of {', '.join(OUT_FORMATS)}.")
    with (
        measured() as watch,
        TemporaryDirectory() as spill,
        closing(connect(memory_limit=MEMORY, temp_directory=Path(spill))) as con,
    ):
        table = _load(con, path)
        kinds = _read_rows(con, table, spec, truth=truth, key=key, ignore=ignore)
        types = decide_types(con, "source_row", kinds, declared=spec.entity_type if spec else None)
        labelled = _read_labels(con, labels) if labels is not None else None
        make_match_records(con, input_sql("source_row", kinds, types), _wide_specs(), into="match_record")
        _keep_keys(con, truth=table.find(truth) if truth is not None else None)
        models, compared = _resolve(con, labels=labelled)
        evaluation, causes = _judge(con, models) if truth is not None else (None, [])
        if out is not None:
            _write(con, out)
        label_count = con.table(labelled).shape[0] if labelled is not None else 0
        found = dict(con.execute("SELECT entity_type, count(DISTINCT cluster) FROM found GROUP BY 1").fetchall())
        return FileResolution(
            entity_types={kind: found[kind] for kind in sorted(found, key=lambda kind: (-found[kind], kind))},
            kinds={table.headings[column]: kind for column, kind in kinds.items() if kind != "ignore"},
            records=table.rows,
            clusters=sum(found.values()),
            compared_pairs=compared,
            labels=label_count,
            seconds=watch.seconds,
            evaluation=evaluation,
            causes=causes,
        )


def _read_rows(
    con: duckdb.DuckDBPyConnection,
    table: _Table,
    spec: FileSpec | None,
    *,
    truth: str | None,
    key: str | None,
    ignore: Iterable[str],
) -> dict[str, str]:
    """Fill `source_row` from `file_row`; return the kind of each column."""
    aside = [table.find(name) for name in (truth, key, *ignore) if name is not None]
    kinds = _decide_kinds(con, table, spec, aside=aside)
    read_values(con, "file_row", kinds, into="read_row")
    _number_rows(con, table, key=key)
    return kinds


@dataclass(frozen=True)
class _Table:
    """The file as it was read into `file_row`; `headings` maps the names c0, c1, … to the file's headings."""

    name: str
    headings: Mapping[str, str]
    rows: int

    def find(self, heading: str) -> str:
        """Return our name of a column: by its exact heading, else by one that differs in case or blanks only."""
        for same in (str, lambda text: text.strip().lower()):
            for column, known in self.headings.items():
                if same(known) == same(heading):
                    return column
        raise UsageError(f"{DOING}: {self.name} has no column {heading}; it has {', '.join(self.headings.values())}.")


def _load(con: duckdb.DuckDBPyConnection, path: Path) -> _Table:
    headings = load_table(con, path, doing=DOING, into="file_row")
    rows = con.table("file_row").shape[0]
    if rows == 0:
        raise SourceMalformed(f"{DOING}: {path.name} has no rows.")
    return _Table(path.name, {f"c{number}": name for number, name in enumerate(headings)}, rows)


def _decide_kinds(
    con: duckdb.DuckDBPyConnection, table: _Table, spec: FileSpec | None, *, aside: list[str]
) -> dict[str, str]:
    """Return the kind of each column, by our names of them."""
    if spec is not None and spec.columns:
        declared = {table.find(heading): kind for heading, kind in spec.columns.items()}
        kinds = {column: declared.get(column, "ignore") for column in table.headings if column not in aside}
    else:
        columns = [column for column in table.headings if column not in aside]
        samples = {table.headings[column]: values for column, values in _samples(con, columns).items()}
        kinds = dict(zip(columns, infer_kinds(samples, rows=min(SAMPLE, table.rows)).values(), strict=True))
    if not any(BY_NAME[kind].inputs for kind in kinds.values()):
        raise UsageError(
            f"{DOING}: no column of {table.name} is of a known kind by its name or its values.",
            next_move="Declare the kinds of the columns in a spec: --spec SPEC.",
        )
    return kinds


def _samples(con: duckdb.DuckDBPyConnection, columns: list[str]) -> dict[str, list[str]]:
    """Return sample values of each column, independent of the order of the rows."""
    if not columns:
        return {}
    whole = f"md5(concat_ws('|', {', '.join(columns)}))"
    cleaned = ", ".join(f"trim({column})" for column in columns)
    rows = con.execute(f"SELECT {cleaned} FROM file_row ORDER BY {whole} LIMIT {SAMPLE}").fetchall()
    found = {
        column: [value for value in values if value]
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    }
    for column in (column for column, values in found.items() if len(values) < SAMPLE / 20):
        rare = con.execute(f"""
            SELECT DISTINCT trim({column}) FROM file_row WHERE trim({column}) <> '' ORDER BY md5({column}), 1 LIMIT 50
        """).fetchall()
        found[column] = max(found[column], [str(value) for (value,) in rare], key=len)
    return found


def _number_rows(con: duckdb.DuckDBPyConnection, table: _Table, *, key: str | None) -> None:
    """Give rows their "record id": the key as it is, else the row number, padded to sort as text.

    "record key" is the identifier that the output shows: the key, or the plain row number.
    """
    record_key = table.find(key) if key is not None else '"row number"'
    record_id = record_key if key is not None else "lpad(\"row number\"::VARCHAR, 10, '0')"
    con.execute(f"""
        CREATE TEMP TABLE source_row AS SELECT *, {record_key} AS "record key", {record_id} AS "record id" FROM read_row
    """)
    con.execute("DROP TABLE read_row")
    repeated, missing = con.execute("""
        SELECT count("record id") - count(DISTINCT "record id"), count(*) - count("record id") FROM source_row
    """).fetchall()[0]
    if repeated or missing:
        raise UsageError(
            f"{DOING}: the key column {key} of {table.name} is empty in {missing} rows and repeated in "
            f"{repeated}; a key identifies one row.",
            next_move="Leave --key out: rows are then identified by their number.",
        )


def _read_labels(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    keys = '(SELECT "record id" AS record_id, "record key"::VARCHAR AS record_key FROM source_row)'
    read_labels(con, path, keys=keys, into="label")
    return "label"


def _wide_specs() -> list[EntitySpec]:
    return [replace(spec, blocking=(*spec.blocking, *spec.wide)) for spec in SPECS.values()]


def affordable(con: duckdb.DuckDBPyConnection, records: str, spec: EntitySpec, *, pairs: int) -> EntitySpec:
    """Return the spec with the caps of its wide rules lowered until these bring at most `pairs` pairs.

    A cap bounds the pairs of one record and not those of a table: forty for each of a million are too many to compare.
    The largest blocks are dropped first: a rare key is better evidence than a common one.
    """
    narrow = len(spec.blocking) - len(spec.wide)
    sizes = con.execute(f"""
        WITH block AS (
            SELECT key, count(*) AS size FROM (SELECT unnest(block_keys) AS key FROM {records})
            GROUP BY key HAVING count(*) > 1
        )
        SELECT size, sum(size * (size - 1) // 2)::BIGINT FROM block
        WHERE key % {RULE_BITS} >= {narrow} AND size <= {cap_sql(spec, "key")} GROUP BY size ORDER BY size
    """).fetchall()
    total = 0
    for size, found in sizes:
        total += found
        if total > pairs:
            wide = (replace(rule, cap=min(rule.cap, size - 1)) for rule in spec.blocking[narrow:])
            return replace(spec, blocking=(*spec.blocking[:narrow], *wide))
    return spec


def _keep_keys(con: duckdb.DuckDBPyConnection, *, truth: str | None) -> None:
    """Keep only the keys and the truth of the rows; their values are in the match records."""
    con.execute(f"""
        CREATE TEMP TABLE row_key AS
        SELECT "record id", "record key", "row number", {truth or "NULL"} AS truth FROM source_row
    """)
    con.execute("DROP TABLE source_row")


def _resolve(con: duckdb.DuckDBPyConnection, *, labels: str | None) -> tuple[list[Model], int]:
    """Fill `found` with the clusters of both entity types; return the models and the number of pairs compared."""
    set_copies_aside(con, "match_record", unless=labels)
    specs = _wide_specs()
    for spec in specs:
        of_kind = f"WHERE entity_type = {literal(spec.entity_type)}"
        con.execute(f"CREATE TEMP TABLE match_{spec.entity_type} AS SELECT * FROM match_record {of_kind}")
    con.execute("DROP TABLE match_record")
    con.execute("CREATE TEMP TABLE found (record_id VARCHAR, cluster VARCHAR, confidence DOUBLE, entity_type VARCHAR)")
    models, compared = [], 0
    for spec in specs:
        kind = spec.entity_type
        if con.table(f"match_{kind}").shape[0] == 0:
            continue
        spec = affordable(con, f"match_{kind}", spec, pairs=WIDE_PAIRS)
        epoch = train_epoch(con, f"match_{kind}", spec=spec, frequencies=f"frequency_{kind}")
        judged = None
        if labels is not None:
            epoch = learn_from_labels(con, f"match_{kind}", labels, epoch=epoch, spec=spec)
            judged = f"(SELECT b.* FROM {labels} b SEMI JOIN match_{kind} r ON r.record_id = b.record_id_l)"
        compared += find_edges(con, f"match_{kind}", epoch=epoch, spec=spec, into=f"edge_{kind}")
        find_clusters(
            con,
            f"match_{kind}",
            f"edge_{kind}",
            link_threshold=epoch.link_threshold,
            into="found_cluster",
            judgements=judged,
            contradiction=epoch.contradiction,
        )
        con.execute(f"""
            INSERT INTO found
            SELECT record_id, min(record_id) OVER (PARTITION BY cluster), confidence, {literal(kind)} FROM found_cluster
        """)
        con.execute(f"INSERT INTO match_{kind} FROM copied_record WHERE entity_type = {literal(kind)}")
        models.append(Model(spec, epoch, records=f"match_{kind}", edges=f"edge_{kind}"))
    add_copies(con, "found")
    return models, compared


def _judge(con: duckdb.DuckDBPyConnection, models: list[Model]) -> tuple[Evaluation, list[Cause]]:
    con.execute("""
        CREATE TEMP TABLE truth AS
        SELECT "record id" AS record_id, truth AS cluster FROM row_key WHERE truth IS NOT NULL
    """)
    causes = causes_of_error(con, "found", "truth", models)
    return evaluate(con, "SELECT record_id, cluster FROM found", "FROM truth"), causes


def _write(con: duckdb.DuckDBPyConnection, out: Path) -> None:
    con.execute(f"""
        COPY (
            SELECT s."record key" AS record_key, f.cluster AS cluster_id, f.confidence
            FROM row_key s JOIN found f ON f.record_id = s."record id" ORDER BY s."row number"
        ) TO {literal(str(out))} (FORMAT {OUT_FORMATS[out.suffix.lower()]})
    """)
