"""Contracts: derived from a table's declaration, joined with hand-written checks, verified on an open connection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import yaml

from checks.errors import ContractMalformed
from checks.soda import SodaCheck, run_soda
from lakehouse.table import Column, Table, quote

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


@dataclass(frozen=True)
class ContractCheck:
    """The result of one check. `measured` holds counts and shares, never a value of a row."""

    table: str
    check: str
    name: str
    passed: bool
    measured: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        measures = ", ".join(f"{metric} {value:g}" for metric, value in self.measured.items())
        return f"{self.table}: {self.check} ({self.name}{'; ' + measures if measures else ''})"


def contract_of(table: Table, *, database: str, folder: Path | None = None) -> dict[str, Any]:
    """Build a table's Soda contract: schema, not null, unique key, values, and the checks of `<schema>.<table>.yml`.

    Raises: ContractMalformed when the file names an undeclared column.
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
    """Verify the contract of each table on `con`, inside its open transaction if there is one.

    Shape: one result per check; a check that could not be evaluated has failed.
    Raises: ContractMalformed.
    """
    chosen = {f"{database}/{table.schema}/{table.name}": table for table in tables}
    contracts = [contract_of(table, database=database, folder=folder) for table in chosen.values()]
    if not contracts:
        return []
    with _using(con, database):
        ran = run_soda(con, contracts, database=database)
    found = [_check(one, chosen) for one in ran.checks]
    verified = {one.dataset for one in ran.checks}
    missing = [_not_run(table) for name, table in chosen.items() if name not in verified]
    return found + missing + [_failed(module) for module in ran.errors]


@contextmanager
def _using(con: duckdb.DuckDBPyConnection, database: str) -> Iterator[None]:
    """Make the lake the connection's default database: Soda names tables `schema.table`."""
    row = con.execute("SELECT current_database(), current_schema()").fetchone()
    assert row is not None
    con.execute(f"USE {quote(database)}")
    try:
        yield
    finally:
        con.execute(f"USE {quote(row[0])}.{quote(row[1])}")


def _check(found: SodaCheck, tables: Mapping[str, Table]) -> ContractCheck:
    table = tables[found.dataset].full_name if found.dataset in tables else found.dataset
    return ContractCheck(table, found.check, found.name, passed=found.passed, measured=found.measured)


def _failed(module: str) -> ContractCheck:
    """Return an error that Soda logged as a failed check."""
    return ContractCheck("all contracts", "execution", f"Soda error in {module}", passed=False)


def _not_run(table: Table) -> ContractCheck:
    return ContractCheck(table.full_name, "contract", "The contract was not verified", passed=False)


def _column(column: Column, table: Table, extra: list[dict[str, Any]]) -> dict[str, Any]:
    checks: list[dict[str, Any]] = []
    if not column.nullable or column.name in table.key:
        checks.append({"missing": None})
    if table.key == (column.name,):
        checks.append({"duplicate": None})
    if column.values:
        checks.append({"invalid": {"valid_values": list(column.values)}})
    checks += extra
    return {"name": column.name, **_data_type(column.type), **({"checks": checks} if checks else {})}


def _data_type(kind: str) -> dict[str, Any]:
    """Return a declared type in the spelling of DuckDB's information schema, without the parts that Soda strips."""
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
            "`columns` (each with name and checks) and `checks`; the rest is derived from the declaration."
        )
    return dict(written)
