"""The adapter `s3`."""

from __future__ import annotations

from dataflow.settings.adapters.adapter import Adapter
from dataflow.settings.section import S3Settings

S3 = Adapter(
    name="s3",
    meaning="Files in a bucket, in the formats of the adapter files, also as gzip or zstd",
    source="dataflow.sources.s3.adapter:S3Source",
    probe="dataflow.sources.s3.probe:probe",
    ways="dataflow.bench.buckets:ways",
    section=S3Settings,
    reads_files=True,
)
