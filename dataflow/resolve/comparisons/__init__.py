"""What the resolver compares, blocks on and believes: parts of a spec, and one spec for each type of entity."""

from dataflow.resolve.comparisons.company import COMPANY
from dataflow.resolve.comparisons.parts import Adjustment, BlockingRule, Comparison, EntitySpec, Frequency, Level
from dataflow.resolve.comparisons.person import PERSON

SPECS = {spec.entity_type: spec for spec in (PERSON, COMPANY)}

__all__ = [
    "COMPANY",
    "PERSON",
    "SPECS",
    "Adjustment",
    "BlockingRule",
    "Comparison",
    "EntitySpec",
    "Frequency",
    "Level",
]
