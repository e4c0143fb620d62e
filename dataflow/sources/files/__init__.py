"""Files in a folder as a source, in the shape that an API, a table or an export gives."""

from dataflow.sources.files.adapter import FilesSource

__all__ = ["FilesSource"]
