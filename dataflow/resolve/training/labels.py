"""Learn from pairs labelled same or different: from 50 pairs on they improve a model.

The result is a weight to add for each level of each comparison, and one for all pairs. The weights are shrunk towards
zero: the model's own probabilities on uncertain pairs count twice as much as the labels, and cross-validation chooses
how far the weights can move. Where no choice makes the held-out labels likelier, the model stays as it is. Labels also
outrank the model for their own pairs.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| label_row | c0, c1, … | read_labels | read_labels |
| `into` of read_labels | record_id_l, record_id_r, verdict | read_labels | its caller |
| label_pair | one, other, verdict | learn_from_labels | learn_from_labels |
| anchor_pair | one, other, verdict | _anchors | _anchors |
| label_score | see score_pairs | _scored | _scored |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from dataflow.errors import UsageError
from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.groups import Groups
from dataflow.resolve.model.model import JUDGEMENT_WEIGHTS, Epoch, LevelWeights, epoch_id_of, model_text
from dataflow.resolve.pairs.candidates import find_candidates
from dataflow.resolve.pairs.numbers import numbered
from dataflow.resolve.pairs.scoring import score_pairs
from dataflow.sources.files.any_table import load_table
from dataflow.vocabulary.answers import NO, YES

DOING = "Reading labels"
SAME = (*YES, "same", "match", "duplicate", "positive", "link")
DIFFERENT = (*NO, "different", "distinct", "non-match", "nonmatch", "unique", "negative")
VERDICT_HEADINGS = r"same|match|label|verdict|truth|duplicate|is_|class|target|^y$|answer|decision"
FEWEST = 20
"""The least labels to learn from: below it chance outweighs them."""
FOLDS = 5
SPREADS = (0.5, 1.0, 2.0)
"""The standard deviations, in bits, of the prior around zero that cross-validation tries."""
CERTAIN = 10.0
"""The bound of a pair's weight by the model: beyond it a label adds nothing."""
ANCHORS = 2_000
ROUNDS = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Pairs:
    """Pairs of one entity type: `weight` by the model in bits; `shows`, one column per level, whether it is there."""

    weight: Floats
    shows: Floats
    same: Floats
    counts: Floats

    def take(self, chosen: NDArray[np.bool_]) -> _Pairs:
        return _Pairs(self.weight[chosen], self.shows[chosen], self.same[chosen], self.counts[chosen])

    def __len__(self) -> int:
        return len(self.weight)


