"""The probe of the data path does what a run does, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse import LakeError
from lakehouse.probe import probe_data
from tests.lib.lakes import commit, local_lake, opened


def test_a_folder_is_as_it_was_afterwards(tmp_path: Path) -> None:
    location = local_lake(tmp_path / "lake")
    with opened(location) as lake:
        commit(lake, "a", 0)
        before = sorted(tmp_path.rglob("*"))
        # Beside a writer that holds the lake.
        probe_data(location, scratch=tmp_path)
    (tmp_path / "probe.ducklake").unlink()
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []


def test_a_path_that_cannot_be_written_is_an_error_of_the_lake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    location = replace(local_lake(tmp_path), data=tmp_path / "file" / "data")
    with pytest.raises(LakeError):
        probe_data(location, scratch=tmp_path)
