"""Metrics and spans reach a real OTLP receiver; the texts are what Prometheus, CloudWatch and a log reader parse."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dataflow.errors import ConfigurationError
from dataflow.observe.telemetry.measurements import BYTES, COUNT, SECONDS, EndedRun, Measurement, measure_run
from dataflow.observe.telemetry.otlp import OtlpEndpoint
from dataflow.observe.telemetry.scrape import answer_for, serving_metrics
from dataflow.observe.telemetry.texts import write_emf, write_log, write_prometheus
from dataflow.run.record import StageTiming
from dataflow.settings import load_settings
from dataflow.settings.telemetry import TelemetrySettings
from dataflow.workspace.report import StepReport
from tests.lib.otlp_receiver import otlp_receiver

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = EndedRun(
    run_id="20260301T120000000000Z-daily",
    kind="daily",
    status="refused",
    started_at=AT,
    finished_at=AT + timedelta(seconds=9),
    reports=(
        StepReport(stage="land", subject="shop.item 2026-03-01", rows_in=5, rows_out=5),
        StepReport(stage="land", subject="shop.item 2026-03-02", rows_in=2, rows_out=2),
        StepReport(stage="validate", subject="shop.item", rows_in=7, rows_out=6, set_aside=1),
    ),
    timings=(StageTiming("land", 2.0, 1_000), StageTiming("validate", 3.0, 5_000)),
    error="AuditRefused",
)


def test_metrics_and_spans_reach_the_receiver() -> None:
    with otlp_receiver() as receiver:
        endpoint = OtlpEndpoint(TelemetrySettings(otlp=receiver.url, secret="Bearer of-the-tests"))  # type: ignore[arg-type]
        assert endpoint.send_metrics(measure_run(RUN))
        assert endpoint.send_trace(RUN)
        receiver.status = 400
        assert not endpoint.send_metrics(measure_run(RUN))
        endpoint.close()
    assert set(receiver.authorizations) == {"Bearer of-the-tests"}
    [resource] = receiver.metrics[0].resource_metrics
    assert [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"] == ["dataflow"]
    found = receiver.values(0)
    assert found["dataflow.run.duration", "s", "daily", "refused"] == 9
    assert found["dataflow.run.memory", "By", "daily", "refused"] == 5_000
    assert found["dataflow.step.rows", "1", "in", "land", "shop.item"] == 7
    assert found["dataflow.step.rows", "1", "set_aside", "shop.item", "validate"] == 1
    spans = [span for one in receiver.traces[0].resource_spans for scope in one.scope_spans for span in scope.spans]
    by_name = {span.name: span for span in spans}
    root, land, validate = by_name["run daily"], by_name["land"], by_name["validate"]
    assert {land.parent_span_id, validate.parent_span_id} == {root.span_id}
    assert (land.end_time_unix_nano, root.status.message) == (validate.start_time_unix_nano, "AuditRefused")
    assert root.end_time_unix_nano - root.start_time_unix_nano == 9 * 10**9


def test_an_endpoint_without_tls_elsewhere_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"telemetry\.otlp"):
        OtlpEndpoint(TelemetrySettings(otlp="http://collector.example:4318"))


MEASURED = [
    Measurement(name="dataflow.freshness", value=60.5, unit=SECONDS, attributes={"object": 'shop."it\\em"'}),
    Measurement(name="dataflow.freshness", value=1.0, unit=SECONDS, attributes={"object": "shop.other"}),
    Measurement(name="dataflow.incidents", value=2, unit=COUNT),
    Measurement(name="dataflow.run.memory", value=7, unit=BYTES),
]


def test_prometheus_reads_the_exposition() -> None:
    read = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(write_prometheus(MEASURED))
        for sample in family.samples
    ]
    assert sorted(read, key=str) == sorted(
        [
            ("dataflow_freshness_seconds", {"object": 'shop."it\\em"'}, 60.5),
            ("dataflow_freshness_seconds", {"object": "shop.other"}, 1.0),
            ("dataflow_incidents", {}, 2.0),
            ("dataflow_run_memory_bytes", {}, 7.0),
        ],
        key=str,
    )


def test_each_set_of_dimensions_is_one_line_of_embedded_metrics() -> None:
    lines = [json.loads(line) for line in write_emf(MEASURED, at=AT)]
    assert len(lines) == 3
    for line in lines:
        [directive] = line["_aws"]["CloudWatchMetrics"]
        assert line["_aws"]["Timestamp"] == AT.timestamp() * 1000
        # The specification: each declared metric and dimension is a member of the line.
        assert {metric["Name"] for metric in directive["Metrics"]} | set(directive["Dimensions"][0]) == set(line) - {
            "_aws"
        }
    assert sum(len(line["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for line in lines) == len(MEASURED)


def test_each_step_and_the_end_are_a_line_of_the_log() -> None:
    lines = [json.loads(line) for line in write_log(RUN)]
    assert [line["event"] for line in lines] == ["step", "step", "step", "run ended"]
    assert {line["run_id"] for line in lines} == {RUN.run_id}
    assert (lines[2]["set_aside"], lines[-1]["status"], lines[-1]["error"]) == (1, "refused", "AuditRefused")


def test_a_worker_serves_what_prometheus_scrapes_even_without_a_lake(tmp_path: Path) -> None:
    with serving_metrics("127.0.0.1", 0, answer_for(load_settings(home=tmp_path))) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert answer.read().decode() == "# TYPE dataflow_up gauge\ndataflow_up 0\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/other")
        with pytest.raises(ConfigurationError, match="cannot be served"), serving_metrics("127.0.0.1", port, str):
            pass
