"""The parts of a spec: comparisons and their levels, blocking rules, adjustments.

A comparison is a list of levels, from the surest agreement to disagreement; the first whose condition holds counts.
Columns are those of a match record (match_record.py), with `_l` and `_r` for the two records of a pair.

Kin are two different entities that are close: people of one household or office, branches of one firm, tenants of one
house. They are the model's third class, beside one entity and strangers.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Level:
    """A level: a SQL condition and its probability between two records of the same entity (`m`).

    Training starts from `m` and moves it unless `fixed`. `u`, the probability between strangers, is measured on the
    data unless it is given here; `kin` is the probability between kin. `odds` are given for levels that identify by
    themselves: the odds of one entity for two records that agree here and are compared in nothing else. Their `u`
    follows from the prior, so that they hold at any size of the data. `frequency_of` names the column whose rare values
    weigh more. `alone` are the odds in a table of nothing but names, where a frequent name is not evidence that several
    entities have it. `most` is the most weight that disagreement can have, in bits: where the data show hardly a
    stranger on a level, its share between two records of one entity is a guess, and their ratio is not evidence.
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
    most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of two records of a pair: `missing` is the condition that values lack, `columns` are those it reads.

    `of_name`: it reads only a name that is nearly unique to its entity.
    """

    name: str
    columns: tuple[str, ...]
    missing: str
    levels: tuple[Level, ...]
    of_name: bool = False

    def most(self, level: Level) -> float | None:
        """Return the most weight of a level of disagreement, in bits; None for agreement. The last level is one."""
        return 0.0 if level.most is None and level is self.levels[-1] else level.most

    def level(self, *labels: str) -> str:
        """Return the condition that a pair is on one of these levels. Raises: StopIteration for an unknown label."""
        gammas = (
            next(len(self.levels) - 1 - n for n, level in enumerate(self.levels) if level.label == label)
            for label in labels
        )
        return f"gamma_{self.name} IN ({', '.join(map(str, gammas))})"


@dataclass(frozen=True, kw_only=True)
class Frequency:
    """A column whose rare values weigh more than common ones.

    Frequencies count entities, not records: otherwise ten records of one person would make a rare name common. `apart`
    is an expression that differs between entities with the same value; None counts records.
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
    """A weight added where levels depend on one another; the model itself treats comparisons as independent.

    `condition` names the comparisons' levels as `gamma_<comparison>` (0 is disagreement, -1 missing) and the records'
    columns. Weights are negative: a pair that the model rejects is not looked at again. `text` explains the adjustment,
    after its name, without statistics.
    """

    name: str
    condition: str
    weight: float
    text: str = "together these signs are weaker evidence than one by one."


@dataclass(frozen=True, kw_only=True)
class EntitySpec:
    """The declaration of one entity type.

    `kin` is a coarse form of the name: the number of them on one e-mail or telephone separates a person's own from a
    shared mailbox or switchboard. `wide` are further blocking rules for small tables. `tokens` is a list column whose
    rare tokens weigh more: conditions can use their weights (org_tokens: org_token_idf). `known` is a column of names:
    conditions can use whether the value is a known name, and so hardly a misspelling (given: is_known_given).
    `contradiction` is the condition, on the columns of two records (`_l`, `_r`), under which third records do not bring
    them into one cluster: only an edge of their own or a judgement does.
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
    contradiction: str | None = None
    link_threshold: float = 0.8
    review_threshold: float = 0.2

    def __post_init__(self) -> None:
        """Refuse two parts with the same name. Raises: CheckDeclarationError."""
        Registry(f"comparison of {self.entity_type}", self.comparisons, name=lambda one: one.name)
        Registry(f"blocking rule of {self.entity_type}", self.blocking, name=lambda one: one.name)
        # a registry of its own: the spec of a small table repeats its wide rules among the blocking rules
        Registry(f"wide blocking rule of {self.entity_type}", self.wide, name=lambda one: one.name)
        Registry(f"adjustment of {self.entity_type}", self.adjustments, name=lambda one: one.name)


# one name in Chinese, Hebrew or Arabic letters, one in Latin: these do not give the Latin spelling, so they are not
# compared
OTHER_SCRIPT = "is_han_l <> is_han_r"


def both(column: str) -> str:
    return f'"{column}_l" IS NULL OR "{column}_r" IS NULL'


def typo(column: str, *, edits: int) -> str:
    """Return the condition that two values differ by at most `edits` letters.

    The cheap tests are first: Levenshtein costs ten times Jaro-Winkler, and DuckDB's Damerau-Levenshtein sixty times
    (13 µs a pair, November 2026).
    """
    left, right = f"{column}_l", f"{column}_r"
    return (
        f"(abs(length({left}) - length({right})) <= {edits} AND jaro_winkler_similarity({left}, {right}) >= 0.8"
        f" AND levenshtein({left}, {right}) <= {edits})"
    )


def alike(column: str, similarity: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {similarity}"
