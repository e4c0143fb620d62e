"""Telephones of a file, as the pipeline reads them."""

from __future__ import annotations

import duckdb
import pytest

from dataflow.conform.phones import read_phones
from dataflow.resolve.own_file.kinds import BY_NAME


@pytest.mark.parametrize("text", ["4.4791E+11", "4,4791e11", " 1.2125550147E+10 ", "+4.4791E+11", "0000000", "1234567"])
def test_what_the_pipeline_does_not_read_a_file_does_not(text: str) -> None:
    assert read_phones(text, "GB") == ()
    assert number_in_a_file(text) is None


@pytest.mark.parametrize("text", ["+44 7911 123456", "07911 123456", "+447911123456 ext. 7"])
def test_what_is_a_number_is_read_by_both(text: str) -> None:
    assert read_phones(text, "GB")[0].endswith("7911123456")
    assert number_in_a_file(text) == "7911123456"


def number_in_a_file(text: str) -> str | None:
    sql = BY_NAME["phone"].inputs["phone"].replace("{}", "$1::VARCHAR")
    (found,) = duckdb.execute(f"SELECT {sql}", [text]).fetchall()[0]
    return None if found is None else str(found)
