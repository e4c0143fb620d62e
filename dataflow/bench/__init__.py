"""Measure this machine: the pipeline over samples, each run in a fresh process and a fresh home."""

from dataflow.bench.figures import TARGETS, Figures, Target, exponent, judge
from dataflow.bench.measure import measure_sizes

__all__ = ["TARGETS", "Figures", "Target", "exponent", "judge", "measure_sizes"]
