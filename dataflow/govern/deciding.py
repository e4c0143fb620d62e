"""Check what every decision needs: the person and the reason, which are stored with it."""

from __future__ import annotations

from dataflow.errors import UsageError

WAITS = "waiting for the next run"
"""The state of a decision that no run has taken yet."""

LONGEST_REASON = 4_000
"""Characters: a decision has to fit one message of the inbox, and a cell of a table."""


def check_reason(who: str, why: str, what: str) -> None:
    """Refuse a decision without a person and a reason, or with text that cannot be stored. Raises: UsageError."""
    if not who.strip() or not why.strip():
        raise UsageError(f"{what} needs the person who decides it and a reason.")
    if len(who) > LONGEST_REASON or len(why) > LONGEST_REASON:
        raise UsageError(f"{what} takes a person and a reason of at most {LONGEST_REASON:,} characters each.")
    try:
        (who + why).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{what} needs a reason that is valid text; this one has bytes that are not UTF-8.") from error
