"""Texts that a declared type holds exactly, and those that it would round, cut or read as something else."""

import duckdb
import pytest

from dataflow.validate.cast import cast_sql, lost_sql

EXACT = {
    "BIGINT": ("7", " 7 ", "007", "+7", "3.0", "1e3", "9223372036854775807"),
    "HUGEINT": ("170141183460469231731687303715884105727",),
    "DECIMAL(12,2)": ("19.9", "19.90", "19.900", "5.", ".5", "1e1", "-3.10"),
    "DECIMAL": ("1.234",),
    "DOUBLE": ("0.1", ".5", "5.", "1e5", "12", "9007199254740992"),
    "DATE": ("2024-01-02", "2024/1/2", "2024-01-02 00:00:00", "2024-01-02T00:00:00Z"),
    "TIMESTAMP": ("2024-01-02", "2024-01-02 10:00:00", "2024-01-02T10:00:00.123Z"),
    "BOOLEAN": ("true", "0"),
}
LOST = {
    "BIGINT": ("3.7", "1e-10", "1.5e0", "0x1F", "0b11", "1_000", "1,000", "seven"),
    "DECIMAL(12,2)": ("1.234", "19.999", "0.004", "1e-3", "1_0.5", "1e400", "12,50"),
    "DECIMAL(5)": ("1.5",),
    "DOUBLE": ("1e400", "nan", "inf", "0x1F", "1_000", "1234567890123456789"),
    "FLOAT": ("16777217",),
    "DATE": ("10-11-12", "epoch", "infinity", "2024-01-02 10:00:00", "2026-02-31"),
    "TIMESTAMP": ("10-11-12", "epoch", "-infinity", "2024-01-02T10:00-05"),
    "TIMESTAMPTZ": ("epoch", "10-11-12"),
    "BOOLEAN": ("2",),
}


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
