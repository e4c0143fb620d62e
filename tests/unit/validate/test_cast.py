"""Texts that a declared type holds exactly, and those that it would round, cut or read as something else."""

import duckdb
import pytest

from dataflow.validate.cast import cast_sql, lost_sql, zero_date_sql

EXACT = {
    "BIGINT": ("7", " 7 ", "007", "+7", "3.0", "1e3", "9223372036854775807"),
    "HUGEINT": ("170141183460469231731687303715884105727",),
    "DECIMAL(12,2)": ("19.9", "19.90", "19.900", "5.", ".5", "1e1", "-3.10"),
    "DECIMAL": ("1.234",),
    "DOUBLE": ("0.1", ".5", "0e5", "0.0", "5.", "1e5", "12", "9007199254740992"),
    "DATE": ("2024-01-02", "2024/1/2", "2024-01-02 00:00:00", "2024-01-02T00:00:00Z"),
    "TIMESTAMP": ("2024-01-02", "2024-01-02 10:00:00", "2024-01-02T10:00:00.123Z"),
    "BOOLEAN": ("true", "0"),
}
LOST = {
    "BIGINT": ("3.7", "1e-10", "1.5e0", "0x1F", "0b11", "1_000", "1,000", "seven"),
    "DECIMAL(12,2)": ("1.234", "19.999", "0.004", "1e-3", "1_0.5", "1e400", "12,50"),
    "DECIMAL(5)": ("1.5",),
    "DOUBLE": ("1e400", "nan", "inf", "0x1F", "1_000", "1234567890123456789", "1e-400"),
    "FLOAT": ("16777217", "1e-60"),
    "DATE": ("10-11-12", "epoch", "infinity", "2024-01-02 10:00:00", "2026-02-31", "2024-01-02 BC", "2024-01-02 10",
             "2024-01-02x", "2024-01-02+02"),
    "TIMESTAMP": ("10-11-12", "epoch", "-infinity", "2024-01-02T10:00-05"),
    "TIMESTAMPTZ": ("epoch", "10-11-12"),
    "BOOLEAN": ("2",),
}  # fmt: skip


def is_lost(kind: str, text: str) -> bool:
    row = duckdb.execute(f"SELECT {lost_sql('t', kind)} FROM (SELECT ?::VARCHAR AS t)", [text]).fetchone()
    assert row is not None
    return bool(row[0])


@pytest.mark.parametrize("kind", EXACT)
def test_what_a_type_holds_is_kept(kind: str) -> None:
    assert [text for text in EXACT[kind] if is_lost(kind, text)] == []


@pytest.mark.parametrize("kind", LOST)
def test_what_a_type_does_not_hold_exactly_is_flagged(kind: str) -> None:
    assert [text for text in LOST[kind] if not is_lost(kind, text)] == []


@pytest.mark.parametrize(
    "text", ["2024-01-02 10:00:00+02", "2024-01-02T10:00:00+02:00", "2024-01-02T10:00:00.000+0200"]
)
def test_an_offset_moves_a_timestamp_to_utc(text: str) -> None:
    cast = f"SELECT ({cast_sql('t', 'TIMESTAMP')})::VARCHAR FROM (SELECT ? AS t)"
    assert duckdb.execute(cast, [text]).fetchone() == ("2024-01-02 08:00:00",)


@pytest.mark.parametrize(
    ("kind", "text", "is_zero"),
    [
        ("TIMESTAMP", "1899-12-30T00:00:00Z", True),
        ("TIMESTAMP", "1899-12-30 14:30:00", True),
        ("TIMESTAMPTZ", "0001-01-01T00:00:00+00:00", True),
        ("TIMESTAMP", " 0000-00-00 00:00:00", True),
        ("TIMESTAMPTZ", "0000-12-31T23:00:00Z", True),
        ("TIMESTAMP", "1753-01-01", True),
        ("TIMESTAMP", "1900-01-01T00:00:00.000", True),
        ("TIMESTAMP", "1970-01-01 00:00:00", True),
        ("TIMESTAMP", "1970-01-01 00:00:01", False),
        ("DATE", "1970-01-01", False),
        ("DATE", "1900-01-01", False),
        ("DATE", "1899-12-30", True),
        ("DATE", "1899-12-29", False),
        ("TIMESTAMP", "2024-01-02 10:00:00", False),
        ("TIMESTAMP", None, False),
    ],
)
def test_zero_dates_of_software_are_no_dates(kind: str, text: str | None, is_zero: bool) -> None:
    sql = f"SELECT {zero_date_sql('t', kind)} FROM (SELECT ?::VARCHAR AS t)"
    assert duckdb.execute(sql, [text]).fetchone() == (is_zero,)
