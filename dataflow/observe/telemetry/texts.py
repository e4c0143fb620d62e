"""Write measurements as text: Prometheus exposition, CloudWatch embedded metrics, and log lines as JSON.

Source: Prometheus exposition formats, text format 0.0.4; CloudWatch embedded metric format specification.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from dataflow.observe.telemetry.measurements import (
    BYTES,
    COUNT,
    DOLLARS,
    SECONDS,
    SHARE,
    EndedRun,
    Measurement,
    subject_of,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of the exposition."""

_SUFFIX = {SECONDS: "_seconds", BYTES: "_bytes", SHARE: "_ratio", DOLLARS: "_dollars", COUNT: ""}
_OF_CLOUDWATCH = {SECONDS: "Seconds", BYTES: "Bytes", COUNT: "Count", SHARE: "None", DOLLARS: "None"}


def write_prometheus(found: Iterable[Measurement]) -> str:
    """Return the exposition of measurements, each a gauge."""
    lines = []
    for name, group in groupby(sorted(found, key=_name_and_attributes), key=_prometheus_name):
        lines.append(f"# TYPE {name} gauge")
        for one in group:
            labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in sorted(one.attributes.items()))
            lines.append(f"{name}{{{labels}}} {one.value}" if labels else f"{name} {one.value}")
    return "\n".join([*lines, ""])


def write_emf(found: Iterable[Measurement], *, at: datetime) -> Iterator[str]:
    """Yield a line of JSON for each set of attributes, which are the dimensions of its metrics."""

    def attributes_of(one: Measurement) -> list[tuple[str, str]]:
        return sorted(one.attributes.items())

    for attributes, group in groupby(sorted(found, key=attributes_of), key=attributes_of):
        metrics = list(group)
        declared = [{"Name": one.name, "Unit": _OF_CLOUDWATCH[one.unit]} for one in metrics]
        directive = {"Namespace": "DataFlow", "Dimensions": [[name for name, _ in attributes]], "Metrics": declared}
        header = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}
        values = {one.name: one.value for one in metrics}
        yield json.dumps({"_aws": header, **dict(attributes), **values}, separators=(",", ":"))


def write_log(run: EndedRun) -> Iterator[str]:
    """Yield a line of JSON for each step of a run, and one for its end; none quotes a row."""
    for report in run.reports:
        rows = {name: getattr(report, name) for name in ("rows_in", "rows_out", "set_aside", "merged", "changed")}
        yield _line(run, "step", stage=report.stage, subject=subject_of(report), seconds=report.seconds, **rows)
    seconds = (run.finished_at - run.started_at).total_seconds()
    yield _line(run, "run ended", status=run.status, seconds=seconds, error=run.error or None)


def _line(run: EndedRun, event: str, **facts: object) -> str:
    level = "error" if run.error else "info"
    known = {"at": run.finished_at.isoformat(), "level": level, "event": event, "run_id": run.run_id, "kind": run.kind}
    return json.dumps({**known, **facts}, separators=(",", ":"))


def _prometheus_name(one: Measurement) -> str:
    return one.name.replace(".", "_") + _SUFFIX[one.unit]


def _name_and_attributes(one: Measurement) -> tuple[str, list[tuple[str, str]]]:
    return _prometheus_name(one), sorted(one.attributes.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
