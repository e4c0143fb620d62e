"""Who waits for whom: writers, maintenance, the holder of a name."""

from __future__ import annotations

import pytest

from lakehouse import Lake, LakeLocation, LakeLocked, PostgresCatalogue, compact, erase, lease
from tests.lib.lakes import append_until_killed, committed, opened, processes, running


def test_maintenance_waits_for_writers_and_writers_for_maintenance(location: LakeLocation) -> None:
    for first, second in ((False, True), (True, False)):
        with opened(location, alone=first), pytest.raises(LakeLocked, match=r"test .*holds"):
            Lake.open(location, purpose="second", alone=second, wait_seconds=0.2)
        with opened(location, alone=second, wait_seconds=0):
            pass


def test_the_lock_names_its_holder_and_dies_with_it(location: LakeLocation) -> None:
    started = processes.Event()
    with running(append_until_killed, location, "holder", started) as process:
        assert started.wait(60)
        with pytest.raises(LakeLocked) as refused:
            Lake.open(location, purpose="second", alone=True)
        if not isinstance(location.catalogue, PostgresCatalogue):
            assert f"pid {process.pid} " in str(refused.value)
    with opened(location, alone=True, wait_seconds=5) as lake:
        committed(lake.con)


def test_one_process_at_a_time_holds_a_name(location: LakeLocation) -> None:
    with opened(location), lease(location, "publisher", purpose="first run"):
        with (
            pytest.raises(LakeLocked, match="first run"),
            lease(location, "publisher", purpose="second run", wait_seconds=0.2),
        ):
            pass
        with lease(location, "another name", purpose="second run"):
            pass
    with lease(location, "publisher", purpose="second run"):
        pass


def test_maintenance_and_erasure_refuse_a_lake_that_others_may_write(location: LakeLocation) -> None:
    with opened(location) as lake:
        if lake.is_alone:
            assert not isinstance(location.catalogue, PostgresCatalogue)
            return
        with pytest.raises(LakeLocked, match="alone=True"):
            compact(lake)
        with pytest.raises(LakeLocked, match="alone=True"):
            erase(lake, [], author="", run_id="")
