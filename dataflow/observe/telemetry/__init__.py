"""Metrics and traces of runs and of the lake: OTLP, CloudWatch's embedded metrics, Prometheus; log lines as JSON.

Attributes are names of sources, objects, tables, stages and rules; no value of a row is among them.
"""
