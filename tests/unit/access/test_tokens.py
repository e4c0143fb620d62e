"""Tokens: valid until they end or are revoked, stored as a hash, refused without repeating them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dataflow.access.modes import private_files
from dataflow.access.tokens import check_token, issue_token, list_tokens, revoke_token
from dataflow.errors import UsageError
from dataflow.settings import Settings, load_settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path)


def issue(settings: Settings, *, role: str = "analyst", days: int = 30, now: datetime = NOW) -> tuple[str, str]:
    token, secret = issue_token(settings, role=role, days=days, issued_by="ann", now=now)
    return token.token_id, secret


def files(settings: Settings) -> list[Path]:
    return sorted((settings.home / "access" / "tokens").iterdir())


def test_a_token_is_256_random_bits_of_which_only_the_hash_is_stored(settings: Settings) -> None:
    secrets = {issue(settings)[1] for _ in range(20)}
    # 43 characters of base64 are 258 bits.
    assert {len(secret.rpartition("_")[2]) for secret in secrets if secret.count("_") == 2} <= {43}
    assert len(secrets) == len(files(settings)) == 20
    stored = "".join(file.read_text() for file in files(settings))
    assert [secret for secret in secrets if secret in stored or secret[21:] in stored] == []
    assert {hashlib.sha256(secret.encode()).hexdigest() in stored for secret in secrets} == {True}


def test_a_token_names_its_role_until_it_ends(settings: Settings) -> None:
    token_id, secret = issue(settings, days=2)
    assert check_token(settings, secret, now=NOW).role == "analyst"
    assert check_token(settings, secret, now=NOW + timedelta(days=2, seconds=-1)).token_id == token_id
    with pytest.raises(UsageError, match=f"The token {token_id} is expired"):
        check_token(settings, secret, now=NOW + timedelta(days=2))


def test_the_last_use_is_noted_and_a_refused_one_is_not(settings: Settings) -> None:
    _, secret = issue(settings, days=1)
    assert [token.last_used_at for token in list_tokens(settings)] == [None]
    check_token(settings, secret, now=NOW + timedelta(hours=3))
    with pytest.raises(UsageError):
        check_token(settings, secret, now=NOW + timedelta(days=3))
    assert [token.last_used_at for token in list_tokens(settings)] == [NOW + timedelta(hours=3)]


def test_a_revoked_token_reads_nothing_and_others_go_on(settings: Settings) -> None:
    (gone, secret), (_, other) = issue(settings), issue(settings, role="marketing")
    assert revoke_token(settings, gone[:10], now=NOW).revoked_at == NOW
    # Revoked twice, it keeps the first time.
    assert revoke_token(settings, gone, now=NOW + timedelta(days=1)).revoked_at == NOW
    with pytest.raises(UsageError, match="is revoked") as refused:
        check_token(settings, secret, now=NOW)
    assert secret[21:] not in str(refused.value)
    assert check_token(settings, other, now=NOW).role == "marketing"


@pytest.mark.parametrize("prefix", ["", "zz"])
def test_a_revocation_that_does_not_mean_one_token_changes_none(settings: Settings, prefix: str) -> None:
    issue(settings)
    issue(settings)
    with pytest.raises(UsageError, match="tokens have an id that begins with"):
        revoke_token(settings, prefix, now=NOW)
    assert [token.revoked_at for token in list_tokens(settings)] == [None, None]


def test_a_wrong_token_is_refused_and_not_repeated(settings: Settings) -> None:
    token_id, secret = issue(settings)
    wrong = [
        secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        f"dft_{'0' * 16}_{secret[21:]}",
        f"dft_{token_id}_",
        f"dft_../{token_id}_{secret[21:]}",
        f"{secret}\n",
        secret.upper(),
        "",
    ]
    for one in wrong:
        with pytest.raises(UsageError, match="DATAFLOW_TOKEN is not a token of this home") as refused:
            check_token(settings, one, now=NOW)
        assert secret[21:] not in str(refused.value)
    assert [token.last_used_at for token in list_tokens(settings)] == [None]


@pytest.mark.parametrize("days", [0, -1, 367])
def test_a_token_is_valid_for_a_year_at_most(settings: Settings, days: int) -> None:
    with pytest.raises(UsageError, match="1 to 366 days"):
        issue(settings, days=days)
    assert list_tokens(settings) == []


def test_only_its_user_reads_the_file_of_a_token(settings: Settings) -> None:
    with private_files():
        _, secret = issue(settings)
        check_token(settings, secret, now=NOW)
    [file] = files(settings)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"token_id": "x"}'])
def test_a_damaged_file_is_named_and_lets_nobody_in(settings: Settings, text: str) -> None:
    token_id, secret = issue(settings)
    [file] = files(settings)
    file.write_text(text)
    with pytest.raises(UsageError, match=f"{token_id}.json, cannot be read"):
        check_token(settings, secret, now=NOW)


def test_a_file_with_another_tokens_hash_lets_neither_in(settings: Settings) -> None:
    (first, one), (second, other) = issue(settings), issue(settings, role="success")
    folder = files(settings)[0].parent
    values = json.loads((folder / f"{first}.json").read_text())
    (folder / f"{first}.json").write_text(json.dumps(values | {"digest": "0" * 64}))
    with pytest.raises(UsageError, match="is not a token"):
        check_token(settings, one, now=NOW)
    assert check_token(settings, other, now=NOW).token_id == second
