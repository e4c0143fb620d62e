"""Types of settings with bounds: durations, time zones, threads, memory in DuckDB's notation, ISO 4217 currencies."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from checks.values import is_currency
from dataflow.settings.machine import usual_memory

AUTO = "auto"
_MEMORY = re.compile(r"\s*(\d{1,15}(?:\.\d+)?)\s*([KMGT]I?B|B)\s*", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
# A thread's buffers of one Parquet writer take some ten megabytes: with less, DuckDB cannot even spill.
_LEAST_MEMORY = 100_000_000


def memory_bytes(text: str) -> float:
    """Return an amount of memory in bytes. Raises: ValueError where DuckDB cannot read it."""
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise ValueError("is not an amount of memory with its unit, such as 1500MB or 4GB, nor auto")
    number, unit = float(found[1]), found[2].upper()
    return number * float(1024 if "I" in unit else 1000) ** _POWERS[unit.rstrip("B").rstrip("I")]


def _check_memory(text: str) -> str:
    """Return an amount of memory as it is, `auto` as what this machine leaves.

    Raises: ValueError where DuckDB cannot read it, or it is too small.
    """
    if text == AUTO:
        return usual_memory()
    if memory_bytes(text) < _LEAST_MEMORY:
        raise ValueError("is less than 100MB, with which DuckDB can neither compute nor spill to disk")
    return text


def _check_currency(code: str) -> str:
    if not (code.isalpha() and code.isupper() and is_currency(code)):
        raise ValueError("is not a currency code of ISO 4217 in capitals, such as USD")
    return code


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone such as UTC or Europe/Berlin") from None
    return name


TimeZone = Annotated[str, AfterValidator(_check_zone)]
"""A time zone by its name in the IANA database."""

CurrencyCode = Annotated[str, AfterValidator(_check_currency)]
"""An ISO 4217 code of three capital letters."""

RatedCode = Annotated[str, Field(pattern="^[A-Z]{3}$")]
"""A code in the table of rates: former codes too, which orders of earlier years have."""

Memory = Annotated[str, AfterValidator(_check_memory)]
"""An amount of memory, as DuckDB writes it; given as `auto`, half of what the machine has free."""

# A century, and thirty years in seconds: more is a mistake, and overflows the arithmetic of dates.
MOST_DAYS = 36_500
_MOST_SECONDS = 1_000_000_000

Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]
Hours = Annotated[float, Field(ge=0, le=MOST_DAYS * 24, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=_MOST_SECONDS, allow_inf_nan=False)]
Timeout = Annotated[float, Field(gt=0, le=_MOST_SECONDS, allow_inf_nan=False)]

MOST_THREADS = 1024
"""More threads or processes than any machine has cores: DuckDB would start each of them."""
