"""One ZIP code in several forms, and postcodes of other countries that look like one."""

import duckdb
import pytest

from dataflow.vocabulary.postcodes import delivery_area_sql, zip_code_sql


@pytest.mark.parametrize(
    ("country", "code", "written", "area"),
    [
        ("US", "02139", "02139", "02139"),
        ("US", "2139", "02139", "02139"),
        ("US", "2139.0", "02139", "02139"),
        ("US", "501", "00501", "00501"),
        ("US", "02139-4307", "02139-4307", "02139"),
        ("USA", "2139-4307", "02139-4307", "02139"),
        ("US", "021394307", "02139-4307", "02139"),
        ("US", "21394307", "02139-4307", "02139"),
        ("PR", "907", "00907", "00907"),
        ("US", "K1A0B1", "K1A0B1", "K1A0B1"),
        ("CH", "8001", "8001", "8001"),
        ("DE", "1067", "1067", "1067"),
        (None, "2139", "2139", "2139"),
        (None, "02139-4307", "02139-4307", "02139"),
        ("BR", "01310-1000", "01310-1000", "01310-1000"),
        ("US", None, None, None),
    ],
)
def test_zip_codes(country: str | None, code: str | None, written: str | None, area: str | None) -> None:
    rows = "(SELECT ?::VARCHAR AS code, ?::VARCHAR AS country)"
    found = [zip_code_sql("code", country="country"), delivery_area_sql("code", country="country")]
    assert duckdb.execute(f"SELECT {', '.join(found)} FROM {rows}", [code, country]).fetchone() == (written, area)
