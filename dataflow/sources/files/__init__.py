"""Files in a folder as a source: what an API, a table or an export gave, as it gave it."""

from dataflow.sources.files.adapter import FilesSource

__all__ = ["FilesSource"]
