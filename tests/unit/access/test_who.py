"""Who stands at the door is the user of the operating system."""

from __future__ import annotations

import os
import pwd

import pytest

from dataflow.access.who import Who, system_user


def test_a_variable_does_not_change_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody_else")
    assert system_user() == Who(pwd.getpwuid(os.getuid()).pw_name, "engineer")


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert system_user().name == "uid 4000000"
