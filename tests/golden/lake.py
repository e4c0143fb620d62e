"""The golden lake: built by the code of a pinned commit, once per machine, for today's code to open and run on.

It lies in a cache outside the tree, named by the commit and by what fills it; tests copy it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.lib.tool_environments import cache_folder, install_quietly

PINNED = "bc33f5652a401640295427ec12fead96e93405f6"
"""The last commit before the packages took the shape that they have now."""

ROOT = Path(__file__).parents[2]
BUILDER = Path(__file__).with_name("build.py")
LOCK = "deployments/requirements.lock"
_PIN = re.compile(r"^[A-Za-z0-9._-]+==[^\s;\\]+", re.MULTILINE)


@dataclass(frozen=True)
class GoldenLake:
    """A lake that the pinned commit left behind, and what that commit saw in it. Never run in it: copy it."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the pinned code read: `opened`, after its tenth publication, and `next_day`, after one more day.

        `eighth` is the snapshot of the eighth publication and the owners of that time.
        """
        read: dict[str, Any] = json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))
        return read

    def copy(self, to: Path) -> Path:
        """Copy the home, to be used; returns where it is."""
        return Path(shutil.copytree(self.folder / "home", to))


def golden_lake() -> GoldenLake:
    """Find the golden lake in the cache; the first process that asks builds it, the others wait."""
    digest = hashlib.sha256(BUILDER.read_bytes()).hexdigest()
    place = cache_folder() / f"golden-{PINNED[:12]}-{digest[:12]}"
    cache_folder().mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            # Built aside and renamed: a test run that is stopped in the middle leaves no half lake behind.
            with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="golden-draft-") as draft:
                _build(Path(draft))
                (Path(draft) / "lake").rename(place)
    return GoldenLake(place)


def _build(folder: Path) -> None:
    source, made = folder / "source", folder / "lake"
    _unpack(source)
    made.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PYTHON"))}
    paths = os.pathsep.join(_packages(source, folder / "packages"))
    environment |= {"PYTHONPATH": paths, "PREFECT_HOME": str(folder / "prefect"), "DO_NOT_TRACK": "1"}
    # As the tests beside which it is built: on shared cores a second thread only wakes up for what the first has done.
    environment["DATAFLOW_LAKE__THREADS"] = "1"
    # -P: today's packages lie beside the script, and must not be found.
    command = [sys.executable, "-P", str(BUILDER), str(made)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Building the golden lake with {PINNED[:12]} failed:\n{done.stderr[-4000:]}")


def _unpack(source: Path) -> None:
    """Write the pinned commit's tree into an empty folder."""
    source.mkdir()
    archive = source.with_suffix(".tar")
    asked = ["git", "-C", str(ROOT), "archive", f"--output={archive}", PINNED]
    given = subprocess.run(asked, capture_output=True, text=True, check=False)
    if given.returncode:
        raise RuntimeError(
            f"The golden lake is built by commit {PINNED[:12]}, which this checkout does not have: "
            f"{given.stderr.strip()}. A shallow clone gets it by:  git fetch --unshallow origin"
        )
    subprocess.run(["tar", "-xf", str(archive), "-C", str(source)], check=True)


def _packages(source: Path, folder: Path) -> list[str]:
    """The folders in which the pinned code finds its packages before today's: those that changed or went since."""
    missing = sorted(_pins(source) - _pins(ROOT))
    if missing:
        uv = Path(sys.executable).with_name("uv")
        install_quietly([str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *missing])
    return [str(source), str(folder)]


def _pins(tree: Path) -> set[str]:
    """Packages and versions of a tree's lock."""
    return set(_PIN.findall((tree / LOCK).read_text(encoding="utf-8")))


if __name__ == "__main__":
    golden_lake()
