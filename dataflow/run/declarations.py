"""Check what dataflow.toml declares before a run starts."""

from __future__ import annotations

from collections.abc import Mapping

from dataflow.access.roles import check_roles
from dataflow.conform.mapping import compile_mappings
from dataflow.settings import Settings
from dataflow.validate.plan import plan_objects
from lakehouse.table import Table


def check_declarations(settings: Settings, tables: Mapping[str, Table]) -> None:
    """Compile rules, mappings and roles, so that what is wrong with them is reported before a run changes anything.

    Raises: ConfigurationError, MappingError.
    """
    plan_objects(settings, tables)
    compile_mappings(settings, tables)
    check_roles(settings)
