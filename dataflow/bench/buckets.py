"""The files of a bucket are read once more from a folder: what the network and S3 cost."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from dataflow.bench.fresh import in_fresh_process
from dataflow.bench.reading import OURS, ReadFigures, Reading, Way, enough, read
from dataflow.settings import SourceSettings
from dataflow.sources import ObjectState
from dataflow.sources.s3 import S3Source


def ways(reading: Reading) -> Mapping[str, Way]:
    """From the bucket, and from copies of its files in a folder."""
    return {OURS: partial(read, reading), f"{OURS}, the same files in a folder": partial(_read_copies, reading)}


def _read_copies(reading: Reading, way: str) -> ReadFigures:
    source = S3Source(reading.source, reading.declared)
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
        for window in enough(source.plan(reading.object, ObjectState())):
            for part in window.parts:
                copy = Path(folder) / part.path
                copy.parent.mkdir(parents=True, exist_ok=True)
                with source.store.open(part) as stream, copy.open("wb") as file:
                    shutil.copyfileobj(stream, file, 1024 * 1024)
        copies = SourceSettings(adapter="files", root=folder, objects=reading.declared.objects)
        return in_fresh_process(partial(read, replace(reading, declared=copies), way))
