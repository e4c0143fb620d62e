"""Send measurements and spans of a run by OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from dataflow.observe.telemetry.measurements import EndedRun, Measurement
from dataflow.settings.telemetry import TelemetrySettings
from dataflow.sinks.events.https import open_session, require_private

_SCOPE = "dataflow"


class OtlpEndpoint:
    """An OTLP endpoint over verified TLS 1.3, or plain HTTP on this machine."""

    def __init__(self, declared: TelemetrySettings) -> None:
        """Raises: ConfigurationError."""
        require_private(declared.otlp, setting="telemetry.otlp")
        self._base, self._seconds = declared.otlp.rstrip("/"), declared.timeout_seconds
        secret = declared.secret
        self._headers = {} if secret is None else {"Authorization": secret.get_secret_value()}
        self._session = open_session(declared.ca_file, setting="telemetry")
        self._ca_file = declared.ca_file or None
        # Named here alone: variables such as OTEL_RESOURCE_ATTRIBUTES are not settings of DataFlow.
        self._resource = Resource({"service.name": _SCOPE})

    def send_metrics(self, found: Sequence[Measurement]) -> bool:
        """Send measurements as gauges; return whether the endpoint took them."""
        reader = InMemoryMetricReader()
        provider = MeterProvider(metric_readers=[reader], resource=self._resource, shutdown_on_exit=False)
        meter = provider.get_meter(_SCOPE)
        units = {one.name: one.unit for one in found}
        gauges = {name: meter.create_gauge(name, unit=unit) for name, unit in units.items()}
        for one in found:
            gauges[one.name].set(one.value, dict(one.attributes))
        data = reader.get_metrics_data()
        if data is None:
            return True
        exporter = OTLPMetricExporter(
            endpoint=f"{self._base}/v1/metrics",
            headers=self._headers,
            timeout=self._seconds,
            session=self._session,
            certificate_file=self._ca_file,
        )
        return exporter.export(data) is MetricExportResult.SUCCESS

    def send_trace(self, run: EndedRun) -> bool:
        """Send a span of the run, and below it one of each stage in order; return whether the endpoint took them."""
        kept = InMemorySpanExporter()
        provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(kept))
        tracer = provider.get_tracer(_SCOPE)
        attributes = {"dataflow.run_id": run.run_id, "dataflow.kind": run.kind, "dataflow.status": run.status}
        root = tracer.start_span(f"run {run.kind}", attributes=attributes, start_time=_nanoseconds(run.started_at))
        below, at = set_span_in_context(root), run.started_at
        for timing in run.timings:
            span = tracer.start_span(timing.stage, context=below, start_time=_nanoseconds(at))
            at += timedelta(seconds=timing.seconds)
            span.end(_nanoseconds(at))
        if run.error:
            root.set_status(Status(StatusCode.ERROR, run.error))
        root.end(_nanoseconds(run.finished_at))
        exporter = OTLPSpanExporter(
            endpoint=f"{self._base}/v1/traces",
            headers=self._headers,
            timeout=self._seconds,
            session=self._session,
            certificate_file=self._ca_file,
        )
        return exporter.export(kept.get_finished_spans()) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
