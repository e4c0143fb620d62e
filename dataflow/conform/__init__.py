"""Valid rows of any company's schema become our model; the mapping is configuration."""

from dataflow.conform.mapping import compile_mappings
from dataflow.conform.step import conform

__all__ = ["compile_mappings", "conform"]
