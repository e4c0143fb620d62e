"""The description of a declaration: facts and tables, the same for people, programs and the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataflow.settings import Settings

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Description:
    """One declaration. `facts` are single values by label, `parts` tables by title, whose rows share their labels."""

    name: str
    meaning: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Sequence[Record]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the description in JSON types."""
        return {
            "name": self.name,
            "meaning": self.meaning,
            **self.facts,
            **{title: list(rows) for title, rows in self.parts.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of declaration. `found` lists them; with settings also those that dataflow.toml adds."""

    name: str
    meaning: str
    where: str
    """Where to add one, relative to the repository's root."""
    found: Callable[[Settings | None], Sequence[Description]]
