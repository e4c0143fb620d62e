"""Nothing that is printed acts on the terminal, and every encoding takes it."""

import io
import json
import os
import subprocess
import sys
import unicodedata
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.cli.failing import explain
from dataflow.cli.main import run
from dataflow.cli.options import Output
from dataflow.cli.output import messages, write_json, write_line, write_rows
from dataflow.cli.reviewing import waterfall_lines
from dataflow.errors import UsageError
from dataflow.observe.visible import visible
from dataflow.resolve.judgements.explain import Explanation, Step

CRASHING = [r"x\[/foo]", "[/]", "[bold", "a:x:b", "\x1b[31mred", "\x1b]0;title\x07", "\u202egnp.exe", "[link=x]y"]
texts = st.text(max_size=30) | st.sampled_from(CRASHING)


def controls(text: str) -> set[str]:
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in "\u202e\u2066\u061c"}


@given(texts, texts, texts)
def test_a_table_shows_values_headings_and_titles_as_they_are(value: str, heading: str, title: str) -> None:
    with redirect_stdout(io.StringIO()) as out:
        write_rows([heading, "n"], [[value, 1]], output=Output.TABLE, title=f"T{title}")
    told = out.getvalue()
    assert controls(told) <= {"\n"}
    for text in (value, heading, f"T{title}"):
        assert visible(text).rstrip() in told


@given(texts)
def test_lines_messages_and_errors_show_text_as_it_is(text: str) -> None:
    text = f"<{text}>"
    note = UsageError(text, next_move=text)
    note.add_note(text)
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        write_line(text, (text, "bold"))
        messages.print(text)
        explain(note, debug=False)
    shown = visible(text, keep_newlines=True)
    assert controls(out.getvalue() + err.getvalue()) <= {"\n"}
    assert shown * 2 in out.getvalue()
    assert err.getvalue().count(shown) == 4


def test_only_our_own_colours_reach_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with redirect_stdout(io.StringIO()) as out:
        write_line(("Pair", "bold"), " \x1b[31m[red]x[/red]")
    assert out.getvalue() == "\x1b[1mPair\x1b[0m \\x1b[31m[red]x[/red]\n"


def test_a_wrong_argument_is_shown_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["query", "--\x1b[31m[/foo]", "x"]) == 2
    assert run(["\x1b]0;x\x07[/foo]"]) == 2
    assert "\x1b" not in capfd.readouterr().err


PROGRAM = """
from dataflow.cli import main, output
from dataflow.cli.options import Output
value = {"náme": "Zoë\\x1b", "bar": "│██→", "surname": "李", "n": 1}
def run(_):
    for form in ("table", "json", "csv"):
        output.write_records([value], output=Output(form), title="Straße")
        output.write_line("----")
    output.messages.print("déjà ━ 李")
    return 0
main.run = run
main.main()
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_takes_any_answer(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    table, in_json, in_csv, _ = done.stdout.split(b"----\n")
    assert b"|##->" in table
    assert rb"\u674e" in table
    assert "Zoë\\x1b".encode(encoding, "backslashreplace") in table
    assert done.stderr == "déjà - 李\n".encode(encoding, "backslashreplace")
    assert json.loads(in_json.decode("ascii")) == [{"náme": "Zoë\x1b", "bar": "│██→", "surname": "李", "n": 1}]
    assert in_csv.decode("utf-8") == "náme,bar,surname,n\nZoë\x1b,│██→,李,1\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_help_is_written_in_any_encoding(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dataflow.cli", "--help"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert ("─" in done.stdout.decode(encoding)) is (encoding == "utf-8")
    assert b"\\u2500" not in done.stdout


def test_json_on_a_terminal_holds_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": "a\x1b\x9b\u202eb"})
    told = capsys.readouterr().out
    assert controls(told) == {"\n"}
    assert json.loads(told) == {"name": "a\x1b\x9b\u202eb"}


def test_bars_of_a_pair_are_parts_and_no_markup() -> None:
    steps = (Step(name="Same [name]", weight=12.0, text=""), Step(name="Other street", weight=-15.0, text=""))
    explained = Explanation(
        entity_type="person",
        steps=steps,
        not_compared=(),
        weight=-3.0,
        probability=0.1,
        link_weight=2.0,
        link_probability=0.8,
    )
    lines = waterfall_lines(explained)
    assert [str(line[0]).split("  ")[1] for line in lines] == ["Same [name]", "Other street", "Total"]
    assert {part[1] for line in lines for part in line if isinstance(part, tuple)} == {"green", "red"}
