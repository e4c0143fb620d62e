"""Measure a partition of records against a known truth.

Pairwise measures count pairs of records in one cluster; B³ (Bagga and Baldwin, 1998) averages over records, so that one
large cluster does not outweigh many small ones. Both are computed exactly from the contingency table of predicted and
true clusters.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import duckdb


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures between 0 and 1; `records` is how many records are in both the prediction and the truth."""

    records: int
    predicted_clusters: int
    true_clusters: int
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    b3_precision: float
    b3_recall: float
    b3_f1: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def evaluate(con: duckdb.DuckDBPyConnection, predicted: str, truth: str) -> Evaluation:
    """Compare two queries of (record_id, cluster); records that are not in both are left out."""
    row = con.execute(f"""
        WITH both_sides AS (
            SELECT p.cluster AS predicted, t.cluster AS truth
            FROM ({predicted}) p JOIN ({truth}) t ON t.record_id = p.record_id
        ),
        cell AS (SELECT predicted, truth, count(*)::HUGEINT AS n FROM both_sides GROUP BY ALL),
        predicted_size AS (SELECT predicted, sum(n) AS n FROM cell GROUP BY ALL),
        true_size AS (SELECT truth, sum(n) AS n FROM cell GROUP BY ALL)
        SELECT
            (SELECT sum(n) FROM cell),
            (SELECT count(*) FROM predicted_size),
            (SELECT count(*) FROM true_size),
            (SELECT sum(n * (n - 1) // 2) FROM cell),
            (SELECT sum(n * (n - 1) // 2) FROM predicted_size),
            (SELECT sum(n * (n - 1) // 2) FROM true_size),
            (SELECT sum(c.n::DOUBLE * c.n / p.n ORDER BY c.n, p.n)
             FROM cell c JOIN predicted_size p ON p.predicted = c.predicted),
            (SELECT sum(c.n::DOUBLE * c.n / t.n ORDER BY c.n, t.n) FROM cell c JOIN true_size t ON t.truth = c.truth)
    """).fetchone()
    numbers = [float(value or 0) for value in row] if row else [0.0] * 8
    records, predicted_clusters, true_clusters, together, predicted_pairs, true_pairs, purity, coverage = numbers
    precision, recall = _share(together, predicted_pairs), _share(together, true_pairs)
    b3_precision, b3_recall = _share(purity, records), _share(coverage, records)
    return Evaluation(
        records=int(records),
        predicted_clusters=int(predicted_clusters),
        true_clusters=int(true_clusters),
        pairwise_precision=precision,
        pairwise_recall=recall,
        pairwise_f1=_f1(precision, recall),
        b3_precision=b3_precision,
        b3_recall=b3_recall,
        b3_f1=_f1(b3_precision, b3_recall),
    )


def _share(part: float, whole: float) -> float:
    # without any pair there is no wrong one
    return part / whole if whole else 1.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
