"""The rules of the image, read from what builds it; `make check-deploy` builds and tries it."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from deployments import sbom

ROOT = Path(__file__).parents[3]
DEPLOYMENTS = ROOT / "deployments"
TEXT = (DEPLOYMENTS / "Dockerfile").read_text(encoding="utf-8")
BUILD, FINAL = (stage.split("\n", 1)[1] for stage in re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:])


def pins(name: str) -> dict[str, str]:
    """The packages of a lock; a lock for all platforms can have two versions of one."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", (DEPLOYMENTS / name).read_text(), flags=re.MULTILINE))


def extra(name: str) -> set[str]:
    """The packages that an extra of pyproject.toml names."""
    [line] = re.findall(
        rf"^{name} = \[(.*?)\]\n", (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE | re.DOTALL
    )
    found = re.findall(r'^\s*"([a-z0-9-]+)[<>=\["]', line, flags=re.MULTILINE)
    return {one.lower() for one in found} - {"dataflow"}


def test_both_stages_stand_on_the_base_that_is_given_which_is_pinned() -> None:
    assert re.findall(r"^FROM (\S+)", TEXT, flags=re.MULTILINE) == ["${BASE}", "${BASE}"]
    [base] = re.findall(r"^ARG BASE=(\S+)$", TEXT, flags=re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)


def test_everything_that_is_installed_is_locked_by_hashes() -> None:
    installs = re.findall(r"(?:pip|uv) (?:install|pip sync|pip install|build)\b[^&\n]*", TEXT)
    assert len(installs) == 4
    assert all("--require-hashes" in one or "--offline --no-deps" in one for one in installs)
    assert "apt-get" not in TEXT
    for name in ("uv.lock", "image.lock", "build.lock"):
        lines = (DEPLOYMENTS / name).read_text().splitlines()
        assert all(line.endswith("\\") for line in lines if re.match(r"[a-z0-9.-]+==", line))


def test_the_image_has_what_the_tests_ran_and_no_package_of_development() -> None:
    whole, image = pins("requirements.lock"), pins("image.lock")
    assert {name: whole.get(name) for name in image} == image
    development = extra("dev") | extra("spark")
    assert {"pytest", "mypy", "pyspark", "connectorx"} <= development
    assert development & set(image) == set()
    assert {"prefect-aws", "google-cloud-bigquery", "redis"} <= set(image)


def test_it_runs_as_a_user_who_is_not_root_and_writes_to_two_volumes_alone() -> None:
    assert re.search(r"^USER 10001:10001$", FINAL, flags=re.MULTILINE)
    assert FINAL.index("USER ") > FINAL.index("RUN "), "what runs as root runs before"
    assert 'VOLUME ["/data", "/tmp"]' in FINAL
    written = dict(re.findall(r"(\w+)=(/\S+)", FINAL.split("RUN")[0]))
    places = {written[name] for name in ("DATAFLOW_HOME", "HOME", "PREFECT_HOME", "TMPDIR")}
    assert all(place.split("/")[1] in {"data", "tmp"} for place in places)
    assert "PYTHONDONTWRITEBYTECODE=1" in FINAL
    assert "--compile-bytecode" in BUILD


def test_its_health_is_what_doctor_says_and_prefect_gives_a_task_its_whole_command() -> None:
    assert re.search(r'^HEALTHCHECK .*CMD \["dataflow", "doctor"\]$', FINAL, flags=re.MULTILINE)
    assert "ENTRYPOINT" not in FINAL


def test_a_build_sees_what_it_copies_and_no_secret_of_the_checkout() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {line.removeprefix("!") for line in rules if line.startswith("!")}
    assert allowed == {
        *("LICENSE", "README.md", "prefect.yaml", "pyproject.toml", "checks", "dataflow", "flows", "lakehouse"),
        *("deployments/*.lock", "deployments/sbom.py"),
    }


def test_the_bill_of_materials_names_each_package_with_its_hashes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = [Distribution.from_name(name) for name in ("prefect", "PyYAML", "dataflow")]
    monkeypatch.setattr(sbom, "distributions", lambda: some)
    sbom.main(DEPLOYMENTS / "image.lock")
    bill = json.loads(capsys.readouterr().out)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    found = {each["purl"]: each for each in bill["components"] if each["purl"].startswith("pkg:pypi/")}
    assert set(found) == {f"pkg:pypi/{name}@{pins('image.lock')[name]}" for name in ("prefect", "pyyaml")}
    for each in found.values():
        [source] = each["externalReferences"]
        assert source["hashes"]
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest["content"]) for digest in source["hashes"])


def test_a_package_that_is_not_locked_stops_the_build() -> None:
    with pytest.raises(SystemExit, match=r"pytest .* is installed, but not in the lock"):
        sbom.python_component(Distribution.from_name("pytest"), sbom.read_hashes("prefect==3.8.8 \\\n"))


def test_packages_of_debian_are_named_where_they_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "os-release"
    system.write_text('ID=debian\nVERSION_ID="12"\n')
    monkeypatch.setattr(sbom, "_OS", system)
    entry = "Package: {}\nStatus: {}\nArchitecture: amd64\nVersion: 3.0.15-1\n"
    status = "\n".join(
        [entry.format("openssl", "install ok installed"), entry.format("old", "deinstall ok config-files")]
    )
    found = [component["purl"] for component in sbom.debian_components(status)]
    assert found == ["pkg:deb/debian/openssl@3.0.15-1?arch=amd64&distro=debian-12"]


@pytest.mark.parametrize("words", [[], ["push"]])
def test_the_script_names_its_commands(words: list[str]) -> None:
    done = subprocess.run(["bash", DEPLOYMENTS / "image.sh", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "build|check" in done.stderr
