"""Describe comparisons of identity, survivorship and vocabularies."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.observe.describe.description import Description
from dataflow.settings import Settings


def describe_comparisons(_: Settings | None) -> Sequence[Description]:
    """Describe the comparisons of both entity types, each with its levels."""
    from dataflow.resolve.comparisons import SPECS

    return [
        Description(
            name=f"{spec.entity_type}.{comparison.name}",
            meaning=f"Compares {', '.join(comparison.columns)}",
            facts={"entity type": spec.entity_type, "columns": list(comparison.columns)},
            parts={"levels": [{"level": level.label, "condition": level.condition} for level in comparison.levels]},
        )
        for spec in SPECS.values()
        for comparison in spec.comparisons
    ]


def describe_survivorship(_: Settings | None) -> Sequence[Description]:
    """Describe the survivorship choice of each golden value."""
    from dataflow.resolve.customers.survivorship import SURVIVORSHIP

    return [
        Description(
            name=name,
            meaning=f"Takes {', '.join(rule.fields)} together from one record",
            facts={"fields": list(rule.fields), "decided by": list(rule.by), "one value at a time": rule.is_single},
        )
        for name, rule in SURVIVORSHIP.items()
    ]


def describe_vocabulary(_: Settings | None) -> Sequence[Description]:
    """Describe the vocabularies."""
    from dataflow.vocabulary import LISTS

    return [
        Description(
            name=one.name,
            meaning=f"{len(one)} entries; source: {one.source}",
            facts={"entries": len(one), "source": one.source, "as of": one.as_of},
            parts={"words": [{"word": word, "means": meant} for word, meant in one.means.items()]},
        )
        for one in LISTS.values()
    ]
