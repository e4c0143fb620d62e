"""roles, token, and who may run them and read the access log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflow.access.log.history import entries_in
from dataflow.access.log.place import log_root
from dataflow.access.mask_keys import mask_key
from dataflow.access.who import system_user
from dataflow.cli.main import run
from dataflow.settings import Settings, default_toml, load_settings

USER = system_user().name


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "dataflow.toml"
    file.write_text(f"# ours\n{default_toml()}\n[access] # who\ntimeout_seconds = 60\n")
    return file


def dataflow(config: Path, *arguments: str, code: int = 0) -> None:
    home = config.parent / "home"
    assert run(["--config", str(config), "--home", str(home), *arguments]) == code


def settings_of(config: Path) -> Settings:
    return load_settings(config, home=config.parent / "home")


def with_users(config: Path, *roles: str) -> None:
    config.write_text(config.read_text() + f"users = {{ {json.dumps(USER)} = {json.dumps(roles)} }}\n")


def test_rotating_raises_the_number_of_one_roles_key(config: Path) -> None:
    def keys() -> list[bytes]:
        settings = settings_of(config)
        return [mask_key(settings, role=role, lake_id="a") for role in ("marketing", "analyst")]

    marketing, analyst = keys()
    dataflow(config, "roles", "rotate", "marketing")
    assert settings_of(config).access.key_generations == {"marketing": 2}
    assert keys()[0] != marketing
    assert keys()[1] == analyst
    dataflow(config, "roles", "rotate", "marketing")
    dataflow(config, "roles", "rotate", "analyst")
    assert settings_of(config).access.key_generations == {"marketing": 3, "analyst": 2}
    assert settings_of(config).access.timeout_seconds == 60
    assert config.read_text().startswith("# ours\n")
    assert "[access] # who" in config.read_text()


@pytest.mark.parametrize("role", ["engineer", "marketeer"])
def test_only_a_role_with_masks_has_a_key_to_rotate(config: Path, role: str) -> None:
    before = config.read_text()
    dataflow(config, "roles", "rotate", role, code=2)
    assert config.read_text() == before


def test_a_token_is_shown_once_listed_and_revoked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataflow(config, "token", "issue", "--role", "analyst", "--days", "7", "-o", "json")
    issued = json.loads(capsys.readouterr().out)
    dataflow(config, "token", "list", "-o", "json")
    listed = capsys.readouterr().out
    assert issued["token"] not in listed
    [known] = json.loads(listed)
    assert (known["id"], known["role"], known["state"], known["last_used_at"]) == (
        issued["id"],
        "analyst",
        "valid",
        None,
    )
    dataflow(config, "token", "revoke", issued["id"][:8])
    dataflow(config, "token", "list", "-o", "json")
    assert [token["state"] for token in json.loads(capsys.readouterr().out)] == ["revoked"]
    dataflow(config, "token", "issue", "--role", "analist", code=2)


def test_what_each_role_may_run(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_users(config, "marketing")
    before = config.read_text()
    refused = [
        ("roles", "rotate", "marketing"),
        ("token", "issue", "--role", "engineer"),
        ("token", "revoke", "3f"),
        ("warehouse", "apply"),
        ("audit", "list"),
        ("audit", "verify"),
        ("audit", "export", "--out", str(config.parent / "log.jsonl")),
        ("audit", "prove", "0"),
    ]
    for arguments in refused:
        dataflow(config, *arguments, code=2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count(f"{USER} has the role marketing") == len(refused)
    assert config.read_text() == before
    assert not (config.parent / "log.jsonl").exists()
    entries = [one.entry for one in entries_in(log_root(settings_of(config)))]
    assert [(entry.door, entry.role, entry.outcome) for entry in entries] == [
        (" ".join(arguments[:2]), "marketing", "refused") for arguments in refused
    ]


def test_a_privacy_officer_reads_the_log_and_an_auditor_verifies_files(config: Path) -> None:
    with_users(config, "privacy_officer")
    dataflow(config, "roles", "rotate", "marketing", code=2)
    dataflow(config, "audit", "list")
    dataflow(config, "audit", "verify")
    config.write_text(config.read_text().replace("privacy_officer", "analyst"))
    dataflow(config, "audit", "list", code=2)
    # Who has been given the files needs no role.
    log = str(log_root(settings_of(config)))
    dataflow(config, "audit", "verify", "--log", log)


def test_a_token_decides_who_may(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataflow(config, "token", "issue", "--role", "analyst")
    monkeypatch.setenv("DATAFLOW_TOKEN", capsys.readouterr().out.strip())
    dataflow(config, "audit", "list", code=2)
    monkeypatch.setenv("DATAFLOW_TOKEN", "dft_wrong")
    dataflow(config, "audit", "list", code=2)
    assert "dft_wrong" not in capsys.readouterr().err
