"""Identify who reads the lake, and for which purpose."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The role of a reader."""

    ENGINEER = "engineer"


class Purpose(StrEnum):
    """The purpose of reading."""

    OPERATION = "operation"
    ANALYSIS = "analysis"
    STEWARDSHIP = "stewardship"


OS_USER = "os user"
"""Authenticated by the operating system: the user of this process."""


@dataclass(frozen=True)
class Who:
    """A person at the door. `authenticated` says by what the name is known."""

    name: str
    role: Role = Role.ENGINEER
    authenticated: str = OS_USER


def system_user() -> Who:
    """Return the operating system's user of this process; variables such as LOGNAME do not change it."""
    number = os.getuid()
    try:
        return Who(pwd.getpwuid(number).pw_name)
    except KeyError:
        # A container can run under a user id without a name.
        return Who(f"uid {number}")
