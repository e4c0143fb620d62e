"""Texts that are compiled once for a state of the code."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from dataflow.workspace import compiled as module
from dataflow.workspace.compiled import compiled, compiled_once, keep, recall


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "compiled-now"
    monkeypatch.setattr(module, "_folder", lambda: folder)
    yield folder
    folder.parent.chmod(0o700)


def test_a_text_is_made_once_for_all_processes() -> None:
    made: list[int] = []
    for _ in range(2):
        assert compiled_once("of one", lambda: f"text {made.append(1)}") == "text None"
    assert compiled_once("of two", lambda: "other") == "other"
    assert len(made) == 1


def test_arguments_tell_texts_apart() -> None:
    made: list[object] = []

    def text(day: date, *, name: str = "") -> str:
        made.append(day)
        return f"{day} {name}"

    for _ in range(2):
        again = compiled(text)
        assert [again(date(2026, 1, 1)), again(date(2026, 1, 2), name="x")] == ["2026-01-01 ", "2026-01-02 x"]
    assert made == [date(2026, 1, 1), date(2026, 1, 2)]


def test_what_former_code_has_left_is_removed(folder: Path) -> None:
    former = folder.with_name("compiled-before")
    former.mkdir()
    (former / "text").touch()
    keep("name", b"content")
    assert (recall("name"), former.exists()) == (b"content", False)


def test_it_does_not_grow_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    for number in range(20):
        keep(str(number), b"")
        assert len(list(folder.iterdir()) if folder.exists() else []) <= 5


def test_without_a_folder_each_process_compiles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("no folder")
    assert [compiled_once("name", text.strip) for text in ("one ", "two ")] == ["one", "two"]


def test_an_error_is_not_kept() -> None:
    def fail() -> str:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        compiled_once("name", fail)
    assert compiled_once("name", lambda: "right") == "right"


def test_the_folder_is_that_of_the_files_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = list(module._sources(str(tmp_path)))
    (tmp_path / "a.py").write_text("12")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "b.py").touch()
    after = list(module._sources(str(tmp_path)))
    assert len(before) == len(after) == 1
    assert before != after
