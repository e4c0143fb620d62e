"""Companies found by domain: whose, which, and what happens to a file that is not one."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import ConfigurationError
from lakehouse import Lake
from tests.lib.customers import World
from tests.lib.enriching import Enriched
from tests.lib.publishing import settings_in


@pytest.fixture
def companies(tmp_path: Path) -> Path:
    path = tmp_path / "companies.parquet"
    rows = [
        {"domain": "Acme.example", "company_name": "Acme", "employee_count": 300, "naics_code": "332710"},
        {"domain": "acme.example", "company_name": "Acme Branch", "employee_count": 3, "naics_code": "1"},
        {"domain": "gmail.com", "company_name": "A mail provider", "employee_count": 9, "naics_code": "518"},
        {"domain": "yahoo.it", "company_name": "Another", "employee_count": 9, "naics_code": "518"},
        {"domain": None, "company_name": "No domain", "employee_count": 1, "naics_code": "11"},
    ]
    extra = {"annual_revenue_usd": 5, "founded_year": 1999, "country_code": "US"}
    pq.write_table(pa.Table.from_pylist([{**row, **extra} for row in rows]), path)
    return path


def test_a_domain_leads_to_its_company(lake: Lake, tmp_path: Path, companies: Path) -> None:
    world = World()
    world.customer("company", entity_type="company", website_domain="acme.example")
    world.customer("employee", email="ann@acme.example")
    world.customer("at home", email="ann@gmail.com")
    world.customer("abroad", email="ann@yahoo.it")
    world.customer("stranger", email="bob@elsewhere.example")
    world.customer("no mail")
    tables = Enriched(lake, tmp_path, settings_in(tmp_path, firmographics=str(companies))).run(world)
    found = {row["customer_id"]: (row["domain"], row["company_name"]) for row in tables["firmographics"]}
    # Two rows with one domain: the larger company is meant.
    assert found == {"company": ("acme.example", "Acme"), "employee": ("acme.example", "Acme")}
    industries = {row["customer_id"]: (row["industry_code"], row["method"]) for row in tables["industry"]}
    assert industries == {"company": ("31", "firmographics"), "employee": ("31", "firmographics")}


@pytest.mark.parametrize("content", [b"not Parquet", None], ids=["no Parquet", "other columns"])
def test_a_file_that_is_not_what_is_expected_is_refused(lake: Lake, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "companies.parquet"
    if content is None:
        pq.write_table(pa.table({"name": ["x"]}), path)
    else:
        path.write_bytes(content)
    world = World()
    world.customer("a", email="ann@acme.example")
    with pytest.raises(ConfigurationError, match="employee_count BIGINT"):
        Enriched(lake, tmp_path, settings_in(tmp_path, firmographics=str(path))).run(world)


def test_a_missing_file_is_named(lake: Lake, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.parquet")
    with pytest.raises(ConfigurationError, match=r"gone\.parquet, which cannot be read"):
        Enriched(lake, tmp_path, settings_in(tmp_path, firmographics=gone)).run(World())
