"""Sinks: the copies of published data outside the lake, updated after the lake is closed."""

from dataflow.sinks.follow import follow_sink
from dataflow.sinks.protocol import Sink, SinkKind
from dataflow.sinks.registry import SINKS, active_sinks, open_warehouse

__all__ = ["SINKS", "Sink", "SinkKind", "active_sinks", "follow_sink", "open_warehouse"]
