"""Explain the score of a pair: weight by weight, each with a sentence that needs no statistics.

An explanation holds labels and weights and no value of a record, so a report can show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa

from dataflow.resolve.comparisons import SPECS, Adjustment
from dataflow.resolve.model.model import KIN, Epoch
from dataflow.resolve.pairs.numbers import numbered
from dataflow.resolve.pairs.scoring import score_pairs
from dataflow.resolve.records.normaliser import FOLDING_VERSION
from dataflow.resolve.training.epochs import read_epochs
from dataflow.tables.resolved import MATCH_RECORD
from lakehouse.query import fetch_records

Pair = tuple[str, str]

# least weight of each phrase; a step of one doubles the odds
_STRENGTHS = ((8.0, "a very strong sign"), (4.0, "a strong sign"), (1.5, "a sign"), (0.5, "a slight sign"))
# a value is called rare or common from four times the usual frequency on, in weights
_RARE = 2.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step from the prior odds to the final ones. `kind`: start, sign, caution."""

    name: str
    weight: float
    text: str
    kind: str = "sign"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The weight of a pair in steps that add up to it. `not_compared`: the fields that one of the two lacks."""

    entity_type: str
    steps: tuple[Step, ...]
    not_compared: tuple[str, ...]
    weight: float
    probability: float
    link_weight: float
    link_probability: float

    @property
    def summary(self) -> str:
        """The outcome in one or two sentences."""
        chance, needed = _in_hundred(self.probability), _in_hundred(self.link_probability)
        outcome = "so it would join them" if self.weight >= self.link_weight else "so it would not join them by itself"
        return (
            f"All in all, the chance that they are one {self.entity_type} is {chance}. The model joins records from "
            f"{needed} on, {outcome}."
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"summary": self.summary}


def explain_pairs(con: duckdb.DuckDBPyConnection, pairs: Sequence[Pair]) -> dict[Pair, Explanation]:
    """Explain pairs of present records of one type by the newest model; leave other pairs out.

    `con` finds the lake's schemas, or a workspace's; read access is enough.
    """
    epochs = usable_epochs(con)
    found: dict[Pair, Explanation] = {}
    with _copied(con, pairs, epochs):
        kinds = con.execute("SELECT DISTINCT entity_type FROM explained_record ORDER BY ALL").fetchall()
        for (kind,) in kinds:
            if kind in epochs:
                found |= _explain(con, replace(epochs[kind], frequencies=_frequencies(kind)))
    return found


def level_patterns(con: duckdb.DuckDBPyConnection, pairs: Sequence[Pair]) -> dict[Pair, tuple[int, ...]]:
    """Return the level of each comparison for each pair; only pairs of present records of one type."""
    epochs = usable_epochs(con)
    found: dict[Pair, tuple[int, ...]] = {}
    with _copied(con, pairs, epochs):
        for kind, epoch in epochs.items():
            rows = _score(con, replace(epoch, frequencies=_frequencies(kind)))
            names = [f"gamma_{comparison.name}" for comparison in SPECS[kind].comparisons]
            found |= {(row["record_id_l"], row["record_id_r"]): tuple(int(row[name]) for name in names) for row in rows}
    return found


def usable_epochs(con: duckdb.DuckDBPyConnection) -> dict[str, Epoch]:
    """Return the models made by this version's normaliser; after an upgrade there are none until the next run."""
    return {kind: epoch for kind, epoch in read_epochs(con).items() if epoch.normaliser_version == FOLDING_VERSION}


@contextmanager
def _copied(con: duckdb.DuckDBPyConnection, pairs: Sequence[Pair], epochs: Mapping[str, Epoch]) -> Iterator[None]:
    """Copy what scoring these pairs needs, and switch to the memory database: a reader's lake takes no tables."""
    con.register("explained_arrow", pa.table({
        "record_id_l": pa.array([min(pair) for pair in pairs], pa.string()),
        "record_id_r": pa.array([max(pair) for pair in pairs], pa.string()),
    }))  # fmt: skip
    con.execute("CREATE OR REPLACE TEMP TABLE explained_pair AS SELECT DISTINCT * FROM explained_arrow")
    con.unregister("explained_arrow")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE explained_record AS
        SELECT * FROM {MATCH_RECORD.sql_name} SEMI JOIN (
            SELECT record_id_l AS record_id FROM explained_pair UNION SELECT record_id_r FROM explained_pair
        ) USING (record_id)
    """)
    texts = [c.name for c in MATCH_RECORD.columns if c.type == "VARCHAR"]
    lists = [c.name for c in MATCH_RECORD.columns if c.type == "VARCHAR[]"]
    values = " UNION ".join(
        [f"SELECT unnest([{', '.join(texts)}]) AS value FROM explained_record"]
        + [f"SELECT unnest({name}) FROM explained_record" for name in lists]
    )
    for kind, epoch in epochs.items():
        con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {_frequencies(kind)} AS
            FROM {epoch.frequencies} WHERE value = '' OR value IN ({values})
        """)
    row = con.execute("SELECT current_database()").fetchone()
    con.execute("USE memory")
    try:
        yield
    finally:
        con.execute(f"USE {row[0] if row else 'memory'}")
        for table in ("explained_pair", "explained_record", *map(_frequencies, epochs)):
            con.execute(f"DROP TABLE {table}")


