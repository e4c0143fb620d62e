"""The adapter `files`."""

from __future__ import annotations

from dataflow.settings.adapters.adapter import Adapter

FILES = Adapter(
    name="files",
    meaning="Files in a folder, in the shape that an API, a table or an export gives",
    source="dataflow.sources.files.adapter:FilesSource",
    probe="dataflow.sources.files.probe:probe",
    ways="dataflow.bench.files:ways",
    reads_files=True,
)
