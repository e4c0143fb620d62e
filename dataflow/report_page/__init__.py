"""The run report: one self-contained HTML page that needs no network and holds no customer's value."""

from dataflow.report_page.facts import Outcome, Quality, RunFacts, gather_facts
from dataflow.report_page.page import render_report, write_report

__all__ = ["Outcome", "Quality", "RunFacts", "gather_facts", "render_report", "write_report"]
