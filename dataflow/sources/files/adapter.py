"""The files adapter: a folder with files in the shape in which the source sends them."""

from __future__ import annotations

from pathlib import Path

from dataflow.settings import SourceSettings
from dataflow.sources.files.parts import PartsSource
from dataflow.sources.files.store import Folder


class FilesSource(PartsSource):
    """A source whose objects are files below one folder."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self.root = Path(settings.root)
        super().__init__(name, settings, Folder(self.root))