def read_labels(con: duckdb.DuckDBPyConnection, path: Path, *, keys: str, into: str) -> int:
    """Make the table `into` (record_id_l, record_id_r, verdict) free of contradiction; return how many pairs it holds.

    `keys` is a relation (record_key, record_id): the table has two columns of such keys, and one of `same` or
    `different` (or yes and no, 1 and 0, …). Pairs with contradicting labels, directly or through others, are left out.
    Raises: SourceMissing, SourceMalformed, UsageError.
    """
    headings = load_table(con, path, doing=DOING, into="label_row")
    columns = [f"c{number}" for number in range(len(headings))]
    verdict = _verdict_column(con, headings)
    left, right = _key_columns(con, [column for column in columns if column != verdict], keys)
    same_words = ", ".join(f"'{word}'" for word in SAME)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT DISTINCT least(l.record_id, r.record_id) AS record_id_l,
            greatest(l.record_id, r.record_id) AS record_id_r,
            CASE WHEN lower(trim({verdict})) IN ({same_words}) THEN 'same' ELSE 'different' END AS verdict
        FROM label_row b JOIN {keys} l ON l.record_key = trim(b.{left}) JOIN {keys} r ON r.record_key = trim(b.{right})
        WHERE l.record_id <> r.record_id AND {verdict} IS NOT NULL
    """)
    con.execute("DROP TABLE label_row")
    if con.table(into).shape[0] == 0:
        raise UsageError(
            f"{DOING}: no line of {path.name} holds two keys of rows of the file.",
            next_move="Labels identify rows by the --key column, or by their number from 1 on.",
        )
    _drop_contradicted(con, into)
    return int(con.table(into).shape[0])


def _verdict_column(con: duckdb.DuckDBPyConnection, headings: list[str]) -> str:
    """Return the last column with a known verdict in every row; of 1 and 0, which can be keys, the heading decides."""
    known = ", ".join(f"'{word}'" for word in (*SAME, *DIFFERENT))
    for number, heading in reversed(list(enumerate(headings))):
        value = f"lower(trim(c{number}))"
        are_verdicts, are_numbers = con.execute(f"""
            SELECT bool_and({value} IN ({known})), bool_and({value} IN ('0', '1')) FROM label_row
        """).fetchall()[0]
        if are_verdicts and (not are_numbers or re.search(VERDICT_HEADINGS, heading.lower())):
            return f"c{number}"
    raise UsageError(
        f"{DOING}: no column holds same or different in every row (or yes and no, true and false; 1 and 0 under a "
        "heading like same, match, label or verdict)."
    )


def _key_columns(con: duckdb.DuckDBPyConnection, columns: list[str], keys: str) -> tuple[str, str]:
    if len(columns) < 2:
        raise UsageError(f"{DOING}: three columns are needed: two keys, and same or different.")
    found = {
        column: con.execute(
            f"SELECT count(*) FROM label_row SEMI JOIN {keys} k ON k.record_key = trim({column})"
        ).fetchall()[0][0]
        for column in columns
    }
    left, right = sorted(sorted(columns, key=lambda column: -found[column])[:2], key=columns.index)
    return left, right


def _drop_contradicted(con: duckdb.DuckDBPyConnection, labels: str) -> None:
    """Delete every pair of a group in which two are labelled different: which label is wrong cannot be decided."""
    rows = con.execute(f"SELECT record_id_l, record_id_r, verdict FROM {labels} ORDER BY ALL").fetchall()
    groups = Groups()
    for left, right, verdict in rows:
        if verdict == "same":
            groups.join(left, right)
    together = [(left, right, verdict) for left, right, verdict in rows if groups.are_one(left, right)]
    torn = [groups.members(left) for left, _, verdict in together if verdict == "different"]
    bad = [(left, right) for left, right, _ in together if any(left in group for group in torn)]
    if bad:
        con.executemany(f"DELETE FROM {labels} WHERE record_id_l = ? AND record_id_r = ?", bad)


def learn_from_labels(
    con: duckdb.DuckDBPyConnection, records: str, labels: str, *, epoch: Epoch, spec: EntitySpec
) -> Epoch:
    """Return a new epoch with the weights from the labels, or the same epoch where they change nothing.

    `labels` is a relation (record_id_l, record_id_r, verdict) free of contradiction; pairs of other records are left
    out.
    """
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE label_pair AS
        WITH known AS (
            SELECT b.* FROM {labels} b SEMI JOIN {records} l ON l.record_id = b.record_id_l
            SEMI JOIN {records} r ON r.record_id = b.record_id_r
        )
        FROM {numbered("known", "verdict")}
    """)
    try:
        return _learn(con, records, epoch=epoch, spec=spec)
    finally:
        con.execute("DROP TABLE label_pair")


def _learn(con: duckdb.DuckDBPyConnection, records: str, *, epoch: Epoch, spec: EntitySpec) -> Epoch:
    count = con.table("label_pair").shape[0]
    if count < FEWEST:
        return epoch
    level_names = [
        (c.name, gamma) for c in spec.comparisons if c.name in epoch.comparison_names for gamma in range(len(c.levels))
    ]
    labelled = _scored(con, "label_pair", records, level_names, epoch=epoch, spec=spec)
    anchors = _anchors(con, records, level_names, epoch=epoch, spec=spec, weight=2 * count)
    moved = _fit_shrunk(labelled, anchors)
    if moved is None:
        return epoch
    taught = {JUDGEMENT_WEIGHTS: _by_level(level_names, moved)}
    epoch_id = epoch_id_of(epoch.entity_type, epoch.epoch_id, model_text(taught))
    return replace(epoch, epoch_id=epoch_id, model=epoch.model | taught)


def _by_level(level_names: list[tuple[str, int]], moved: Floats) -> LevelWeights:
    """Return the weights to add by comparison and gamma; those below 0.05 become 0."""
    weights: LevelWeights = {"": [round(float(moved[0]), 3)]}
    for (name, _), weight in zip(level_names, moved[1:], strict=True):
        weights.setdefault(name, []).append(round(float(weight), 3) if abs(weight) >= 0.05 else 0.0)
    return {name: by_gamma for name, by_gamma in weights.items() if not name or any(by_gamma)}


