"""Settings: what dataflow.toml, the environment and .env say, read once at the edge."""

from dataflow.settings.adapters.mysql import MySQLSettings
from dataflow.settings.adapters.salesforce import SalesforceSettings
from dataflow.settings.alerts import AlertSettings
from dataflow.settings.environment import keep_libraries_quiet
from dataflow.settings.events import EventSettings
from dataflow.settings.load import default_toml, load_settings, rules_of_file
from dataflow.settings.model import (
    CheckSettings,
    FieldExpression,
    JoinSettings,
    MappingSettings,
    ObjectSettings,
    Settings,
    SourceSettings,
)
from dataflow.settings.roles import AccessSettings, RoleSettings
from dataflow.settings.rules import RuleSettings
from dataflow.settings.section import S3Settings

__all__ = [
    "AccessSettings",
    "AlertSettings",
    "CheckSettings",
    "EventSettings",
    "FieldExpression",
    "JoinSettings",
    "MappingSettings",
    "MySQLSettings",
    "ObjectSettings",
    "RoleSettings",
    "RuleSettings",
    "S3Settings",
    "SalesforceSettings",
    "Settings",
    "SourceSettings",
    "default_toml",
    "load_settings",
    "rules_of_file",
]

# At import: every part of the pipeline imports the settings first.
keep_libraries_quiet()
