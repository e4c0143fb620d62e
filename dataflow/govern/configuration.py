"""Change dataflow.toml: a new file is written, loaded and compiled as a run would, then renamed over the old one."""

from __future__ import annotations

import os
from pathlib import Path

from dataflow.errors import UsageError
from dataflow.run.declarations import check_declarations
from dataflow.settings import Settings, load_settings
from dataflow.tables.declared import declared_tables


def configuration_file(settings: Settings) -> Path:
    """Return the dataflow.toml of these settings. Raises: UsageError where they are the packaged ones."""
    if settings.config_file is None:
        raise UsageError(
            "The packaged default configuration cannot be changed.",
            next_move="Run `dataflow init` and change the dataflow.toml that it writes.",
        )
    return settings.config_file


def replace_configuration(file: Path, text: str, home: Path) -> None:
    """Replace the file by this text. Raises: ConfigurationError where it would not load: the file is unchanged."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        loaded = load_settings(beside, home=home)
        check_declarations(loaded, declared_tables(loaded))
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
