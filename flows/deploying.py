"""Deploy prefect.yaml to the work pools of one of its profiles: what `prefect deploy` does, with other pools."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from checks.registry import unknown_name
from dataflow.errors import ConfigurationError, DataFlowError, OrchestratorUnavailable

_FILE = "prefect.yaml"
_PREFECT = Path(sys.executable).with_name("prefect")
_VARIABLE = re.compile(r"\{\{\s*\$(\w+)\s*\}\}")
# A pool of this type runs a checkout on the worker's machine; others have the packages installed.
_CHECKOUT = "process"
# Without a step, Prefect copies the working folder of a task, which is its volume, before it runs.
_NO_PULL = [{"prefect.deployments.steps.set_working_directory": {"directory": "/"}}]


def deploy(profile: str, file: Path, environment: Mapping[str, str]) -> list[str]:
    """Deploy what `file` declares, to the pools of a profile that it declares; return the names of the deployments.

    Pools that are missing are created. Raises: ConfigurationError, OrchestratorUnavailable.
    """
    wanted, pools = read_profile(file, profile, environment)
    url = server_url()
    _create_pools(pools, url)
    with tempfile.TemporaryDirectory(prefix="dataflow-deploy-") as folder:
        changed = Path(folder) / "prefect.yaml"
        changed.write_text(yaml.safe_dump(wanted), encoding="utf-8")
        # In the folder of the file: its entry points are relative to it.
        _deploy_all(changed, folder=file.parent.resolve(), environment={**environment, "PREFECT_API_URL": url})
    return [str(one["name"]) for one in wanted["deployments"]]


def project_file() -> str:
    """Return the prefect.yaml of a project: that of DataFlow, with the flows of the installed packages.

    A worker runs them in the folder from which they were deployed, where dataflow.toml and .env are.
    """
    packages = Path(__file__).parent
    installed = next(file for file in (packages / _FILE, packages.parent / _FILE) if file.is_file())
    text = installed.read_text(encoding="utf-8")
    return re.sub(r"(entrypoint: )(\S+:\w+)", lambda found: found[1] + _module_of(found[2]), text)


def server_url() -> str:
    """Return the address of the Prefect server to deploy to. Raises: OrchestratorUnavailable where none is set."""
    from prefect.settings import PREFECT_API_URL

    if url := PREFECT_API_URL.value():
        return str(url)
    raise OrchestratorUnavailable(
        "Deploying: no Prefect server is set.",
        next_move="Set PREFECT_API_URL to the server that the workers ask: http://127.0.0.1:4200/api.",
    )


def read_profile(file: Path, profile: str, environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the content of prefect.yaml with the pools of a profile, and the type of each pool.

    Raises: ConfigurationError for a file without that profile, or for variables that are not set.
    """
    try:
        declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"Deploying {file}: {error.strerror}.",
            next_move="Stand in the folder of your project, where `dataflow init` writes it; or name it with --file.",
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"Deploying {file}: it is not YAML.", next_move=str(error)) from None
    profiles = (declared.get("definitions") or {}).get("profiles") or {}
    if profile not in profiles:
        raise ConfigurationError(f"{file} has no such profile: {unknown_name('profile', profile, sorted(profiles))}")
    chosen = _filled(profiles[profile], file, environment)
    parts, kind = chosen.get("parts", {}), str(chosen["type"])
    for one in declared["deployments"]:
        one["work_pool"] = parts.get(one["name"], chosen["work_pool"])
        if kind != _CHECKOUT:
            one |= {"entrypoint": _module_of(one["entrypoint"]), "pull": _NO_PULL}
        if one["name"] in chosen.get("active", ()):
            one["schedules"] = [{**schedule, "active": True} for schedule in one["schedules"]]
    return declared, {pool["name"]: kind for pool in (chosen["work_pool"], *parts.values())}


def _module_of(entrypoint: str) -> str:
    """Return `flows.pipelines.daily` for `flows/pipelines.py:daily`: the image has packages, and no checkout."""
    path, colon, function = entrypoint.rpartition(":")
    if not colon:
        return entrypoint
    return f"{path.removesuffix('.py').replace('/', '.')}.{function}"


def _filled(profile: dict[str, Any], file: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Put the values of `{{ $NAME }}` in; an element of a list becomes one for each part between commas."""
    missing = sorted(
        set(_VARIABLE.findall(yaml.safe_dump(profile))) - {name for name, value in environment.items() if value}
    )
    if missing:
        raise ConfigurationError(
            f"Deploying {file}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
            next_move="Set these variables; Terraform prints their values.",
        )

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill(one) for name, one in value.items()}
        if isinstance(value, list):
            filled = [fill(one) for one in value]
            parts = (one.split(",") if isinstance(one, str) else [one] for one in filled)
            return [part.strip() if isinstance(part, str) else part for some in parts for part in some]
        return _VARIABLE.sub(lambda found: environment[found[1]], value) if isinstance(value, str) else value

    filled: dict[str, Any] = fill(profile)
    return filled


def _create_pools(pools: Mapping[str, str], url: str) -> None:
    try:
        for name, kind in pools.items():
            _create_pool(name, kind)
    except DataFlowError:
        raise
    except Exception as error:
        # The errors of the connection are those of a library of Prefect's.
        raise OrchestratorUnavailable(
            f"Deploying: the Prefect server at {url} cannot be asked ({type(error).__name__}).",
            next_move="Start it with `prefect server start`, or correct PREFECT_API_URL.",
        ) from error


def _create_pool(name: str, kind: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

    with get_client(sync_client=True) as client:
        try:
            found = client.read_work_pool(name).type
        except ObjectNotFound:
            template = asyncio.run(get_default_base_job_template_for_infrastructure_type(kind))
            if template is None:
                raise ConfigurationError(
                    f"Creating the work pool {name}: neither this environment nor the server knows the type {kind}.",
                    next_move="Install the extra aws: pip install 'dataflow[aws]'.",
                ) from None
            client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=template))
            return
    if found != kind:
        raise ConfigurationError(
            f"Deploying to the work pool {name}: it is of the type {found}, and the profile needs {kind}.",
            next_move="Delete the pool, or name another one in prefect.yaml.",
        )


def _deploy_all(file: Path, *, folder: Path, environment: Mapping[str, str]) -> None:
    command = [str(_PREFECT), "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    # What it prints is for people: standard output of this command is for machines.
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise OrchestratorUnavailable(
            f"`prefect deploy` ended with {done.returncode}.", next_move="Its message is above."
        )
