"""Who reads, in which role; and that a refusal is an entry of the access log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from dataflow.access.identify import identify
from dataflow.access.log.entry import Entry, ReadEnding
from dataflow.access.log.history import entries_in
from dataflow.access.log.place import log_root
from dataflow.access.tokens import issue_token
from dataflow.access.who import system_user
from dataflow.errors import AccessRefused, ConfigurationError, DataFlowError, UsageError
from dataflow.settings import AccessSettings, Settings, load_settings
from dataflow.tables.published import CUSTOMER_360

USER = system_user().name


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path)


def given(settings: Settings, **users: list[str]) -> Settings:
    return settings.model_copy(update={"access": AccessSettings(users=users)})


def with_token(settings: Settings, secret: str) -> Settings:
    return settings.model_copy(update={"token": SecretStr(secret)})


def logged(settings: Settings) -> list[Entry]:
    return [one.entry for one in entries_in(log_root(settings))]


def test_without_users_everybody_is_an_engineer(settings: Settings) -> None:
    assert identify(settings, door="query").role == "engineer"
    assert identify(settings, door="query", role="marketing").role == "marketing"
    assert logged(settings) == []


def test_the_first_role_that_may_read_it_is_taken(settings: Settings) -> None:
    mine = given(settings, **{USER: ["executive", "marketing", "steward", "privacy_officer"]})
    assert identify(mine, door="query").role == "executive"
    assert identify(mine, door="query", role="marketing").role == "marketing"
    assert identify(mine, door="query", reads=[CUSTOMER_360]).role == "steward"
    assert identify(mine, door="query", reads=None).role == "privacy_officer"


def test_a_token_has_one_role(settings: Settings) -> None:
    token, secret = issue_token(settings, role="analyst", days=1, issued_by=USER, now=datetime.now(UTC))
    who = identify(with_token(settings, secret), door="query")
    assert (who.name, who.role, who.authenticated) == (token.token_id, "analyst", "token")
    with pytest.raises(AccessRefused, match="has the role analyst, not engineer"):
        identify(with_token(settings, secret), door="query", role="engineer")


def test_every_refusal_is_an_entry_that_names_the_user_of_the_process(settings: Settings) -> None:
    _, secret = issue_token(settings, role="analyst", days=1, issued_by=USER, now=datetime.now(UTC))
    refused: list[tuple[Settings, str, str | None]] = [
        (given(settings, somebody=["engineer"]), "query", None),
        (given(settings, **{USER: ["analyst"]}), "dlq", "steward"),
        (with_token(settings, f"{secret[:-2]}__"), "customer", None),
        (with_token(settings, secret), "token issue", "canary-role"),
    ]
    for chosen, door, role in refused:
        with pytest.raises(DataFlowError) as error:
            identify(chosen, door=door, role=role)
        assert isinstance(error.value, AccessRefused | UsageError)
    entries = logged(settings)
    assert {(entry.who, entry.authenticated, entry.outcome, entry.rows) for entry in entries} == {
        (USER, "os user", ReadEnding.REFUSED, 0)
    }
    assert [(entry.door, entry.role, entry.purpose, entry.detail) for entry in entries] == [
        ("query", "", "analysis", "by user"),
        ("dlq", "steward", "stewardship", "by user"),
        ("customer", "", "operation", "by token"),
        ("token issue", "", "operation", "by token"),
    ]
    stored = b"".join(path.read_bytes() for path in log_root(settings).rglob("*") if path.is_file())
    assert secret[:-2].encode() not in stored
    assert b"canary-role" not in stored


def test_a_refusal_stands_where_the_log_cannot_be_written(settings: Settings) -> None:
    log_root(settings).parent.mkdir()
    log_root(settings).write_text("a file in the place of the folder")
    with pytest.raises(AccessRefused, match="has no role"):
        identify(given(settings, somebody=["engineer"]), door="query")


@pytest.mark.parametrize(
    ("access", "words"),
    [
        (AccessSettings(users={"ann": ["analist"]}), "Did you mean analyst"),
        (AccessSettings(users={"ann": []}), "access.users.ann has no role"),
        (AccessSettings(marts=["nobody"]), "access.marts: There is no role nobody"),
    ],
)
def test_a_role_that_does_not_exist_lets_nobody_in(settings: Settings, access: AccessSettings, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        identify(settings.model_copy(update={"access": access}), door="query")
