"""A model's levels and weights as SQL: Splink writes the expressions, statements of our own lay them out.

`Linker.predict` copies the compared records twice and lays every compared column beside each surviving pair; DuckDB
pushes its threshold through the weights, which works each level out again for every weight that names it. Measured in
November 2026 on 304,000 pairs of people: 4 to 6 s of processor time, against 2 s for one statement over the same
expressions. What comes out is the same to the last bit (tests/oracle/test_resolve_scores.py).

The one module that touches private parts of Splink; tests/unit/test_private_parts.py says when they move.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from splink import SettingsCreator
from splink.internals.misc import prob_to_match_weight

from dataflow.resolve.model.model import Epoch


@dataclass(frozen=True)
class WeightSql:
    """What a model says of a pair.

    `levels` name each comparison's level (`gamma_…`), as expressions over the columns of both records; `weight` is an
    expression over those levels and `frequencies` (`tf_…_l`, `tf_…_r`), the log2 of the odds.
    """

    levels: tuple[str, ...]
    weight: str
    frequencies: tuple[str, ...]


def match_weight(probability: float) -> float:
    """The log2 of the odds."""
    return float(prob_to_match_weight(probability))


def weight_sql(epoch: Epoch) -> WeightSql:
    """Have Splink write the model of an epoch."""
    return _written(json.dumps(epoch.splink_model))


@lru_cache(maxsize=8)
def _written(model: str) -> WeightSql:
    core = SettingsCreator.from_path_or_dict(json.loads(model)).get_settings("duckdb").core_model_settings
    levels, frequencies = [], []
    terms = [f"cast({match_weight(core.probability_two_random_records_match)} as float8)"]
    for comparison in core.comparisons:
        level, *of_level = comparison._columns_to_select_for_comparison_vector_values(False)
        levels.append(level)
        frequencies += of_level
        parts = comparison._columns_to_select_for_match_weight_parts(False, False)
        terms += [part[: part.rindex(" as ")] for part in parts if part != comparison._gamma_column_name]
    # In Splink's order: a sum of floats depends on it.
    return WeightSql(tuple(levels), " + ".join(terms), tuple(dict.fromkeys(frequencies)))
