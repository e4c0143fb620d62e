"""Resolve a file of one's own and see how right it is, in a lake that is thrown away: the real stages, no publication.

The spec is TOML: `key` names the column that identifies a row (without it, rows are numbered), and [fields] maps
columns onto conformed.customer_record exactly as [mappings.….fields] of dataflow.toml does.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from dataflow.errors import SourceMalformed, SourceMissing, UsageError
from dataflow.land import commit_windows, fetch_window, plan_windows
from dataflow.resolve.evaluate import Evaluation, evaluate
from dataflow.session import RunSession, open_run
from dataflow.settings import Settings
from dataflow.settings.model import FieldExpression
from dataflow.stages import stage_function
from lakehouse.connect import connect
from lakehouse.table import literal, quote

_SOURCE, _OBJECT = "file", "row"
_KEY, _CHANGED = "_dataflow_key", "_dataflow_changed_at"
_STAGES = ("validate", "conform", "resolve")


class FileSpec(BaseModel):
    """How the columns of a file map onto customer records."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str = ""
    fields: dict[str, FieldExpression]


@dataclass(frozen=True)
class Resolved:
    """What became of the file: rows, records, customers, and how right that is where the truth was named.

    `clusters` are (key of the row, customer id).
    """

    rows: int
    records: int
    customers: int
    pairs_to_review: int
    evaluation: Evaluation | None
    clusters: list[tuple[str, str]]


def read_spec(path: Path) -> FileSpec:
    """Read a spec. Raises: UsageError naming what is wrong with it."""
    try:
        return FileSpec.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"There is no spec {path}.", next_move="Write one; see dataflow resolve --help.") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The spec {path} is not valid TOML: {error}.") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise UsageError(f"The spec {path} is not usable: {faults}.") from None


def resolve_file(file: Path, spec: FileSpec, *, truth: str | None, settings: Settings) -> Resolved:
    """Resolve the rows of a CSV or Parquet file. `truth` names the column that says which rows are one customer.

    Raises: SourceMissing, SourceMalformed, UsageError for a column that is not there, MappingError.
    """
    with tempfile.TemporaryDirectory(prefix="dataflow-resolve-") as folder:
        home = Path(folder)
        columns = _copy(file, home / "rows.parquet", spec, truth=truth)
        with _session(_settings(home, spec, columns, settings)) as session:
            return _read_result(session, home / "rows.parquet", truth=truth)


def _copy(file: Path, target: Path, spec: FileSpec, *, truth: str | None) -> list[str]:
    """Copy the file as text columns with a key and a version; returns its columns."""
    if not file.is_file():
        raise SourceMissing(f"There is no file {file} to resolve.")
    is_parquet = file.suffix.lower() in (".parquet", ".pq")
    place = literal(str(file))
    reader = f"read_parquet({place})" if is_parquet else f"read_csv({place}, all_varchar = true, header = true)"
    con = connect(threads=1)
    try:
        columns = [str(row[0]) for row in con.execute(f"SELECT column_name FROM (DESCRIBE FROM {reader})").fetchall()]
        _require([name for name in (spec.key, truth) if name], columns, file)
        texts = ", ".join(f"{quote(name)}::VARCHAR AS {quote(name)}" for name in columns)
        key = f"{quote(spec.key)}::VARCHAR" if spec.key else "(row_number() OVER ())::VARCHAR"
        con.execute(f"""
            COPY (SELECT {texts}, {key} AS {_KEY}, TIMESTAMP '2000-01-01' AS {_CHANGED} FROM {reader})
            TO {literal(str(target))} (FORMAT parquet)
        """)
    except duckdb.Error as error:
        # Its words may quote a row.
        raise SourceMalformed(
            f"{file} cannot be read as {'Parquet' if is_parquet else 'CSV'} ({type(error).__name__})."
        ) from None
    finally:
        con.close()
    return columns


def _require(names: list[str], columns: list[str], file: Path) -> None:
    missing = [name for name in names if name not in columns]
    if missing:
        raise UsageError(f"{file} has no column {', '.join(missing)}; it has {', '.join(columns)}.")


def _settings(home: Path, spec: FileSpec, columns: list[str], settings: Settings) -> Settings:
    """A configuration of one file and one mapping, in a home of its own; memory and threads as in `settings`."""
    declared: dict[str, Any] = {
        "format": "parquet",
        "path": "rows.parquet",
        "key": _KEY,
        "cursor": _CHANGED,
        "fields": {**dict.fromkeys([*columns, _KEY], "VARCHAR"), _CHANGED: "TIMESTAMPTZ"},
    }
    return Settings.model_validate(
        {
            "home": home,
            "lake": {
                "catalogue": str(home / "lake.ducklake"),
                "data": str(home / "data"),
                "published": str(home / "published"),
                "memory_limit": settings.lake.memory_limit,
                "threads": settings.lake.threads,
            },
            "landing": str(home / "landing"),
            "runs": str(home / "runs"),
            "sources": {_SOURCE: {"root": str(home), "objects": {_OBJECT: declared}}},
            "mappings": {
                "row": {"table": "customer_record", "object": f"{_SOURCE}.{_OBJECT}", "fields": dict(spec.fields)}
            },
            "currency": settings.currency.model_dump(),
            "resolve": settings.resolve.model_dump(),
        }
    )


@contextmanager
def _session(settings: Settings) -> Iterator[RunSession]:
    """Land the file and take it as far as resolve."""
    with open_run(settings, "resolve") as session:
        with session.stage("land"):
            windows = plan_windows(session.lake, settings)
            fetched = [fetch_window(window, settings, session.run) for window in windows]
            session.reports += commit_windows(session.lake, fetched, session.run)
        with session.open_workspace() as workspace:
            for name in _STAGES:
                step = stage_function(name)
                session.step(name, lambda step=step: step(workspace, settings))  # type: ignore[misc]
            yield session


def _read_result(session: RunSession, file: Path, *, truth: str | None) -> Resolved:
    con = session.workspace.con
    rows = (
        f"SELECT {literal(f'{_SOURCE}|{_OBJECT}|')} || {_KEY} AS record_id, * FROM read_parquet({literal(str(file))})"
    )
    clusters = con.execute(f"""
        SELECT r.{_KEY}, x.customer_id FROM ({rows}) r JOIN resolved.xref x USING (record_id) ORDER BY ALL
    """).fetchall()
    records, customers, pairs = con.execute("""
        SELECT (SELECT count(*) FROM resolved.xref), (SELECT count(DISTINCT customer_id) FROM resolved.xref),
            (SELECT count(*) FROM ops.review_queue)
    """).fetchall()[0]
    evaluation = None
    if truth is not None:
        evaluation = evaluate(
            con,
            "SELECT record_id, customer_id AS cluster FROM resolved.xref",
            f"SELECT record_id, {quote(truth)} AS cluster FROM ({rows}) WHERE {quote(truth)} IS NOT NULL",
        )
    total = con.execute(f"SELECT count(*) FROM ({rows})").fetchall()[0][0]
    return Resolved(
        rows=int(total),
        records=int(records),
        customers=int(customers),
        pairs_to_review=int(pairs),
        evaluation=evaluation,
        clusters=[(str(key), str(customer)) for key, customer in clusters],
    )
