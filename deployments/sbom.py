"""Print a CycloneDX bill of materials of this environment and of the Debian packages below it.

    python deployments/sbom.py LOCK > sbom.cdx.json

Each package of Python has the hashes that LOCK allows it. Raises: SystemExit where one is not in LOCK.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

Component = dict[str, object]

_OURS = "dataflow"
_DPKG = Path("/var/lib/dpkg/status")
_OS = Path("/etc/os-release")


def main(lock: Path) -> None:
    """Print the bill of this environment."""
    locked = read_hashes(lock.read_text(encoding="utf-8"))
    python = [python_component(each, locked) for each in distributions() if name_of(each) != _OURS]
    debian = list(debian_components(_DPKG.read_text(encoding="utf-8"))) if _DPKG.exists() else []
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": _OURS}},
        "components": sorted(python + debian, key=lambda each: str(each["purl"])),
    }
    sys.stdout.write(json.dumps(bill, indent=1))


def name_of(distribution: Distribution) -> str:
    """Return the normalised name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()


def read_hashes(lock: str) -> dict[tuple[str, str], list[str]]:
    """Return the SHA-256 digests of a lock by name and version."""
    found: dict[tuple[str, str], list[str]] = {}
    digests: list[str] = []
    for line in lock.splitlines():
        if pin := re.match(r"([a-z0-9.-]+)==([^\s;]+)", line):
            digests = found.setdefault((pin[1], pin[2]), [])
        elif digest := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            digests.append(digest[1])
    return found


def python_component(distribution: Distribution, locked: dict[tuple[str, str], list[str]]) -> Component:
    """Return a package of this environment. Raises: SystemExit where it is not in the lock."""
    name, version = name_of(distribution), distribution.version
    if (name, version) not in locked:
        raise SystemExit(f"{name} {version} is installed, but not in the lock")
    licence = distribution.metadata["License-Expression"] or distribution.metadata["License"] or ""
    # Some put the whole text of the licence there.
    licences = {"licenses": [{"license": {"name": licence}}]} if licence and len(licence) < 100 else {}
    # One of these is of the file that was installed: a lock has those of every platform.
    digests = [{"alg": "SHA-256", "content": digest} for digest in sorted(locked[name, version])]
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        **licences,
        "externalReferences": [{"type": "distribution", "url": f"https://pypi.org/project/{name}/", "hashes": digests}],
    }


def debian_components(status: str) -> Iterator[Component]:
    """Yield the installed packages of a dpkg status file."""
    system = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', _OS.read_text(encoding="utf-8"), flags=re.MULTILINE))
    distro = f"{system.get('ID', 'debian')}-{system.get('VERSION_ID', '')}".rstrip("-")
    for entry in status.split("\n\n"):
        fields = dict(re.findall(r"^(\w[\w-]*): (.*)$", entry, flags=re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version, arch = fields["Package"], fields["Version"], fields["Architecture"]
            purl = f"pkg:deb/debian/{name}@{version}?arch={arch}&distro={distro}"
            yield {"type": "library", "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
