"""The registry of doors: the one place to add a module that returns published rows to a person.

tests/test_architecture.py finds a module that opens the lake for a person and is not named here. Every door is in the
access log under its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.registry import Registry
from dataflow.access.who import Purpose


@dataclass(frozen=True, kw_only=True)
class DoorKind:
    """The declaration of a door. `has_persons`: its answers can hold data of a person, so it never reads unlogged."""

    name: str
    meaning: str
    purpose: Purpose
    module: str
    has_persons: bool = True


DOORS: Registry[DoorKind] = Registry(
    "door",
    (
        DoorKind(
            name="query",
            meaning="SQL of a person: `dataflow query`",
            purpose=Purpose.ANALYSIS,
            module="dataflow.cli.reading",
        ),
        DoorKind(
            name="diff",
            meaning="Counts of two snapshots: `dataflow diff`",
            purpose=Purpose.ANALYSIS,
            module="dataflow.cli.reading",
        ),
        DoorKind(
            name="status",
            meaning="Runs, freshness, gaps and counts: `dataflow status`",
            purpose=Purpose.OPERATION,
            module="dataflow.cli.reading",
            # Of a full disk, which keeps the log from being written, it is the command that people look with.
            has_persons=False,
        ),
        DoorKind(
            name="customer",
            meaning="One customer for an application, out of the cache or the lake: `dataflow customer show`",
            purpose=Purpose.OPERATION,
            module="dataflow.serve.customers",
        ),
        DoorKind(
            name="dlq",
            meaning="Dead letters and decisions on them: `dataflow dlq`",
            purpose=Purpose.STEWARDSHIP,
            module="dataflow.cli.dead_letters",
        ),
        DoorKind(
            name="review",
            meaning="Uncertain pairs and judgements: `dataflow review`",
            purpose=Purpose.STEWARDSHIP,
            module="dataflow.cli.reviewing",
        ),
        DoorKind(
            name="alerts",
            meaning="Incidents: `dataflow alerts`",
            purpose=Purpose.OPERATION,
            module="dataflow.cli.alerting",
            # Of a full disk, which keeps the log from being written, it is how people learn.
            has_persons=False,
        ),
        DoorKind(
            name="ui-home",
            meaning="Home of the workbench: counts, key figures, what waits",
            purpose=Purpose.OPERATION,
            module="dataflow.ui.pages.home",
            has_persons=False,
        ),
        DoorKind(
            name="ui-customers",
            meaning="Customers in the workbench: search and the 360 page",
            purpose=Purpose.OPERATION,
            module="dataflow.ui.pages.customers",
        ),
        DoorKind(
            name="ui-review",
            meaning="Uncertain pairs in the workbench",
            purpose=Purpose.STEWARDSHIP,
            module="dataflow.ui.pages.review",
        ),
        DoorKind(
            name="ui-figures",
            meaning="Key figures in the workbench",
            purpose=Purpose.ANALYSIS,
            module="dataflow.ui.pages.figures",
            has_persons=False,
        ),
        DoorKind(
            name="ui-segments",
            meaning="Segments in the workbench: sizes and overlap",
            purpose=Purpose.ANALYSIS,
            module="dataflow.ui.pages.segments",
        ),
        DoorKind(
            name="ui-explore",
            meaning="SQL of a person in the workbench",
            purpose=Purpose.ANALYSIS,
            module="dataflow.ui.pages.explore",
        ),
        DoorKind(
            name="ui-quality",
            meaning="Dead letters by cause, completeness and gaps in the workbench",
            purpose=Purpose.STEWARDSHIP,
            module="dataflow.ui.pages.quality",
        ),
        DoorKind(
            name="ui-incidents",
            meaning="Incidents in the workbench",
            purpose=Purpose.OPERATION,
            module="dataflow.ui.pages.incidents",
            has_persons=False,
        ),
        DoorKind(
            name="ui-rules",
            meaning="Business rules and the rows that wait because of them, in the workbench",
            purpose=Purpose.STEWARDSHIP,
            module="dataflow.ui.pages.rules",
            has_persons=False,
        ),
        DoorKind(
            name="ui-access",
            meaning="Roles, the access log and tokens in the workbench",
            purpose=Purpose.OPERATION,
            module="dataflow.ui.pages.access",
        ),
        DoorKind(
            name="ui-setup",
            meaning="Connections and mapping coverage in the workbench",
            purpose=Purpose.OPERATION,
            module="dataflow.ui.pages.setup",
            has_persons=False,
        ),
        DoorKind(
            name="ui-runs",
            meaning="Runs in the workbench",
            purpose=Purpose.OPERATION,
            module="dataflow.ui.pages.runs",
            has_persons=False,
        ),
        DoorKind(
            name="rules",
            meaning="Rules tried on valid rows, and suggested from them: `dataflow rules`",
            purpose=Purpose.STEWARDSHIP,
            module="dataflow.cli.ruling",
        ),
        DoorKind(
            name="baselines",
            meaning="What is normal of each object: `dataflow baselines`",
            purpose=Purpose.OPERATION,
            module="dataflow.cli.baselines",
            has_persons=False,
        ),
    ),
    name=lambda kind: kind.name,
)
