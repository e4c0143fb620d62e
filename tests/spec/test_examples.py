"""Every example of the help, and every block of README and CONTRIBUTING that a reader would type, does what it says.

The lines run one after another on one small company, those that only read it first.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from dataflow.cli.main import run
from dataflow.settings import Settings, SourceSettings
from dataflow.settings.adapters import ADAPTERS
from tests.lib.commands import every_command, parse
from tests.lib.homes import LATER

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", ".github/CONTRIBUTING.md")

BLOCK = re.compile(r"^(?:<!-- no-test: (?P<reason>[^\n]+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
EXAMPLE = re.compile(r"^\s*(?:Examples?:)?\s*(dataflow .+)$", re.M)

BLOCKS_NOT_RUN = 3
NOT_RUN = {
    "dataflow alerts ack 3f2a91": "an incident; tests/spec/test_alerts.py",
    "dataflow alerts show 3f2a91": "an incident; tests/spec/test_alerts.py",
    "dataflow alerts test": "a channel; tests/spec/test_alerts.py",
    "dataflow backfill --from 2026-01-01 --to 2026-03-31 --window 1d --workers 10": "tests/spec/test_cli_check.py",
    "dataflow bench --sizes 10000,100000": "minutes of measuring; tests/unit/test_bench.py",
    "dataflow bench identity --sizes 1000000,10000000": "minutes of measuring; tests/unit/test_bench_identity.py",
    "dataflow bench access --records 20000 --entries 100000": "a minute of measuring; tests/unit/test_bench_access.py",
    "dataflow bench audit --entries 100000": "seconds of measuring; tests/unit/test_bench_audit.py",
    "dataflow bench quality --histories 20 --records 2000": "a minute of measuring; tests/unit/test_bench_quality.py",
    "dataflow bench ui --records 1000000": "hours; tests/integration/ui/test_bench.py times some requests",
    "dataflow bench serve --records 500": "half a minute of measuring; tests/unit/test_bench_serve.py",
    "dataflow bench sources --source mysql --object orders --rows 100000": "a server; tests/integration/sources",
    "dataflow contract import orders.odcs.yaml": "a document; tests/unit/govern/contracts",
    "dataflow check": "a run; tests/spec/test_cli_check.py",
    "dataflow check --source mysql --since 2026-01-01": "a run; tests/spec/test_cli_check.py",
    "dataflow demo --records 5000 --days 3": "a minute; tests/spec/test_cli.py runs it on 600 records",
    "dataflow deploy --profile ecs --shadow --budget 0.01": "a server; tests/spec/test_shadow.py, test_ecs.py",
    "dataflow discover exports --into my-company": "files of somebody's; tests/integration/discover",
    "dataflow follow --every 30s": "a process without end; tests/spec/test_follow.py",
    "dataflow plan --retrain": "a whole publication; tests/spec/test_retrain.py",
    "dataflow ui --no-browser": "a server without end; tests/integration/ui/test_command.py",
    "dataflow rules show order_total": "a rule; tests/unit/govern/test_rules.py",
    "dataflow rules try new-rules.toml": "a file of rules; tests/unit/govern/test_rules.py",
    "dataflow run --source salesforce --object contact --since 2026-01-01": "a run; as the one that does run",
}
BY_THE_FIXTURE = ("dataflow init my-company && cd my-company", "$EDITOR dataflow.toml")

CHANGING = (
    *("run", "dlq replay", "dlq discard", "review decide", "review undo", "drift", "sample", "sinks adopt"),
    *("roles rotate", "token revoke"),
)
LAST = ("maintain", "reset", "restore")
"""Commands that change the company, in this order, after those that read it."""


def blocks(kind: str) -> Iterator[tuple[str, str, str | None]]:
    """Page, text and the reason not to run of each block with this info string."""
    for page in PAGES:
        for found in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
            if found["kind"] == kind:
                yield page, found["text"], found["reason"]


def lines_of_pages() -> Iterator[str]:
    """The command lines of the blocks that run, comments stripped."""
    for _, text, reason in blocks(""):
        for line in text.splitlines() if reason is None else ():
            if line.strip():
                yield re.sub(r"\s+# .*$", "", line).strip()


def lines_of_help() -> Iterator[str]:
    """The examples of all commands."""
    for _, command in every_command():
        yield from EXAMPLE.findall(command.help or "")


def rank(line: str) -> int:
    order = (*CHANGING, *LAST)
    return next((n for n, name in enumerate(order, 1) if line.startswith(f"dataflow {name}")), 0)


LINES = sorted(
    dict.fromkeys(one for one in (*lines_of_help(), *lines_of_pages()) if one not in BY_THE_FIXTURE), key=rank
)


@dataclass(frozen=True)
class Company:
    """A project with two published days, and what stands for the ids, times and files that the examples name."""

    folder: Path
    dead_letter: str
    pair: str
    token: str
    publications: tuple[int, int]
    published_at: str
    email: str

    def filled(self, line: str) -> str:
        """The line with the names that this company has in place of those of the manual."""
        known = self.dead_letter
        for command, own in (("dataflow review", self.pair), ("dataflow token", self.token)):
            known = own if line.startswith(command) else known
        first, second = self.publications
        for name, own in (
            ("3f2a91", known),
            ("diff 12 17", f"diff {first} {second}"),
            ("2026-01-31T18:00:00Z", self.published_at),
            ("jane@example.org", self.email),
            ("--as-of 2026-01-31", f"--as-of {self.published_at}"),
            ("--records 100000", "--records 500"),
            ("dataflow run", f"dataflow run --now {LATER}"),
        ):
            line = line.replace(name, own)
        return line


@pytest.fixture(scope="module")
def company(second_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Make the project by README's own lines; a copy of the published home stands for what its owner fills in."""
    assert set(BY_THE_FIXTURE) <= set(lines_of_pages())
    with contextlib.chdir(tmp_path_factory.mktemp("examples")):
        assert run(["init", "my-company"]) == 0
        folder = Path("my-company").resolve()
    shutil.copytree(second_day, folder / ".dataflow")
    people = [f"{n}{c},Ann{n},Example{n},ann{n}@example.org,{n}" for n in range(30) for c in "ab"]
    (folder / "people.csv").write_text("\n".join(["id,given_name,surname,email,person_id", *people]))
    with contextlib.chdir(folder):
        assert run(["token", "issue", "--role", "analyst"]) == 0
        publications = ask(
            "query",
            "select snapshot_id, snapshot_time::varchar as at from ducklake_snapshots('lake')"
            " where commit_message like 'daily: published%' order by 1",
        )
        yield Company(
            folder=folder,
            dead_letter=ask("dlq", "list")[0]["id"],
            pair=ask("review", "list")[0]["pair_id"],
            token=ask("token", "list")[0]["id"],
            publications=(publications[0]["snapshot_id"], publications[-1]["snapshot_id"]),
            email=ask("query", "select min(email) as email from published.customer_360")[0]["email"],
            published_at=datetime.fromisoformat(publications[-1]["at"]).astimezone(UTC).isoformat(),
        )


