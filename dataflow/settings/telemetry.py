"""The shape of `[telemetry]`: where metrics, traces and log lines of runs go."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from dataflow.settings.amounts import Timeout
from dataflow.settings.section import ProjectPath, Section


class TelemetrySettings(Section):
    """What a run sends at its end. Nothing is sent without a setting here, and a failure never fails a run."""

    otlp: Annotated[str, Field(pattern=r"^(https?://[^@\s]+)?$")] = ""
    """The OTLP endpoint over HTTP, such as https://collector.example:4318, for metrics and traces; empty: none."""
    secret: SecretStr | None = None
    """The header `Authorization` of the endpoint, such as `Bearer …`."""
    ca_file: ProjectPath = ""
    """File of certificate authorities for the endpoint's certificate; empty: the public ones."""
    timeout_seconds: Timeout = 5.0
    """How long one answer may take. A run waits for it at its end."""
    emf: bool = False
    """Write metrics as log lines of CloudWatch's embedded metric format to stderr, which ECS sends to CloudWatch."""
    log_lines: bool = False
    """Write each step and the end of a run as a line of JSON with its run id to stderr."""
