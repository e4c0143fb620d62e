"""What the resolver compares, blocks on and believes: parts of a spec, and one spec for each type of entity."""

from dataflow.resolve.spec.company import COMPANY
from dataflow.resolve.spec.parts import Adjustment, BlockingRule, Comparison, EntitySpec, Frequency, Level
from dataflow.resolve.spec.person import PERSON

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
