"""A trained model of one entity type, and its form as Splink settings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from dataflow.resolve.comparisons import Adjustment, Comparison, EntitySpec, Level
from dataflow.resolve.comparisons.earlier import EARLIER_ADJUSTMENTS

Settings = dict[str, Any]
LevelWeights = dict[str, list[float]]
"""A weight for every level of every comparison, by gamma; the one for all pairs stands under the name ""."""

KIN = "kin"
"""The part of a model that weighs one entity against two close ones (kin: one household, one firm's branches)."""

JUDGEMENT_WEIGHTS = "learnt"
"""The part of a model that judgements and labels add; the key is that of the models stored in existing lakes."""

ADJUSTMENTS = "adjustments"
"""The part of a model that holds its adjustments: their conditions count the levels of this model."""

CONTRADICTION = "contradiction"
"""The part of a model that holds the condition of records that contradict each other (EntitySpec)."""

OWN_PARTS = (KIN, JUDGEMENT_WEIGHTS, ADJUSTMENTS, CONTRADICTION)
"""The parts of a model that are no settings of Splink's."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Everything that decides a weight, frozen: model, frequencies, thresholds, normaliser.

    `frequencies` is a table or query (column_name, value, frequency); the value '' stands for every value not listed.
    """

    epoch_id: str
    entity_type: str
    model: Settings
    frequencies: str
    link_threshold: float
    review_threshold: float
    normaliser_version: str
    record_count: int

    def as_text(self) -> str:
        """Return the epoch as JSON, without the frequencies, which are a table."""
        return json.dumps(asdict(self) | {"frequencies": ""})

    @classmethod
    def from_text(cls, text: str, *, frequencies: str) -> Self:
        return cls(**json.loads(text) | {"frequencies": frequencies})

    @property
    def model_json(self) -> str:
        return model_text(self.model)

    @property
    def splink_model(self) -> Settings:
        return {name: value for name, value in self.model.items() if name not in OWN_PARTS}

    @property
    def judgement_weights(self) -> LevelWeights:
        return dict(self.model.get(JUDGEMENT_WEIGHTS, {}))

    @property
    def adjustments(self) -> tuple[Adjustment, ...]:
        """The adjustments that the model was trained with."""
        stored = self.model.get(ADJUSTMENTS)
        if stored is None:
            return EARLIER_ADJUSTMENTS[self.entity_type]
        return tuple(Adjustment(**one) for one in stored)

    @property
    def contradiction(self) -> str | None:
        """The condition that two records contradict each other (EntitySpec); None in models stored before."""
        stored: str | None = self.model.get(CONTRADICTION)
        return stored

    @property
    def frequency_columns(self) -> tuple[str, ...]:
        levels = (level for c in self.model["comparisons"] for level in c["comparison_levels"])
        return tuple(sorted({level["tf_adjustment_column"] for level in levels if "tf_adjustment_column" in level}))

    @property
    def comparison_names(self) -> tuple[str, ...]:
        return tuple(c["output_column_name"] for c in self.model["comparisons"])


@dataclass
class Parameters:
    """The parameters under training: `m` and `u` by comparison and level, best level first, and the priors.

    `prior` is the share of pairs that are one entity, `kin_prior` of those that are two close ones.
    """

    prior: float
    kin_prior: float
    m: dict[str, list[float]]
    u: dict[str, list[float]]


def own_settings(spec: EntitySpec) -> Settings:
    """Return the parts of a model that the spec declares and Splink does not know."""
    parts: Settings = {ADJUSTMENTS: [asdict(one) for one in spec.adjustments]}
    return parts if spec.contradiction is None else parts | {CONTRADICTION: spec.contradiction}


def model_text(model: Settings) -> str:
    return json.dumps(model, sort_keys=True, separators=(",", ":"))


def epoch_id_of(entity_type: str, *parts: str) -> str:
    """Name an epoch by the hash of all it freezes: the same records and the same code give the same epoch."""
    digest = hashlib.sha256("|".join((entity_type, *parts)).encode()).hexdigest()
    return f"{entity_type}-{digest[:12]}"


def splink_settings(
    comparisons: tuple[Comparison, ...], parameters: Parameters, *, with_frequencies: bool = True
) -> Settings:
    """Write the comparisons and their parameters as Splink settings."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "rid",
        "probability_two_random_records_match": parameters.prior,
        "blocking_rules_to_generate_predictions": ["l.rid = r.rid"],
        "retain_matching_columns": True,  # Splink returns the levels only together with them
        "retain_intermediate_calculation_columns": False,
        "comparisons": [
            {
                "output_column_name": comparison.name,
                "comparison_levels": [
                    {"sql_condition": comparison.missing, "label_for_charts": "missing", "is_null_level": True},
                    *(
                        _level_settings(level, m, u, with_frequencies)
                        for level, m, u in zip(
                            comparison.levels, parameters.m[comparison.name], parameters.u[comparison.name], strict=True
                        )
                    ),
                ],
            }
            for comparison in comparisons
        ],
    }


def _level_settings(level: Level, m: float, u: float, with_frequencies: bool) -> Settings:
    settings: Settings = {
        "sql_condition": level.condition,
        "label_for_charts": level.label,
        "m_probability": m,
        "u_probability": u,
    }
    if with_frequencies and level.frequency_of is not None:
        # our frequencies are relative to the level's own u, so Splink needs no exact-match level
        settings |= {"tf_adjustment_column": level.frequency_of, "disable_tf_exact_match_detection": True}
    return settings


def comparisons_for(spec: EntitySpec, filled: set[str]) -> tuple[Comparison, ...]:
    """Return the spec's comparisons that have values to learn from, or fixed parameters.

    In a table of nothing but names their levels get the odds of a name alone.
    """
    learning = [c for c in spec.comparisons if not filled.isdisjoint(c.columns)]
    given = [c for c in spec.comparisons if all(level.u is not None for level in c.levels)]
    found = tuple(c for c in spec.comparisons if c in learning or c in given)
    return tuple(map(_alone, found)) if all(c.of_name for c in learning) else found


def _alone(comparison: Comparison) -> Comparison:
    """Return the comparison with the odds that its levels have where it is the only one."""
    levels = (
        level if level.alone is None else replace(level, odds=level.alone, frequency_of=None)
        for level in comparison.levels
    )
    return replace(comparison, levels=tuple(levels))
