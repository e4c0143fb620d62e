"""Notes and verifier keys by the vector of the format's first implementation, and signed heads."""

from __future__ import annotations

import pytest

from dataflow.access.log.checkpoint import Head, Signer, VerifierKey, head_of, split_note

# The example of golang.org/x/mod/sumdb/note.
KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUg"
    "YN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_known_note_is_opened_with_its_key() -> None:
    key = VerifierKey.parse(KEY)
    assert str(key) == KEY
    assert key.open_note(NOTE) == split_note(NOTE)[0]
    with pytest.raises(ValueError, match="no valid signature"):
        key.open_note(NOTE.replace("answer", "Answer"))


@pytest.mark.parametrize("text", ["", "name", "name+00000000+AA==", KEY.replace("c74f20a3", "c74f20a4")])
def test_what_is_not_a_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        VerifierKey.parse(text)


def test_a_signed_head_is_a_checkpoint() -> None:
    signer = Signer("dataflow/a/1", bytes(range(32)))
    head = Head("dataflow/a/1", 3, bytes(32))
    note = signer.verifier.note(head, signer.sign(head))
    assert note.splitlines()[:3] == ["dataflow/a/1", "3", "A" * 43 + "="]
    assert head_of(signer.verifier.open_note(note)) == head
    other = Signer("dataflow/a/1", bytes(32)).verifier
    with pytest.raises(ValueError, match="no valid signature"):
        other.open_note(note)


@pytest.mark.parametrize("text", ["a\n", "a\n-1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n"])
def test_what_is_not_a_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        head_of(text)


def test_a_signer_does_not_show_its_key() -> None:
    assert bytes(range(32)).hex() not in repr(vars(Signer("a", bytes(range(32)))))
