"""Describe row rules and mapping operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checks.rule import Arguments
from checks.rules import RULES
from dataflow.observe.describe.description import Description, Record
from dataflow.observe.describe.types import type_name
from dataflow.settings import Settings


def describe_rules(_: Settings | None) -> Sequence[Description]:
    """Describe the rules that an object's checks can name."""
    return [
        Description(
            name=rule.name,
            meaning=rule.meaning,
            facts={"asks each distinct value": rule.judge is not None},
            parts={"arguments": _arguments(rule.arguments)},
        )
        for rule in RULES.values()
    ]


def describe_operators(_: Settings | None) -> Sequence[Description]:
    """Describe the operators of a mapping's field expressions."""
    # Imported here: Ibis takes half a second to import.
    from dataflow.conform.operators import OPERATORS

    return [
        Description(
            name=operator.name,
            meaning=operator.meaning,
            facts={"takes": operator.takes, "example": operator.example},
            parts={"arguments": [{"argument": name, "meaning": is_} for name, is_ in operator.arguments.items()]},
        )
        for operator in OPERATORS.values()
    ]


def _arguments(arguments: type[Arguments]) -> list[Record]:
    def record(name: str, annotation: Any) -> Record:
        return {"argument": name, "type": type_name(annotation)}

    return [record(name, field.annotation) for name, field in arguments.model_fields.items()]
