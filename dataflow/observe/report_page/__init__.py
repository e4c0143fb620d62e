"""The run report: one self-contained HTML page that needs no network and shows no customer data."""

from dataflow.observe.report_page.facts import LakeFacts, Quality, RunFacts, gather_facts
from dataflow.observe.report_page.page import LATEST, LakeDrawings, draw_lake, render_report, write_report

__all__ = [
    "LATEST",
    "LakeDrawings",
    "LakeFacts",
    "Quality",
    "RunFacts",
    "draw_lake",
    "gather_facts",
    "render_report",
    "write_report",
]
