"""Which encoding a file is in is seen from its bytes."""

import io

import pytest

from dataflow.sources.files.encoding import SHOW_MISFITS, detect_encoding

HEADER = "ticket_id,subject,updated_at\n"
WESTERN = HEADER + "T1,Größe für Zoë à Genève – déjà vu,2026-03-01\n" * 20
CYRILLIC = HEADER + "T1,Здравствуйте где мой заказ пожалуйста ответьте,2026-03-01\n" * 20


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HEADER.encode(), "utf-8"),
        (b"", "utf-8"),
        (WESTERN.encode(), "utf-8"),
        (WESTERN.encode("utf-8-sig"), "utf-8-sig"),
        (WESTERN.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + WESTERN.encode("utf-16-be"), "utf-16"),
        (WESTERN.encode("utf-16-le"), "utf-16-le"),
        (WESTERN.encode("utf-16-be"), "utf-16-be"),
        (WESTERN.encode("cp1252"), "cp1252"),
        ((HEADER + "T1,Zoë,\n").encode("cp1252"), "cp1252"),
        (WESTERN.encode()[:-25] + b"\xc3", "utf-8"),
        (WESTERN.encode() + b"T2,\xff,\n", "utf-8"),
        (HEADER.encode() + b"T1,J\xff\xfeo,\nT2,Jos\xc3\xa9 M\xfcnchen,\nT3,x\xff,\n", "utf-8"),
        ((HEADER * 100_000).encode() + b"T2,Zo\xeb,\n", "cp1252"),
    ],
    ids=[
        "letters only", "nothing", "utf-8", "utf-8 marked", "utf-16", "utf-16 big", "utf-16 unmarked",
        "utf-16 big unmarked", "windows", "windows, one letter", "utf-8 cut in a letter", "utf-8, one bad byte",
        "mixed", "windows, one letter late",
    ],
)  # fmt: skip
def test_detection(content: bytes, expected: str) -> None:
    assert detect_encoding(io.BytesIO(content)) == expected


def test_a_text_that_windows_1252_would_garble_is_guessed() -> None:
    content = CYRILLIC.encode("cp1251")
    assert content.decode(detect_encoding(io.BytesIO(content))) == CYRILLIC


def test_bytes_that_do_not_fit_are_shown() -> None:
    assert b"a\xffb".decode("utf-8", SHOW_MISFITS) == "a\ufffd\\xffb"
    with pytest.raises(UnicodeEncodeError):
        "é".encode("ascii", SHOW_MISFITS)
