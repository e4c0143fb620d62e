"""Generate sample data with known truth: one world seen by a CRM, an orders database and a help desk."""

from __future__ import annotations

from dataflow.sample.generate import generate
from dataflow.sample.spec import SampleSpec, SampleSummary

__all__ = ["SampleSpec", "SampleSummary", "generate"]
