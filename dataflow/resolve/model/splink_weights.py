"""Return a model's levels and weights as SQL: Splink writes the expressions, our own statements use them.

`Linker.predict` copies the compared records twice and every compared column to each surviving pair, and DuckDB pushes
its threshold through the weights, so that each level is computed again for every weight that names it. Measured in
November 2026 on 304,000 pairs of people: 4 to 6 s of processor time, against 2 s for one statement over the same
expressions. The results are equal to the last bit (tests/oracle/test_resolve_scores.py).

The one module that uses private parts of Splink; tests/unit/test_private_parts.py fails when they change.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import inf, log2

from dataflow.resolve.model.model import Epoch
from dataflow.workspace.compiled import compiled


@dataclass(frozen=True)
class WeightSql:
    """SQL of a pair's levels and weight.

    `levels` are expressions over the columns of both records, named `gamma_…`; `weight`, the log2 of the odds, is an
    expression over those levels and `frequencies` (`tf_…_l`, `tf_…_r`).
    """

    levels: tuple[str, ...]
    weight: str
    frequencies: tuple[str, ...]


def match_weight(probability: float) -> float:
    """Return the log2 of the odds, with the operations of Splink."""
    return log2(probability / (1 - probability)) if probability != 1 else inf


def weight_sql(epoch: Epoch) -> WeightSql:
    """Return the model of an epoch as Splink writes it."""
    return _written(json.dumps(epoch.splink_model))


@lru_cache(maxsize=8)
def _written(model: str) -> WeightSql:
    found = json.loads(_write(model))
    return WeightSql(tuple(found["levels"]), found["weight"], tuple(found["frequencies"]))


@compiled
def _write(model: str) -> str:
    # Imported here: with SQLGlot it takes longer than all statements of an unchanged lake.
    from splink import SettingsCreator
    from splink.internals.comparison_level import ComparisonLevel

    # Splink parses each condition whenever it copies a level, 614 times for two models; DuckDB refuses a wrong one.
    ComparisonLevel._validate_sql = _is_valid  # type: ignore[method-assign]
    core = SettingsCreator.from_path_or_dict(json.loads(model)).get_settings("duckdb").core_model_settings
    levels, frequencies = [], []
    terms = [f"cast({match_weight(core.probability_two_random_records_match)} as float8)"]
    for comparison in core.comparisons:
        level, *of_level = comparison._columns_to_select_for_comparison_vector_values(False)
        levels.append(level)
        frequencies += of_level
        parts = comparison._columns_to_select_for_match_weight_parts(False, False)
        terms += [part[: part.rindex(" as ")] for part in parts if part != comparison._gamma_column_name]
    # In Splink's order: the sum of floats depends on it.
    weights = WeightSql(tuple(levels), " + ".join(terms), tuple(dict.fromkeys(frequencies)))
    return json.dumps(asdict(weights))


def _is_valid(_: object) -> bool:
    return True