def _frequencies(kind: str) -> str:
    return f"explained_frequency_{kind}"


def _score(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> list[dict[str, Any]]:
    """Return levels, adjustments and weight of the copied pairs of one type."""
    spec = SPECS[epoch.entity_type]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE explained_of_type AS
        SELECT p.* FROM explained_pair p
        JOIN explained_record l ON l.record_id = p.record_id_l AND l.entity_type = '{epoch.entity_type}'
        JOIN explained_record r ON r.record_id = p.record_id_r AND r.entity_type = '{epoch.entity_type}'
    """)
    pairs = numbered("explained_of_type")
    score_pairs(con, pairs, "explained_record", epoch, spec=spec, into="explained_weight", keep_levels=True)
    fired = "".join(
        f", CASE WHEN {a.condition} THEN {a.weight} ELSE 0 END AS adjustment_{number}"
        for number, a in enumerate(epoch.adjustments)
    )
    rows = fetch_records(con, f"SELECT *{fired} FROM explained_weight ORDER BY record_id_l, record_id_r")
    con.execute("DROP TABLE explained_weight")
    con.execute("DROP TABLE explained_of_type")
    return rows


def _explain(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> dict[Pair, Explanation]:
    rows = _score(con, epoch)
    commonness = _commonness(con, epoch)
    return {(row["record_id_l"], row["record_id_r"]): _explanation(row, epoch, commonness) for row in rows}


def _commonness(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> dict[tuple[str, str], float]:
    """Return the frequency of each record's value, by record and column, for the columns the model counts."""
    found: dict[tuple[str, str], float] = {}
    for column in epoch.frequency_columns:
        rows = con.execute(f"""
            SELECT r.record_id, coalesce(f.frequency, d.frequency) FROM explained_record r
            LEFT JOIN {epoch.frequencies} f ON f.column_name = '{column}' AND f.value = r.{column}
            LEFT JOIN {epoch.frequencies} d ON d.column_name = '{column}' AND d.value = ''
            WHERE r.{column} IS NOT NULL
        """).fetchall()
        found |= {(record, column): frequency for record, frequency in rows if frequency is not None}
    return found


def _explanation(row: Mapping[str, Any], epoch: Epoch, commonness: Mapping[tuple[str, str], float]) -> Explanation:
    kind = epoch.entity_type
    weights: dict[str, tuple[float, float]] = {}
    not_compared = []
    for comparison in epoch.model["comparisons"]:
        name, gamma = comparison["output_column_name"], int(row[f"gamma_{comparison['output_column_name']}"])
        if gamma < 0:
            not_compared.append(_THINGS.get(name, name))
            continue
        level = comparison["comparison_levels"][1:][-1 - gamma]
        # swapped names are found by two comparisons: they are shown as one sign
        label = _named(level["label_for_charts"], name)
        weight, rarity = _weights(level, row, commonness)
        before = weights.get(label, (0.0, 0.0))
        weights[label] = (before[0] + weight, before[1] + rarity)
    signs = [_sign(label, weight, rarity) for label, (weight, rarity) in weights.items()]
    start = _start(epoch)
    adjusted = [_caution(a, row[f"adjustment_{n}"]) for n, a in enumerate(epoch.adjustments) if row[f"adjustment_{n}"]]
    counted = [start, *sorted(signs, key=lambda s: -s.weight), *adjusted, *_judgement_weights(row, epoch)]
    # the rest of the weight is that of the model's third class: two close entities
    kin = row["match_weight"] - sum(step.weight for step in counted)
    if KIN in epoch.model and abs(kin) >= 0.05:
        counted.append(Step(name=_KIN_NAME[kind], weight=kin, text=_KIN_TEXT[kind], kind="caution"))
    return Explanation(
        entity_type=kind,
        steps=tuple(replace(step, weight=round(step.weight, 2)) for step in counted),
        not_compared=tuple(not_compared),
        weight=round(row["match_weight"], 2),
        probability=row["match_probability"],
        link_weight=round(math.log2(epoch.link_threshold / (1 - epoch.link_threshold)), 2),
        link_probability=epoch.link_threshold,
    )


def _start(epoch: Epoch) -> Step:
    prior = epoch.model["probability_two_random_records_match"]
    text = f"Before comparing: about one pair of records in {_round_number(1 / prior)} is one {epoch.entity_type}."
    return Step(name="Before comparing", weight=math.log2(prior / (1 - prior)), text=text, kind="start")


def _weights(
    level: Mapping[str, Any], row: Mapping[str, Any], commonness: Mapping[tuple[str, str], float]
) -> tuple[float, float]:
    """Return the weight of a level, and the part of it that comes from the value's frequency."""
    weight = math.log2(level["m_probability"] / level["u_probability"])
    rarity = 0.0
    if column := level.get("tf_adjustment_column"):
        met = [commonness.get((row[side], column)) for side in ("record_id_l", "record_id_r")]
        known = [frequency for frequency in met if frequency is not None]
        rarity = math.log2(level["u_probability"] / max(known)) if known else 0.0
    return weight + rarity, rarity


def _named(label: str, comparison: str) -> str:
    """Return the label, with the field where the label does not name it: "one digit apart" of what?"""
    thing = _THINGS.get(comparison, comparison)
    if comparison in _LABELS_NAME_FIELD or any(word in label for word in thing.split() if len(word) > 3):
        return label
    return f"{label} ({thing})"


def _sign(label: str, weight: float, rarity: float) -> Step:
    name = f"{label[:1].upper()}{label[1:]}"
    return Step(name=name, weight=weight, text=f"{name}: {_strength(weight)}{_rarity(rarity)}.")


def _caution(adjustment: Adjustment, weight: float) -> Step:
    name = f"{adjustment.name[:1].upper()}{adjustment.name[1:]}"
    return Step(name=name, weight=weight, text=f"{name}: {adjustment.text}", kind="caution")


def _judgement_weights(row: Mapping[str, Any], epoch: Epoch) -> list[Step]:
    """Return the step of the weights that judgements add for the levels of this pair."""
    shown = {name: by_gamma[int(row[f"gamma_{name}"])] for name, by_gamma in epoch.judgement_weights.items()
             if name and row[f"gamma_{name}"] >= 0}  # fmt: skip
    weight = sum(shown.values()) + sum(epoch.judgement_weights.get("", ()))
    if abs(weight) < 0.05:
        return []
    text = f"Judgements of stewards on pairs like this one: {_strength(weight)}."
    return [Step(name="Judgements of stewards", weight=weight, text=text)]


def _strength(weight: float) -> str:
    for bound, text in _STRENGTHS:
        if abs(weight) >= bound:
            return f"{text} that they are {'one' if weight > 0 else 'two'}"
    return "little evidence either way"


def _rarity(weight: float) -> str:
    if abs(weight) < _RARE:
        return ""
    return "; the value is rare" if weight > 0 else "; the value is common"


def _in_hundred(probability: float) -> str:
    hundred = round(100 * probability)
    if hundred < 1:
        return "less than 1 in 100"
    return "more than 99 in 100" if hundred > 99 else f"{hundred} in 100"


def _round_number(number: float) -> str:
    """Return a number rounded to two significant digits."""
    digits = max(0, int(math.log10(max(number, 1))) - 1)
    return f"{round(number / 10**digits) * 10**digits:,}"


_KIN_NAME = {"person": "Could be relatives", "company": "Could be branches"}
_KIN_TEXT = {
    "person": "Could be relatives: two people of one household or office can agree on as much.",
    "company": "Could be branches: two branches of one firm, or tenants of one building, can agree on as much.",
}
# comparisons whose labels name the field they compare
_LABELS_NAME_FIELD = ("address", "line2", "branch", "employer", "region", "country")
# the fields of the comparisons, as the list "Not compared" names them
_THINGS = {
    "given": "given name",
    "birth": "date of birth",
    "email": "e-mail",
    "phone": "telephone",
    "line2": "second address line",
    "name": "company name",
    "branch": "number in the name",
    "legal_form": "legal form",
    "domain": "web domain",
}
