"""What is shown of a text can be read back, and moves no cursor."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.observe.visible import escape_json, visible

NASTY = "\U000e0041\xad\x1b\x00\x07\x7f\x9b\u202e\u2066\u200e\u061c\ufeff\u2028\ud800\\xuUn01bt \n\t\r"
texts = st.text() | st.text(st.sampled_from(NASTY)) | st.text(st.sampled_from(NASTY) | st.characters())


def read_back(shown: str) -> str:
    """Undo `visible`, by its rule in words: only an odd number of backslashes before an escape makes one."""

    def undo(found: re.Match[str]) -> str:
        backslashes, code = found.groups()
        half = "\\" * (len(backslashes) // 2)
        if len(backslashes) % 2 == 0:
            return half + code
        letters = {"t": "\t", "n": "\n", "r": "\r"}
        return half + (letters.get(code) or chr(int(code[1:], 16)))

    return re.sub(r"(\\+)([tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", undo, shown)


@given(texts)
def test_every_text_can_be_read_back_and_none_has_a_control_character(text: str) -> None:
    shown = visible(text)
    assert read_back(shown) == text
    assert {unicodedata.category(c) for c in shown}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})


@given(texts)
def test_lines_may_be_kept(text: str) -> None:
    shown = visible(text, keep_newlines=True)
    assert read_back(shown) == text
    assert "".join(c for c in shown if unicodedata.category(c) == "Cc") == "\n" * text.count("\n")


# Source: Unicode 16, DerivedCoreProperties.txt, Default_Ignorable_Code_Point.
IGNORABLE = (
    "00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8 "
    "1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)


def test_every_character_that_is_not_seen_is_escaped_and_no_other_but_the_joiners_stay() -> None:
    invisible: set[int] = set()
    for each in IGNORABLE.split():
        first, _, last = each.partition("-")
        invisible |= set(range(int(first, 16), int(last or first, 16) + 1))
    categories = {code: unicodedata.category(chr(code)) for code in range(0x110000)}
    invisible |= {code for code, category in categories.items() if category in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    escaped = {code for code in categories if visible(chr(code)) != chr(code)}
    # An older Unicode of this Python does not know the newest format characters.
    assert {code for code in escaped ^ invisible if categories[code] != "Cn"} == {0x200C, 0x200D}
    assert escaped >= invisible - {0x200C, 0x200D}
    written = " ".join(map(chr, sorted(escaped)))
    assert json.loads(escape_json(json.dumps(written, ensure_ascii=False))) == written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x\\[/foo]", "x\\[/foo]"),
        ("a:x:b [bold]C:\\data\\", "a:x:b [bold]C:\\data\\"),
        ("Ann\x1b[2J\x1b]0;root\x07\x9b1m", r"Ann\x1b[2J\x1b]0;root\x07\x9b1m"),
        ("Ann\u202eeoD", r"Ann\u202eeoD"),
        ("An\xadn\u3164\ufe0f\U000e0041", r"An\xadn\u3164\ufe0f\U000e0041"),
        (r"\U000e0041", r"\\U000e0041"),
        ("12 High St\nFlat 4\tB", r"12 High St\nFlat 4\tB"),
        # as it was written: no control character stands here, and so the backslash is doubled
        (r"\x1b", r"\\x1b"),
        ("می‌خواهم क्‍ष", "می‌خواهم क्‍ष"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(texts)
def test_json_means_the_same(text: str) -> None:
    written = json.dumps({text: [text]}, ensure_ascii=False)
    assert json.loads(escape_json(written)) == {text: [text]}
    assert "Cc" not in {unicodedata.category(c) for c in escape_json(written)}
