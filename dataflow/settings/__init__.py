"""Settings: what dataflow.toml, the environment and .env say, read once at the edge."""

from dataflow.settings.environment import keep_libraries_quiet
from dataflow.settings.load import default_toml, load_settings
from dataflow.settings.model import (
    CheckSettings,
    FieldExpression,
    JoinSettings,
    MappingSettings,
    MySQLSettings,
    ObjectSettings,
    SalesforceSettings,
    Settings,
    SourceSettings,
)

__all__ = [
    "CheckSettings",
    "FieldExpression",
    "JoinSettings",
    "MappingSettings",
    "MySQLSettings",
    "ObjectSettings",
    "SalesforceSettings",
    "Settings",
    "SourceSettings",
    "default_toml",
    "load_settings",
]

# At import: whoever runs any part of the pipeline has imported its settings.
keep_libraries_quiet()
