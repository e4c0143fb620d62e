"""Rotate the key of a role's masks: raise its number in dataflow.toml, which every machine of the lake reads."""

from __future__ import annotations

from typing import Any

import tomlkit

from dataflow.govern.configuration import configuration_file, replace_configuration
from dataflow.settings import Settings


def rotate_key(settings: Settings, role: str) -> int:
    """Raise the number of a role's key in dataflow.toml, keeping comments; return the new number.

    Raises: UsageError where the configuration is the packaged one.
    """
    file = configuration_file(settings)
    document: Any = tomlkit.parse(file.read_text(encoding="utf-8"))
    generation = settings.access.key_generations.get(role, 1) + 1
    access = document.setdefault("access", tomlkit.table())
    access.setdefault("key_generations", tomlkit.inline_table())[role] = generation
    replace_configuration(file, tomlkit.dumps(document), settings.home)
    return generation
