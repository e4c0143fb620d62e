"""Spark on this machine alone: two threads in one Java process, which ends with its session."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST = 17
INSTALL = (
    f"no Java {OLDEST} or newer found. Debian: sudo apt-get install -y default-jre-headless; "
    "macOS: brew install openjdk@21"
)
# on macOS, `java` on the PATH is a stub, and Homebrew keeps its own off the PATH
KEGS = ("/opt/homebrew/opt", "/usr/local/opt")


def installed_java() -> Path | None:
    """Find a Java that Spark runs on; None when there is none."""
    on_path = [Path(found)] if (found := shutil.which("java")) else []
    kegs = [java for keg in KEGS for java in sorted(Path(keg).glob("openjdk*/bin/java"), reverse=True)]
    return next((java for java in [*on_path, *kegs] if _version(java) >= OLDEST), None)


def _version(java: Path) -> int:
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def spark(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session of a module: local, without a web page or a metastore, on free ports of this machine."""
    java = installed_java()
    if java is None:
        pytest.fail(INSTALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(java.resolve().parent.parent))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = _session(tmp_path_factory.mktemp("spark"), compiles=bool(request.config.getoption("--soak")))
        yield session
        _end(session)


def _session(folder: Path, *, compiles: bool) -> SparkSession:
    """Start Spark, which `compiles` each statement to Java first or interprets it: less work for few rows."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        # small tables, and each statement once: what Spark and Java do to be fast in the long run costs most here
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": str(compiles).lower(),
        "spark.sql.codegen.factoryMode": "FALLBACK" if compiles else "NO_CODEGEN",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    builder = SparkSession.builder.master("local[2]").appName("test")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def _end(session: SparkSession) -> None:
    """Stop the session and its Java process, which would else live as long as this one."""
    from pyspark import SparkContext

    gateway = session.sparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=30)
    SparkContext._gateway = SparkContext._jvm = None


if __name__ == "__main__":  # deployments/bootstrap.sh asks whether Java is here
    sys.exit(installed_java() is None)
