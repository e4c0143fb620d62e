"""The parts of a spec: comparisons and their levels, blocking rules, adjustments.


A comparison is a ladder of levels, from surest agreement to plain disagreement; the first that holds is the one that
counts. Columns are those of a match record (match_record.py); `_l` and `_r` are the two records of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Level:
    """One rung: a SQL condition and how often it holds between two records of the same entity (`m`).

    `m` is what the level starts from; training moves it unless `fixed`. `u`, how often the level holds between
    different entities, is measured on the data unless it is given here. `odds` stands for levels that identify by
    themselves: the odds that two records agreeing here, and compared in nothing else, are the same entity. Their `u`
    follows from the prior, so they mean the same at any size of the data. `frequency_of` names the column whose
    rarer values weigh more. `alone` are the odds in a table that has nothing but names: there a value is not called
    common for being there often, as nothing says that others bear it. `kin`: how often the level holds between two
    different entities that are close: people of one household or one office, branches and tenants of one house.
    """

    label: str
    condition: str
    m: float
    kin: float = 0.0
    u: float | None = None
    odds: float | None = None
    fixed: bool = False
    frequency_of: str | None = None
    alone: float | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One thing compared; `missing` says when a pair has nothing to compare, `columns` what must be filled.

    `of_name`: it reads nothing but the name of an entity that hardly any other bears.
    """

    name: str
    columns: tuple[str, ...]
    missing: str
    levels: tuple[Level, ...]
    of_name: bool = False


@dataclass(frozen=True, kw_only=True)
class Frequency:
    """A column whose rare values weigh more than common ones.

    How common a value is is counted in entities, not in records, or ten records of one person would make a rare name
    common: `apart` is an expression that differs between entities that share the value; None counts records.
    """

    column: str
    apart: str | None = None


@dataclass(frozen=True, kw_only=True)
class BlockingRule:
    """Records that share `key` become candidate pairs, unless more than `cap` records share it."""

    name: str
    key: str
    cap: int


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """A weight added where levels that each look harmless contradict, or carry, one another.

    `condition` speaks of the comparisons' levels as `gamma_<comparison>` (0 is disagreement, -1 missing) and of the
    records' columns. The model itself takes comparisons as independent; this is where they are not. Weights are
    negative: a pair that the model already rejects is never looked at again. `words` say it to people who know no
    statistics, after the name.
    """

    name: str
    condition: str
    weight: float
    text: str = "taken together the signs say less than one by one."


@dataclass(frozen=True, kw_only=True)
class EntitySpec:
    """Everything the resolver needs to know about one type of entity.

    `kin` is a coarse form of the name: how many of them share an e-mail or a telephone tells a person's own from a
    mailbox or a switchboard of many. `wide` are blocking rules for tables small enough to look further. `words` is a
    column of words the rarer of which weigh more: conditions find their weights beside it (org_tokens: org_token_idf).
    `known` is a column of names: conditions find beside it whether the value is a name that others bear too, and so
    hardly a misspelling (given: is_known_given).
    """

    entity_type: str
    comparisons: tuple[Comparison, ...]
    frequencies: tuple[Frequency, ...]
    kin: str
    blocking: tuple[BlockingRule, ...]
    wide: tuple[BlockingRule, ...] = ()
    tokens: str | None = None
    known: str | None = None
    adjustments: tuple[Adjustment, ...] = ()
    link_threshold: float = 0.8
    review_threshold: float = 0.2

    def __post_init__(self) -> None:
        """Refuse a second part of one name. Raises: CheckDeclarationError."""
        Registry(f"comparison of {self.entity_type}", self.comparisons, name=lambda one: one.name)
        Registry(f"blocking rule of {self.entity_type}", self.blocking, name=lambda one: one.name)
        # apart from those above: the spec of a small table has its wide rules among them too, with lower caps
        Registry(f"wide blocking rule of {self.entity_type}", self.wide, name=lambda one: one.name)
        Registry(f"adjustment of {self.entity_type}", self.adjustments, name=lambda one: one.name)


# Chinese characters and letters: read by a dictionary of the wrong language they would look like another name
OTHER_SCRIPT = "is_han_l <> is_han_r"


def both(column: str) -> str:
    return f'"{column}_l" IS NULL OR "{column}_r" IS NULL'


def typo(column: str, *, edits: int) -> str:
    """A few letters wrong. The cheap tests stand first: Levenshtein costs ten times Jaro-Winkler, and DuckDB's
    Damerau-Levenshtein sixty times (13 µs a pair, November 2026)."""
    left, right = f"{column}_l", f"{column}_r"
    return (
        f"(abs(length({left}) - length({right})) <= {edits} AND jaro_winkler_similarity({left}, {right}) >= 0.8"
        f" AND levenshtein({left}, {right}) <= {edits})"
    )


def alike(column: str, similarity: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {similarity}"