def add_fields(contacts: Path) -> None:
    """Have the newest contacts bring two fields that dataflow.toml does not declare."""
    page = sorted(contacts.glob("*/page-*.json"))[-1]
    told = json.loads(page.read_text(encoding="utf-8"))
    for record in told["records"]:
        record |= {"Region__c": "EMEA", "Tier__c": "A"}
    page.write_text(json.dumps(told), encoding="utf-8")


def ask(*arguments: str) -> list[dict[str, str]]:
    """What a command answers with `-o json`."""
    answered = io.StringIO()
    with contextlib.redirect_stdout(answered):
        assert run([*arguments, "-o", "json"]) == 0
    found: list[dict[str, str]] = json.loads(answered.getvalue())
    return found


@pytest.mark.parametrize("line", [one for one in LINES if one not in NOT_RUN])
def test_an_example_works(
    line: str, company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(company.folder)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    command, _, target = company.filled(line).partition(" > ")
    if line.startswith("dataflow drift"):
        add_fields(company.folder / ".dataflow/sample/salesforce/Contact")
    arguments = shlex.split(command)
    assert arguments[0] == "dataflow"
    code = run(arguments[1:])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert told.out + told.err
    if target:
        assert told.out.count("\n") > 1
    if line == "dataflow run":
        assert "Published" not in told.out


@pytest.mark.parametrize("line", NOT_RUN)
def test_an_example_that_is_not_run_is_one_and_is_understood(line: str) -> None:
    assert line in LINES
    parse(shlex.split(line)[1:])


def test_blocks_that_are_not_run_say_why_and_are_counted() -> None:
    reasons = [reason for _, _, reason in blocks("") if reason]
    assert len(reasons) == BLOCKS_NOT_RUN
    assert all(len(reason) > 10 for reason in reasons)


@pytest.mark.parametrize("text", [text for _, text, _ in blocks("toml")])
def test_a_block_of_settings_is_one(text: str) -> None:
    sections = tomllib.loads(text)
    for name in sections.keys() - {"sources"}:
        TypeAdapter(Settings.model_fields[name].annotation).validate_python(sections[name])
    for declared in sections.get("sources", {}).values():
        adapter = ADAPTERS[declared["adapter"]]
        assert set(declared) <= set(SourceSettings.model_fields)
        if adapter.section:
            adapter.section.model_validate(declared[adapter.name])


@pytest.mark.parametrize(
    "page",
    [
        *PAGES,
        ".github/decisions/README.md",
        *sorted(str(path.relative_to(ROOT)) for path in (ROOT / ".github/decisions").glob("2*.md")),
    ],
)
def test_what_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []
    folders = "tests|checks|lakehouse|dataflow|flows|deployments"
    paths = re.findall(rf"`((?:{folders})/[\w./-]+)`", text)
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
