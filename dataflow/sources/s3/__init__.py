"""Files in a bucket as a source: exports that somebody puts on S3, in the formats that the files adapter reads."""

from dataflow.sources.s3.adapter import S3Source

__all__ = ["S3Source"]
