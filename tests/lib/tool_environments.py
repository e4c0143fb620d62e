"""Servers from PyPI, each in a virtual environment of its own: their packages would pin those of DataFlow."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Where servers built for the tests are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dataflow-tests"


def tool_environment(name: str, *requirements: str) -> Path:
    """Return the folder of programs of an environment with these packages, made on first use and kept."""
    home = cache_folder() / name
    programs = home / "bin"
    ready = home / ".ready"
    if ready.is_file():
        return programs
    home.parent.mkdir(parents=True, exist_ok=True)
    # Test processes run side by side: one makes it, the others wait.
    with (home.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_file():
            shutil.rmtree(home, ignore_errors=True)
            uv = Path(sys.executable).with_name("uv")
            install_quietly([str(uv), "venv", "--quiet", "--python", sys.executable, str(home)])
            install_quietly([str(uv), "pip", "install", "--quiet", "--python", str(programs / "python"), *requirements])
            ready.touch()
    return programs


def install_quietly(command: list[str]) -> None:
    """Run a command of uv, with pip's index where one is set. Raises: RuntimeError with what it wrote."""
    index = os.environ.get("PIP_INDEX_URL")
    environment = {**os.environ, **({"UV_DEFAULT_INDEX": index} if index else {})}
    with tempfile.TemporaryFile() as log:
        ended = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
        log.seek(0)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {log.read().decode(errors='replace')[-2000:]}")
