"""The error of buckets, apart from their client: importing that takes a quarter of a second."""

from __future__ import annotations


class BucketError(OSError):
    """A bucket refused or did not answer. The message is the code of the answer or the class of the error."""
