"""What must hold: JSON Schemas, constraint and business rules, contracts, and their runners.

Knows no stage: a check takes relations and declarations as arguments and says which rows break which rule. No reason
holds a value of a row.
"""

from checks.errors import CheckDeclarationError
from checks.json_schema import PayloadSchema
from checks.rule import Check, Surroundings
from checks.rules import RULES, compile_check, compile_checks
from checks.runner import find_breaches

__all__ = [
    "RULES",
    "Check",
    "CheckDeclarationError",
    "PayloadSchema",
    "Surroundings",
    "compile_check",
    "compile_checks",
    "find_breaches",
]
