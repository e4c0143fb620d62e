"""The registry of source adapters: each is one declaration in its own module; add a new one to this list."""

from __future__ import annotations

from checks.registry import Registry
from dataflow.settings.adapters.adapter import Adapter
from dataflow.settings.adapters.files import FILES
from dataflow.settings.adapters.mysql import MYSQL
from dataflow.settings.adapters.s3 import S3
from dataflow.settings.adapters.salesforce import SALESFORCE

ADAPTERS: Registry[Adapter] = Registry(
    "adapter",
    (
        FILES,
        S3,
        SALESFORCE,
        MYSQL,
    ),
    name=lambda adapter: adapter.name,
)

__all__ = ["ADAPTERS", "Adapter"]
