"""A person by all ids: never empty, never in a log, and no look-up of known addresses."""

import pytest

from dataflow.errors import UsageError
from dataflow.tables.subject import HASH_KINDS, KeyedHash, Subject

KEY = b"k" * 32


def test_an_empty_subject_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one"):
        Subject()


def test_its_text_holds_counts_only() -> None:
    person = Subject(customer_ids=frozenset({"c1"}), record_ids=frozenset({"crm|contact|7", "crm|lead|9"}))
    assert f"{person}" == repr(person) == "Subject(1 customers, 2 records, 0 hashes)"


def test_two_are_taken_for_one() -> None:
    mail = KeyedHash.of("email", "a@example.org", key=KEY)
    one, other = (
        Subject(customer_ids=frozenset({"c1"})),
        Subject(customer_ids=frozenset({"c2"}), hashes=frozenset({mail})),
    )
    assert one.joined(other) == Subject(customer_ids=frozenset({"c1", "c2"}), hashes=frozenset({mail}))


def test_a_hash_depends_on_kind_value_and_key() -> None:
    hashes = {
        KeyedHash.of(kind, value, key=key).digest
        for kind in HASH_KINDS
        for value in ("1", "2")
        for key in (KEY, b"j" * 32)
    }
    assert len(hashes) == len(HASH_KINDS) * 4
    # printf 'email\0a@example.org' | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
    assert (
        KeyedHash.of("email", "a@example.org", key=KEY).digest
        == "a409f050b81dac3c37f2cd86bc2a53d2697816dc191f283018ea6e3bdf53679f"
    )


@pytest.mark.parametrize(
    ("kind", "value", "key", "message"),
    [
        ("name", "x", KEY, "no keyed hash of name"),
        ("email", "", KEY, "needs a value"),
        ("email", "x", b"short", "too short"),
    ],
)
def test_what_would_make_a_weak_hash_is_refused(kind: str, value: str, key: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        KeyedHash.of(kind, value, key=key)