def _scored(
    con: duckdb.DuckDBPyConnection,
    pairs: str,
    records: str,
    level_names: list[tuple[str, int]],
    *,
    epoch: Epoch,
    spec: EntitySpec,
) -> _Pairs:
    """Score the pairs of a table (one, other, verdict); return them in the order of their hashed ids."""
    score_pairs(con, pairs, records, epoch, spec=spec, into="label_score", keep_levels=True)
    names = list(dict.fromkeys(name for name, _ in level_names))
    gammas = ", ".join(f"gamma_{name}" for name in names)
    rows = con.execute(f"""
        SELECT verdict = 'same', match_weight, {gammas}
        FROM {numbered("label_score", "*")} JOIN {pairs} USING (one, other)
        ORDER BY md5(record_id_l || '|' || record_id_r)
    """).fetchall()
    con.execute("DROP TABLE label_score")
    table = np.array(rows, dtype=float).reshape(len(rows), len(names) + 2)
    shown = [table[:, 2 + names.index(name)] == gamma for name, gamma in level_names]
    weight = np.clip(table[:, 1], -CERTAIN, CERTAIN)
    return _Pairs(
        weight, np.array(shown, dtype=float).T.reshape(len(rows), len(level_names)), table[:, 0], np.ones(len(rows))
    )


def _anchors(
    con: duckdb.DuckDBPyConnection,
    records: str,
    level_names: list[tuple[str, int]],
    *,
    epoch: Epoch,
    spec: EntitySpec,
    weight: int,
) -> _Pairs:
    """Return uncertain candidate pairs with the model's own probability; together they count as `weight` labels."""
    find_candidates(con, records, spec=spec, into="anchor_pair")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE anchor_pair AS
        SELECT *, 'different' AS verdict FROM anchor_pair ANTI JOIN label_pair USING (one, other)
        ORDER BY xor(one, other) LIMIT {30 * ANCHORS}
    """)
    found = _scored(con, "anchor_pair", records, level_names, epoch=epoch, spec=spec)
    con.execute("DROP TABLE anchor_pair")
    hard = np.flatnonzero(np.abs(found.weight) < CERTAIN)[:ANCHORS]
    probability = 1 / (1 + np.exp2(-found.weight[hard]))
    return _Pairs(found.weight[hard], found.shows[hard], probability, np.full(hard.size, weight / max(hard.size, 1)))


def _fit_shrunk(labelled: _Pairs, anchors: _Pairs) -> Floats | None:
    """Return the weights to add, the one for all pairs first; None where the labels improve no more than by chance."""
    fold = np.arange(len(labelled)) % FOLDS
    before = _losses(labelled, np.zeros(labelled.shows.shape[1] + 1))
    best: tuple[float, float] | None = None
    for spread in SPREADS:
        after = np.zeros_like(before)
        for number in range(FOLDS):
            moved = _fit(labelled.take(fold != number), anchors, spread)
            after[fold == number] = _losses(labelled.take(fold == number), moved)
        gain = before - after
        # half a standard error: chance alone reaches it in every third case
        if gain.mean() > 0.5 * gain.std() / np.sqrt(gain.size) and (best is None or after.mean() < best[0]):
            best = (float(after.mean()), spread)
    return None if best is None else _fit(labelled, anchors, best[1])


def _losses(pairs: _Pairs, moved: Floats) -> Floats:
    """Return the log loss of each pair's label, in nats."""
    odds = np.log(2) * (pairs.weight + moved[0] + pairs.shows @ moved[1:])
    return np.asarray(np.logaddexp(0, odds) - pairs.same * odds)


def _fit(labelled: _Pairs, anchors: _Pairs, spread: float) -> Floats:
    """Fit a logistic regression on top of the model's weight by Newton's method, with a normal prior around zero."""
    weight = np.concatenate([labelled.weight, anchors.weight])
    same = np.concatenate([labelled.same, anchors.same])
    counts = np.concatenate([labelled.counts, anchors.counts])
    shows = np.vstack([labelled.shows, anchors.shows])
    design = np.log(2) * np.hstack([np.ones((len(weight), 1)), shows])
    moved = np.zeros(design.shape[1])
    precision = np.full(design.shape[1], 1 / spread**2)
    for _ in range(ROUNDS):
        odds = np.log(2) * weight + design @ moved
        probability = 1 / (1 + np.exp(-odds))
        slope = design.T @ (counts * (same - probability)) - precision * moved
        curve = (design * (counts * probability * (1 - probability))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curve, slope)
        moved = moved + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-6:
            break
    return moved
