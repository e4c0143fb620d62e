"""JSON Schema (draft 2020-12) over rows as received."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs

from checks.errors import CheckDeclarationError


@dataclass(frozen=True)
class PayloadBreach:
    """One breach of the schema by one row; `row` is its position among the rows.

    `field` is the field whose value is wrong; empty where it is another part of the row, or a missing one.
    """

    row: int
    rule: str
    reason: str
    field: str = ""


class PayloadSchema:
    """The compiled schema of a row."""

    def __init__(self, schema: dict[str, Any], *, name: str) -> None:
        """Compile the schema. Raises: CheckDeclarationError when it is not a JSON Schema."""
        self.name = name
        self.schema = schema
        try:
            jsonschema_rs.meta.validate(schema)
            # One call into Rust per batch; one call per row costs five times as much (measured).
            batch = {"type": "array", "items": schema, "$defs": schema.get("$defs", {})}
            self._validator = jsonschema_rs.Draft202012Validator(batch, validate_formats=True, offline=True)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise CheckDeclarationError(f"{name} is not a JSON Schema: {str(error).splitlines()[0]}.") from error

    @classmethod
    def load(cls, name: str, *, beside: Path | None = None) -> PayloadSchema:
        """Load a schema of checks/schemas by its name, or a file by its path below `beside`.

        Raises: CheckDeclarationError naming each place searched.
        """
        packaged = files("checks").joinpath("schemas", f"{name}.json")
        path = (beside or Path.cwd()) / name
        for place in (packaged, path):
            if place.is_file():
                try:
                    return cls(json.loads(place.read_text(encoding="utf-8")), name=name)
                except json.JSONDecodeError as error:
                    raise CheckDeclarationError(f"{place} is not JSON: line {error.lineno}.") from error
        known = ", ".join(schema_names())
        raise CheckDeclarationError(
            f"There is no JSON Schema {name}: neither at {path}, nor among the packaged {known}."
        )

    def breaches(self, payloads: Sequence[str]) -> Iterator[PayloadBreach]:
        """Yield the breaches of the schema by these rows (JSON objects as text)."""
        if not payloads:
            return
        rows = json.loads("[" + ",".join(payloads) + "]")
        for error in self._validator.iter_errors(rows):
            row, *inside = error.instance_path
            pointer = "".join(f"/{step}" for step in inside) or "the row"
            keyword, expected = self._expected(error)
            field = str(inside[0]) if len(inside) == 1 and keyword != "required" else ""
            yield PayloadBreach(int(row), f"schema.{keyword}", f"{pointer}: expected {expected}", field)

    def _expected(self, error: jsonschema_rs.ValidationError) -> tuple[str, str]:
        """Return the keyword and its requirement. The library's own message quotes the value, so it is not used."""
        # A path behind a $ref begins at the definition, without the batch's `items` before it.
        path = [str(step) for step in error.schema_path]
        steps = path[1:] if path[:1] == ["items"] else path
        keyword = steps[-1] if steps else "type"
        if keyword == "required":
            return keyword, f"the field {getattr(error.kind, 'property', '')}"
        wanted = json.dumps(_walk(self.schema, steps), ensure_ascii=False)
        return keyword, f"{keyword} {wanted}" if len(wanted) <= 200 else f"{keyword} of the schema {self.name}"


def schema_names() -> list[str]:
    """Return the names of the packaged schemas."""
    folder = files("checks").joinpath("schemas")
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def _walk(schema: Any, steps: Sequence[str]) -> Any:
    here = schema
    for step in steps:
        if isinstance(here, dict):
            here = here.get(step)
        elif isinstance(here, list) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here
