"""Files in a bucket as a source: exports on S3, in the formats of the files adapter."""

from dataflow.sources.s3.adapter import S3Source

__all__ = ["S3Source"]
