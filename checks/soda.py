"""Run Soda on an open connection, quietly: the one module that touches Soda and its private parts.

Soda 4 checks missing, invalid, duplicate, schema and row_count by SQL on the caller's connection, so inside a
transaction it sees uncommitted rows. It has no public switch for the side effects of its import (soda-core 4.28,
November 2026); tests/unit/test_private_parts.py fails when these parts move.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

_LOGGER = logging.getLogger("soda")


@dataclass(frozen=True)
class SodaCheck:
    """The result of one check of a dataset. `measured` holds counts and shares, never a value of a row."""

    dataset: str
    check: str
    name: str
    passed: bool
    measured: Mapping[str, float]


@dataclass(frozen=True)
class SodaRun:
    """The evaluated checks, and the modules of Soda that logged an error."""

    checks: Sequence[SodaCheck]
    errors: Sequence[str]


def run_soda(con: duckdb.DuckDBPyConnection, contracts: Sequence[Mapping[str, Any]], *, database: str) -> SodaRun:
    """Verify contracts of tables in the connection's default database."""
    _keep_to_itself()
    # Soda takes two seconds to import; only a run that publishes needs it.
    from soda_core.contracts.contract_verification import ContractVerificationSession
    from soda_duckdb.common.data_sources.duckdb_data_source import DuckDBDataSourceImpl

    with _quiet() as errors:
        session = ContractVerificationSession.execute(
            contract_yaml_sources=[_source(contract) for contract in contracts],
            data_source_impls=[DuckDBDataSourceImpl.from_existing_cursor(con, name=database)],
        )
    found = [check for result in session.contract_verification_results for check in _checks_of(result)]
    return SodaRun(found, errors)


def _source(contract: Mapping[str, Any]) -> Any:
    """Return what Soda takes for a contract file, parsed already.

    Written as YAML, read by Soda and copied with their comments, contracts took twice the time.
    """
    from soda_core.common.yaml import ContractYamlSource, YamlObject

    source = ContractYamlSource.from_str("")
    source.parse = lambda: YamlObject(source, _laid_out(contract))
    return source


def _laid_out(contract: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a contract, which Soda changes; only checks are copied as YAML, with places in a file that it asks for."""
    columns = [{**one, "checks": _placed(one["checks"])} if "checks" in one else one for one in contract["columns"]]
    return {**contract, "columns": columns, "checks": _placed(contract["checks"])}


def _placed(value: Any) -> Any:
    from soda_core.common.yaml import CommentedMap, CommentedSeq

    placed: Any = value
    if isinstance(value, Mapping):
        placed = CommentedMap({name: _placed(one) for name, one in value.items()})
        placed.lc.line = placed.lc.col = 0
    elif isinstance(value, list):
        placed = CommentedSeq(map(_placed, value))
        placed.lc.data = {index: [0, 0] for index in range(len(value))}
    return placed


def _keep_to_itself() -> None:
    """Suppress the side effects of importing Soda.

    The import installs a tracer that sends to collect.soda.io for the whole process, Prefect's spans included, and
    loads `.env` of the working folder into the environment. Soda's own switch is an environment variable, which only
    the settings may change.
    """
    from soda_core.common.env_config_helper import EnvConfigHelper

    EnvConfigHelper.soda_core_telemetry_enabled = False
    EnvConfigHelper._initialize = lambda _: None


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """Keep Soda's log, which quotes SQL and prints tables, out of ours; yield the modules that log an error."""
    errors: list[str] = []

    class Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # The text can quote SQL with values: record only that there was an error.
            errors.append(record.module)

    handler = Errors(level=logging.ERROR)
    before = _LOGGER.propagate, _LOGGER.level
    _LOGGER.addHandler(handler)
    _LOGGER.propagate = False
    _LOGGER.setLevel(logging.ERROR)
    try:
        yield errors
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.propagate = before[0]
        _LOGGER.setLevel(before[1])


def _checks_of(result: Any) -> Iterator[SodaCheck]:
    for found in result.check_results:
        measured = found.diagnostic_metric_values or {}
        yield SodaCheck(
            dataset=str(result.contract.soda_qualified_dataset_name),
            check=str(found.check.relative_path),
            name=str(found.check.name),
            passed=found.outcome.name in ("PASSED", "WARN"),
            measured={str(k): float(v) for k, v in measured.items() if isinstance(v, int | float)},
        )
