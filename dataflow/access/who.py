"""Who reads, and what for."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a reader may see."""

    ENGINEER = "engineer"


class Purpose(StrEnum):
    """What a person reads for."""

    OPERATION = "operation"
    ANALYSIS = "analysis"
    STEWARDSHIP = "stewardship"


@dataclass(frozen=True)
class Who:
    """A person at the door."""

    name: str
    role: Role = Role.ENGINEER


def system_user() -> Who:
    """The user of the operating system whose process this is; variables such as LOGNAME do not change it."""
    number = os.getuid()
    try:
        return Who(pwd.getpwuid(number).pw_name)
    except KeyError:
        # A container may run under a number that has no name.
        return Who(f"uid {number}")
