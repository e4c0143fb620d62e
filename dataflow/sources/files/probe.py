"""The probes of a folder of files for `dataflow doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dataflow.errors import DataFlowError
from dataflow.settings import SourceSettings
from dataflow.sources.files.adapter import FilesSource
from dataflow.sources.protocol import Finding


def probe(name: str, settings: SourceSettings) -> Iterator[Finding]:
    """Check that the folder exists, and list the folders that no object reads."""
    root = Path(settings.root)
    if not root.is_dir():
        fix = f"Put the source's files there, correct sources.{name}.root, or: dataflow sample"
        yield Finding("folder", False, f"there is no folder {root}", fix)
        return
    try:
        held = FilesSource(name, settings).discover()
    except DataFlowError as error:
        yield Finding.of_error("folder", error)
        return
    ignored = [each.name for each in held if not each.is_declared]
    found = f"{len(held) - len(ignored)} objects in {root}"
    yield Finding("folder", True, f"{found}; not declared and not read: {', '.join(ignored)}" if ignored else found)
