"""What every decision has: who decides and why, both kept with it, and its state until a run has taken it."""

from __future__ import annotations

from dataflow.errors import UsageError

WAITS = "waiting for the next run"
"""State of what was decided and no run has taken yet."""

LONGEST_REASON = 4_000
"""Characters; a decision has to fit one message of the inbox, and a cell of a table."""


def check_reason(who: str, why: str, what: str) -> None:
    """Refuse a decision without a person and a reason, or whose words cannot be kept. Raises: UsageError."""
    if not who.strip() or not why.strip():
        raise UsageError(f"{what} needs who decides it and why.")
    if len(who) > LONGEST_REASON or len(why) > LONGEST_REASON:
        raise UsageError(f"{what} has a reason of at most {LONGEST_REASON:,} characters.")
    try:
        (who + why).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{what} needs a reason that is valid text; this one has bytes that are not UTF-8.") from error
