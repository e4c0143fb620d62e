"""Soda contracts: derived from a table's declaration, joined with hand-written checks, verified on an open connection.

Soda 4 checks missing, invalid, duplicate, schema and row_count by SQL on the caller's connection, so inside a
transaction it sees the rows that are not committed yet.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import yaml

from checks.errors import CheckDeclarationError
from lakehouse.table import Column, Table, quote

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_SODA_LOGGER = logging.getLogger("soda")


class ContractMalformed(CheckDeclarationError):
    """A contract file says something about a table or column that is not declared."""


@dataclass(frozen=True)
class ContractCheck:
    """What became of one check. `measured` holds counts and shares, never a value of a row."""

    table: str
    check: str
    name: str
    passed: bool
    measured: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{metric} {value:g}" for metric, value in self.measured.items())
        return f"{self.table}: {self.check} ({self.name}{'; ' + told if told else ''})"


def contract_of(table: Table, *, database: str, folder: Path | None = None) -> dict[str, Any]:
    """Build the Soda contract of a table: schema, not null, unique key; and what `<schema>.<table>.yml` adds.

    Raises: ContractMalformed when the file names a column that is not declared.
    """
    written = _written(table, folder)
    extra = {column["name"]: column.get("checks", []) for column in written.get("columns", [])}
    unknown = sorted(set(extra) - set(table.column_names))
    if unknown:
        raise ContractMalformed(
            f"Reading the contract {table.full_name}.yml: it has checks for {', '.join(unknown)}, "
            f"but the table has {', '.join(table.column_names)}; correct the file."
        )
    checks: list[dict[str, Any]] = [{"schema": None}]
    if len(table.key) > 1:
        checks.append({"duplicate": {"columns": list(table.key)}})
    return {
        "dataset": f"{database}/{table.schema}/{table.name}",
        "columns": [_column(column, table, extra.get(column.name, [])) for column in table.columns],
        "checks": checks + written.get("checks", []),
    }


def verify_contracts(
    con: duckdb.DuckDBPyConnection, tables: Iterable[Table], *, database: str, folder: Path | None = None
) -> list[ContractCheck]:
    """Verify the contract of each table on `con`, in whatever transaction is open there.

    Shape: one result for each check; a check that could not be evaluated has not passed.
    Raises: ContractMalformed.
    """
    chosen = {f"{database}/{table.schema}/{table.name}": table for table in tables}
    texts = [yaml.safe_dump(contract_of(t, database=database, folder=folder), sort_keys=False) for t in chosen.values()]
    if not texts:
        return []
    with _using(con, database), _quiet_soda() as errors:
        results = _run_soda(con, texts, database)
    found = [check for result in results for check in _checks_of(result, chosen)]
    return found + [_not_run(table) for name, table in chosen.items() if name not in _verified(results)] + errors


def load_soda() -> None:
    """Import Soda, which takes as long as a small publication's checks, before it is needed."""
    _keep_soda_to_itself()
    for module in ("soda_core.contracts.contract_verification", "soda_duckdb.common.data_sources.duckdb_data_source"):
        import_module(module)


def _run_soda(con: duckdb.DuckDBPyConnection, texts: list[str], database: str) -> list[Any]:
    _keep_soda_to_itself()
    # Soda takes two seconds to import; only a run that publishes should pay for it.
    from soda_core.common.yaml import ContractYamlSource
    from soda_core.contracts.contract_verification import ContractVerificationSession
    from soda_duckdb.common.data_sources.duckdb_data_source import DuckDBDataSourceImpl

    session = ContractVerificationSession.execute(
        contract_yaml_sources=[ContractYamlSource.from_str(text) for text in texts],
        data_source_impls=[DuckDBDataSourceImpl.from_existing_cursor(con, name=database)],
    )
    return list(session.contract_verification_results)


