"""Salesforce: REST for small windows, Bulk API 2.0 for large ones, with the same payload."""

from dataflow.sources.salesforce.adapter import SalesforceSource

__all__ = ["SalesforceSource"]
