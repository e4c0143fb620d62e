"""The short check of plain addresses agrees with the library."""

import email_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.values import is_currency, is_ip_address, normal_email

LETTERS = st.text(alphabet="abcXYZ019.-_+'@ é\"", max_size=12)
DOMAINS = st.one_of(LETTERS, st.sampled_from(["example.org", "Example.ORG", "exämple.de", "a.b", "x-.gr", "1.2.3.4"]))


def by_library(text: str) -> str | None:
    try:
        return email_validator.validate_email(text, check_deliverability=False, test_environment=True).normalized
    except email_validator.EmailNotValidError:
        return None


@given(st.builds("{}@{}".format, LETTERS, DOMAINS))
def test_normal_form_is_the_librarys(text: str) -> None:
    assert normal_email(text) == by_library(text)


@pytest.mark.parametrize("size", [63, 64, 65, 250])
def test_lengths_are_the_librarys(size: int) -> None:
    text = "a" * size + "@" + "b" * 60 + "." + "c" * 60 + ".org"
    assert normal_email(text) == by_library(text)


@pytest.mark.parametrize(("text", "expected"), [("127.0.0.1", True), ("::1", True), ("1.2.3.4.5", False), ("", False)])
def test_ip_addresses(text: str, expected: bool) -> None:
    assert is_ip_address(text) is expected


@pytest.mark.parametrize(("text", "expected"), [("USD", True), ("chf ", True), ("U$", False), ("EURO", False)])
def test_currencies(text: str, expected: bool) -> None:
    assert is_currency(text) is expected
