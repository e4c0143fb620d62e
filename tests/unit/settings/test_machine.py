"""The memory that DuckDB may use where nothing is set: a share of what machine or container have free."""

from pathlib import Path

import pytest

from dataflow.settings import load_settings, machine
from dataflow.settings.amounts import memory_bytes

GB = 10**9


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a control group, in the place of this machine's."""
    monkeypatch.setattr(machine, "_CONTAINERS", ((tmp_path, "memory.max", "memory.current"),))
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 20 * GB}))
    return tmp_path


def limit(folder: Path, most: str, used: int, cached: int = 0) -> None:
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon {used}\ninactive_file {cached}\n")


def test_half_of_what_is_free(container: Path) -> None:
    assert load_settings().lake.memory_limit == "10000MB"
    limit(container, "max", 5 * GB)
    assert load_settings().lake.memory_limit == "10000MB"


def test_a_container_has_what_its_limit_leaves_and_its_cache_is_free(container: Path) -> None:
    limit(container, str(4 * GB), 2 * GB, cached=GB)
    assert machine.free_memory() == 3 * GB
    assert load_settings().lake.memory_limit == "1500MB"
    limit(container, str(4 * GB), 4 * GB)
    assert load_settings().lake.memory_limit == "500MB"


@pytest.mark.parametrize(("text", "amount"), [("1500MB", 1.5e9), ("2 GiB", 2 * 1024**3), ("0.5gb", 5e8), ("7B", 7)])
def test_amounts_in_bytes(text: str, amount: float) -> None:
    assert memory_bytes(text) == amount
