"""Sinks follow the committed snapshot and carry its number."""

from dataflow.sinks.warehouse import sink_warehouse

__all__ = ["sink_warehouse"]
