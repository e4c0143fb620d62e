"""Keys as versions: every 64-bit key has one, larger keys no smaller ones, and windows leave none out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.settings import ObjectSettings, SourceSettings
from dataflow.sources import Window
from dataflow.sources.following import follows_key
from dataflow.sources.key_versions import key_of_version, resume_from, version_of_key, versions_of_keys
from dataflow.sources.protocol import BEGINNING, END

HIGHEST = 2**64 - 1
SNOWFLAKE = 1_541_815_603_606_036_480
"""Twitter's own example of a Snowflake id."""
KEYS = st.one_of(st.integers(0, HIGHEST), st.integers(253 * 10**15 - 10**6, 253 * 10**15 + 10**6))
TICK = timedelta(microseconds=1)


@given(KEYS, KEYS)
def test_a_larger_key_never_has_a_smaller_version(left: int, right: int) -> None:
    if left <= right:
        assert version_of_key(left) <= version_of_key(right)


@given(KEYS)
def test_a_window_holds_the_keys_whose_versions_it_holds(key: int) -> None:
    version = version_of_key(key)
    found = Window(version, version + TICK).keys
    assert (found.start or 0) <= key and found.until is not None and key < found.until
    after = Window(version + TICK, END).keys
    assert after.start == found.until and after.until is None


@given(st.lists(KEYS, max_size=9))
def test_arrow_computes_the_same_versions(keys: list[int]) -> None:
    expected = [(version_of_key(key) - BEGINNING) // TICK for key in keys]
    assert versions_of_keys(pa.array(keys, pa.uint64())).to_pylist() == expected
    signed = [(key, version) for key, version in zip(keys, expected, strict=True) if key < 2**63]
    found = versions_of_keys(pa.array([*(key for key, _ in signed), -5, None], pa.int64()))
    assert found.to_pylist() == [*(version for _, version in signed), -5, None]


def test_keys_below_the_bound_keep_the_versions_that_raw_holds() -> None:
    assert version_of_key(2 * 10**17) == BEGINNING + 2 * 10**17 * TICK


@pytest.mark.parametrize("key", [-1, 2**64])
def test_keys_without_a_version(key: int) -> None:
    with pytest.raises(OverflowError):
        version_of_key(key)


@pytest.mark.parametrize("key", [50_000, 2 * 10**17 + 7, SNOWFLAKE, HIGHEST])
def test_reading_resumes_at_least_the_look_back_below_the_watermark(key: int) -> None:
    resumed = key_of_version(resume_from(version_of_key(key), keys=10_000, seconds=0))
    assert key - 10_000 - 2 * 65_536 < resumed <= key - 10_000


def test_keys_that_hold_a_time_resume_by_time() -> None:
    ten_minutes = 600_000 << 22
    resumed = key_of_version(resume_from(version_of_key(SNOWFLAKE), keys=10_000, seconds=600))
    assert SNOWFLAKE - ten_minutes - 2 * 65_536 < resumed <= SNOWFLAKE - ten_minutes
    assert resume_from(version_of_key(20_000), keys=10_000, seconds=600) == version_of_key(10_000)
    assert resume_from(version_of_key(5), keys=10_000, seconds=600) == BEGINNING


@pytest.mark.parametrize(
    ("adapter", "changed", "follows"),
    [
        ("mysql", {}, True),
        ("mysql", {"fields": {"id": "ubigint"}}, True),
        ("mysql", {"fields": {"id": "TIMESTAMP"}}, False),
        ("mysql", {"key": "id, line"}, False),
        ("files", {}, False),
    ],
)
def test_an_object_is_declared_to_follow_its_key(
    tmp_path: Path, adapter: str, changed: dict[str, object], follows: bool
) -> None:
    declared = ObjectSettings(key="id", cursor="id", fields={"id": "BIGINT"}).model_copy(update=changed)
    system = SourceSettings.model_construct(adapter=adapter, root=str(tmp_path), objects={"event": declared})
    assert follows_key(system, "event") is follows
