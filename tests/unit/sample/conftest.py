"""One small sample of three days for every test of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.sample import SampleSpec, generate

SPEC = SampleSpec(days=3, records_per_day=4000, seed=7)


@pytest.fixture(scope="package")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample")
    generate(SPEC, root)
    return root
