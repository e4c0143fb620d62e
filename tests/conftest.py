"""What every test gets: a clean environment, no network, real servers on demand."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer

from tests.lib.cpu import CpuReport
from tests.lib.loopback import forbid_outside_connections
from tests.lib.order import FilesOrFolders, longest_first
from tests.lib.signatures import trust_extensions

SERVERS = Path(__file__).parent / "lib" / "servers"
HOMEBREW = (Path("/opt/homebrew"), Path("/usr/local"))

# Without the helper that servers import: pytest wants to load a plugin before anybody else does.
pytest_plugins = [
    f"tests.lib.servers.{module.stem}" for module in sorted(SERVERS.glob("[a-z]*.py")) if module.stem != "ports"
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="many more rounds of crashes, races, generated data")
    parser.addoption("--cpu", action="store_true", help="say what files, fixtures and tests cost in CPU seconds")
    parser.addoption("--update-golden", action="store_true", help="write the golden files instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    _clean_environment()
    if config.getoption("--cpu"):
        config.pluginmanager.register(CpuReport())
    forbid_outside_connections()
    trust_extensions()
    # No deadline: a slow machine is not a defect. In CI the same examples each time: a red run can be repeated.
    hypothesis.settings.register_profile("test", deadline=None, max_examples=50, derandomize="CI" in os.environ)
    hypothesis.settings.register_profile("soak", deadline=None, max_examples=2000)
    hypothesis.settings.load_profile("soak" if config.getoption("--soak") else "test")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--soak"):
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesOrFolders | None:
    return FilesOrFolders(config, log) if config.getvalue("dist") == "loadfile" else None


def _clean_environment() -> None:
    """Forget the developer's settings; keep tools' state out of their home; find the environment's tools."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "DATAFLOW_", "AWS_", "PG"))]:
        del os.environ[name]
    # Test processes share the cores: a second thread of DuckDB only wakes up for what the first has done by then, and
    # a run of some hundred records takes a fifth less of the processor without it.
    os.environ["DATAFLOW_LAKE__THREADS"] = "1"
    home = tempfile.mkdtemp(prefix="prefect-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["PREFECT_HOME"] = home
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    # Homebrew keeps versioned servers off the PATH.
    kegs = [str(path) for root in HOMEBREW for path in sorted(root.glob("opt/postgresql@*/bin"))]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], *kegs])


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Return `rounds(usual, soak)`: how often to repeat, in `make test` and in `make soak`."""

    def choose(usual: int, soak: int) -> int:
        return soak if request.config.getoption("--soak") else usual

    return choose


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Say whether golden files are to be written anew."""
    return bool(request.config.getoption("--update-golden"))
