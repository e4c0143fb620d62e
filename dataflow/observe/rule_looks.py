"""Look at the company's rules: each compiles, and its examples are judged as they say."""

from __future__ import annotations

from datetime import UTC, datetime

from dataflow.errors import ConfigurationError
from dataflow.govern.rules import run_examples
from dataflow.publish.table_rules import compile_table_rules
from dataflow.settings import Settings
from dataflow.tables.declared import declared_tables
from lakehouse.plural import counted


def look_at_rules(settings: Settings) -> str:
    """Run the examples of all rules. Raises: ConfigurationError naming each rule and example that is judged otherwise.

    Needs no data and no lake.
    """
    tables = declared_tables(settings)
    compile_table_rules(settings, tables, now=datetime.now(UTC))
    results = run_examples(settings, tables)
    failed = [f"{one.place}: example {one.number} of {one.expected} of {one.rule}" for one in results if not one.passed]
    if failed:
        raise ConfigurationError(
            f"Examples are judged otherwise than they say: {'; '.join(failed)}.",
            next_move="Correct the rule or the example; `dataflow rules test` shows both.",
        )
    return f"{counted(len(results), 'example')} of {counted(len(settings.rules), 'rule')} are judged as they say"
