"""An object that is not as usual opens an incident, and one that is as usual again resolves its own."""

from pathlib import Path

from dataflow.alerts.findings import found_by
from dataflow.publish.baselines.publication import UNUSUAL_FACT
from dataflow.run.memory import PeakMemory
from dataflow.run.session import RunSession
from dataflow.workspace.report import StepReport
from dataflow.workspace.staging import Run
from tests.lib.publishing import settings_in
from tests.lib.tables import NOW, small_lake


def test_an_unusual_object_is_a_finding_and_a_usual_one_is_in_order(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    text = "mysql.orders: rows: 200, expected 1,996 (1,829 to 2,163)"
    facts = {UNUSUAL_FACT: {"mysql.orders": [text], "mysql.customers": []}}
    with small_lake(tmp_path) as lake, PeakMemory() as memory:
        run = Run("run", "daily", NOW)
        session = RunSession(settings, run, lake=lake, tables={}, folder=tmp_path, memory=memory, started_at=NOW)
        session.reports.append(StepReport(stage="publish", subject="ops.baseline", rows_in=0, rows_out=0, facts=facts))
        found = found_by(session, None, settings)
    [sighting] = found.sightings
    assert (sighting.rule, sighting.about, sighting.severity) == ("baseline", ("mysql.orders", "baseline"), "warning")
    assert sighting.summary == f"Not as usual: {text}"
    assert ("mysql.customers", "baseline") in found.in_order
    assert ("mysql.orders", "baseline") not in found.in_order
