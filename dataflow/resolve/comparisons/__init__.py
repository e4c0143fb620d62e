"""Declare what the resolver compares and blocks on: the parts of a spec, and one spec per entity type."""

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
