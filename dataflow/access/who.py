"""Identify who reads the lake, and for which purpose."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from enum import StrEnum

from dataflow.settings.roles import ENGINEER


class Purpose(StrEnum):
    """The purpose of reading."""

    OPERATION = "operation"
    ANALYSIS = "analysis"
    STEWARDSHIP = "stewardship"


OS_USER, TOKEN = "os user", "token"
"""Authenticated by the operating system, as the user of this process; or by a token of `dataflow token issue`."""


@dataclass(frozen=True)
class Who:
    """A person or tool at the door: a user's name or a token's id, and the role it reads with.

    `authenticated` says by what the name is known.
    """

    name: str
    role: str = ENGINEER
    authenticated: str = OS_USER


def system_user() -> Who:
    """Return the operating system's user of this process; variables such as LOGNAME do not change it."""
    number = os.getuid()
    try:
        return Who(pwd.getpwuid(number).pw_name)
    except KeyError:
        # A container can run under a user id without a name.
        return Who(f"uid {number}")