def _keep_soda_to_itself() -> None:
    """Stop what importing Soda does to the process around it.

    Its import makes a tracer that sends to collect.soda.io the tracer of the whole process, Prefect's spans
    included, and loads `.env` of the working folder into the environment. Its own switch is an environment variable,
    which only settings may touch.
    """
    from soda_core.common.env_config_helper import EnvConfigHelper

    EnvConfigHelper.soda_core_telemetry_enabled = False
    EnvConfigHelper._initialize = lambda _: None


@contextmanager
def _quiet_soda() -> Iterator[list[ContractCheck]]:
    """Take Soda's log, which quotes SQL and prints tables, out of ours; an error in it is a check that failed."""
    errors: list[ContractCheck] = []

    class Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # The text may quote SQL with values: say only that there was one.
            errors.append(ContractCheck("all contracts", "execution", f"Soda error in {record.module}", passed=False))

    handler = Errors(level=logging.ERROR)
    before = _SODA_LOGGER.propagate, _SODA_LOGGER.level
    _SODA_LOGGER.addHandler(handler)
    _SODA_LOGGER.propagate = False
    _SODA_LOGGER.setLevel(logging.ERROR)
    try:
        yield errors
    finally:
        _SODA_LOGGER.removeHandler(handler)
        _SODA_LOGGER.propagate = before[0]
        _SODA_LOGGER.setLevel(before[1])


@contextmanager
def _using(con: duckdb.DuckDBPyConnection, database: str) -> Iterator[None]:
    """Soda names tables `schema.table`, so they must be those of the connection's database."""
    row = con.execute("SELECT current_database(), current_schema()").fetchone()
    assert row is not None
    con.execute(f"USE {quote(database)}")
    try:
        yield
    finally:
        con.execute(f"USE {quote(row[0])}.{quote(row[1])}")


def _checks_of(result: Any, tables: Mapping[str, Table]) -> Iterator[ContractCheck]:
    name = result.contract.soda_qualified_dataset_name
    table = tables[name].full_name if name in tables else str(name)
    for found in result.check_results:
        measured = found.diagnostic_metric_values or {}
        yield ContractCheck(
            table=table,
            check=str(found.check.relative_path),
            name=str(found.check.name),
            passed=found.outcome.name in ("PASSED", "WARN"),
            measured={str(k): float(v) for k, v in measured.items() if isinstance(v, int | float)},
        )


def _verified(results: list[Any]) -> set[str]:
    return {str(result.contract.soda_qualified_dataset_name) for result in results if result.check_results}


def _not_run(table: Table) -> ContractCheck:
    return ContractCheck(table.full_name, "contract", "The contract was not verified", passed=False)


def _column(column: Column, table: Table, extra: list[dict[str, Any]]) -> dict[str, Any]:
    checks: list[dict[str, Any]] = []
    if not column.nullable or column.name in table.key:
        checks.append({"missing": None})
    if table.key == (column.name,):
        checks.append({"duplicate": None})
    checks += extra
    return {"name": column.name, **_data_type(column.type), **({"checks": checks} if checks else {})}


def _data_type(kind: str) -> dict[str, Any]:
    """Spell a declared type as DuckDB's information schema does, less what Soda strips."""
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        return {"data_type": "DECIMAL", "numeric_precision": int(decimal[1]), "numeric_scale": int(decimal[2])}
    if kind == "TIMESTAMPTZ":
        return {"data_type": "TIMESTAMP WITH TIME ZONE"}
    return {"data_type": kind.partition("(")[0]}


def _written(table: Table, folder: Path | None) -> dict[str, Any]:
    place = folder if folder is not None else files("checks").joinpath("contracts")
    file = place.joinpath(f"{table.full_name}.yml")
    if not file.is_file():
        return {}
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    unknown = sorted(set(written) - {"columns", "checks"})
    if unknown:
        raise ContractMalformed(
            f"Reading the contract {table.full_name}.yml: unknown keys {', '.join(unknown)}; it may have "
            "`columns` (each with name and checks) and `checks`; all else is derived from the declaration."
        )
    return dict(written)
