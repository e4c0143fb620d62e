"""What a declared source must say depends on its adapter."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dataflow.settings import ObjectSettings, SourceSettings

COLUMNS: dict[str, Any] = {"key": "id", "cursor": "at", "fields": {"id": "VARCHAR", "at": "TIMESTAMPTZ"}}


@pytest.mark.parametrize("adapter", ["files", "s3"])
def test_a_source_of_files_names_what_it_lacks(adapter: str) -> None:
    with pytest.raises(ValidationError, match=r"needs root, objects\.a\.format, objects\.a\.path, objects\.b\.path"):
        SourceSettings.model_validate(
            {"adapter": adapter, "objects": {"a": COLUMNS, "b": {**COLUMNS, "format": "csv"}}}
        )


@pytest.mark.parametrize("adapter", ["salesforce", "mysql"])
def test_a_source_that_answers_queries_needs_no_path(adapter: str) -> None:
    declared = SourceSettings.model_validate({"adapter": adapter, "objects": {"a": COLUMNS}})
    assert declared.objects["a"] == ObjectSettings(**COLUMNS)
