"""The shape of `[rules.NAME]`, in dataflow.toml or in a file `rules/*.toml` beside it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dataflow.errors import ConfigurationError
from dataflow.settings.section import Section

RULES_FOLDER = "rules"
Cell = str | int | float | bool | None
RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{2,63}$")]
"""The id of a rule, in dead letters, reports and incidents."""


class BoundsSettings(Section):
    """How many rows a table may have."""

    at_least: Annotated[int, Field(ge=0)] = 0
    """Fewer rows break the rule."""
    at_most: Annotated[int, Field(ge=0)] | None = None
    """More rows break the rule; left out: no limit."""


class FreshSettings(Section):
    """How old the newest row of a table may be."""

    field: str
    """The field with the time of a row."""
    within_hours: Annotated[float, Field(gt=0, le=87_600)]
    """The most hours between the newest row and the start of the run."""


class SumSettings(Section):
    """A sum that equals one of another table."""

    field: str
    """The field that is added up."""
    equals: str
    """The other table's field, as `published.customer_360.lifetime_value`."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """The most that the two sums may differ."""


class RefersSettings(Section):
    """A foreign key."""

    field: str
    """The field that refers."""
    to: str
    """The field that it refers to, as `published.customer_360.customer_id`."""


class RuleSettings(Section):
    """A business rule: of the rows of an object, or of a conformed or published table."""

    on: str
    """`source.object`, or a table as `published.orders`."""
    holds: str = ""
    """A condition in SQL that is true of a good row, over its fields. Of a table, one of the following can stand
    in its place."""
    unique: list[str] = []
    """Of a table: fields of which no two rows have the same values."""
    refers: RefersSettings | None = None
    sum: SumSettings | None = None
    fresh: FreshSettings | None = None
    rows: BoundsSettings | None = None
    severity: Literal["reject", "warn", "block"] = "reject"
    """What a broken rule does: `reject` sets the row of an object aside, `warn` counts it, `block` stops the
    publication."""
    when_null: Literal["pass", "fail"] = "pass"
    """What a condition is that is neither true nor false, because a field is missing."""
    reason: Annotated[str, Field(min_length=3, max_length=300)]
    """What is wrong with a row that breaks it, in words that name the fields."""
    owner: str = ""
    """Who acts on it, such as a team."""
    since: date | None = None
    """Rows that changed at the source before this day are not judged; left out: all are."""
    passes: list[dict[str, Cell]] = []
    """Examples of rows that keep it, field to value; other fields are missing."""
    fails: list[dict[str, Cell]] = []
    """Examples of rows that break it."""
    keys: list[str] = []
    """The keys that is_key_of finds in the examples."""

    @property
    def is_of_rows(self) -> bool:
        """Return whether it judges single rows."""
        return bool(self.holds)

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        forms = [name for name in ("holds", "unique", "refers", "sum", "fresh", "rows") if getattr(self, name)]
        if len(forms) != 1:
            raise ValueError(
                f"has {' and '.join(forms) or 'none'} of holds, unique, refers, sum, fresh, rows: give one"
            )
        if not self.holds and (self.passes or self.fails or self.since or self.when_null == "fail"):
            raise ValueError("passes, fails, since and when_null are of a rule with holds")
        if self.holds and not (self.passes and self.fails):
            raise ValueError("needs examples: at least one row in passes and one in fails")
        return self


def read_rule_files(base: Path, declared: dict[str, Any], read: Callable[[Path], str]) -> dict[str, Any]:
    """Return the configuration with the rules of `rules/*.toml` beside it. Raises: ConfigurationError."""
    files = sorted((base / RULES_FOLDER).glob("*.toml"))
    if not files:
        return declared
    rules: dict[str, Any] = dict(declared.get("rules") or {})
    for file in files:
        for name, rule in rules_in(file, read).items():
            if name in rules:
                raise ConfigurationError(
                    f"{place_of_rule(base, name, [file])}: there is another rule {name}, {place_of_rule(base, name)}.",
                    next_move="Give each rule a name of its own.",
                )
            rules[name] = rule
    return {**declared, "rules": rules}


def rules_in(file: Path, read: Callable[[Path], str]) -> dict[str, Any]:
    """Return the rules of one file. Raises: ConfigurationError for what is not a rule."""
    try:
        content = tomllib.loads(read(file))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}.") from None
    foreign = sorted(set(content) - {"rules"})
    rules = content.get("rules", {})
    if foreign or not isinstance(rules, dict):
        raise ConfigurationError(
            f"{file} has {', '.join(foreign) or 'rules that are not tables'}; a file of rules has [rules.NAME] only.",
            next_move="Move the rest to dataflow.toml.",
        )
    return rules


def place_of_rule(base: Path | None, name: str, files: list[Path] | None = None) -> str:
    """Return `FILE:LINE` of a rule; `rules.NAME` where it is not in a file, as in a variable."""
    if base is not None:
        header = re.compile(rf"""^\s*\[rules\.(["']?){re.escape(name)}\1\]""")
        for file in files or [base / "dataflow.toml", *sorted((base / RULES_FOLDER).glob("*.toml"))]:
            if file.is_file():
                for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                    if header.match(line):
                        return f"{file.relative_to(base)}:{number}"
    return f"rules.{name}"
