"""What is wrong with a declared check; never with a row: a bad row is data."""

from __future__ import annotations


class CheckDeclarationError(Exception):
    """A rule, argument, field or schema file that does not exist or does not fit. The engineer acts; no retry helps."""

    retryable = False
