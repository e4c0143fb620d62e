"""Salesforce: REST for small windows, Bulk API 2.0 for big ones, one payload either way."""

from dataflow.sources.salesforce.adapter import SalesforceSource

__all__ = ["SalesforceSource"]
