"""The profiles of prefect.yaml: what `dataflow deploy` gives to `prefect deploy`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dataflow.cli.main import run
from dataflow.errors import ConfigurationError
from flows.deploying import read_profile

FILE = Path(__file__).parents[3] / "prefect.yaml"
ECS = {
    "ECS_TASK_DEFINITION_ARN": "arn:aws:ecs:eu-central-1:123456789012:task-definition/dataflow:7",
    "ECS_CLUSTER": "dataflow",
    "ECS_VPC_ID": "vpc-1",
    "ECS_SUBNETS": "subnet-a, subnet-b",
    "ECS_SECURITY_GROUPS": "sg-1",
}


def test_the_process_profile_is_what_prefect_deploys_by_itself() -> None:
    wanted, pools = read_profile(FILE, "process", {})
    assert wanted == yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert pools == {"local": "process"}


def test_on_ecs_each_run_is_a_task_of_the_given_definition() -> None:
    wanted, pools = read_profile(FILE, "ecs", ECS)
    deployments = {one["name"]: one for one in wanted["deployments"]}
    assert pools == {"ecs": "ecs"}
    for one in deployments.values():
        job = one["work_pool"]["job_variables"]
        assert job["task_definition_arn"] == ECS["ECS_TASK_DEFINITION_ARN"]
        assert job["network_configuration"]["subnets"] == ["subnet-a", "subnet-b"]
        # Nothing that a registered definition would need.
        assert not {"image", "family", "execution_role_arn", "configure_cloudwatch_logs"} & set(job)
        assert job["env"]["PREFECT_API_KEY"] is None
        assert "{{" not in yaml.safe_dump(one["work_pool"])
    launched = {name: one["work_pool"]["job_variables"]["launch_type"] for name, one in deployments.items()}
    assert {name for name, kind in launched.items() if kind == "FARGATE_SPOT"} == {
        "fetch",
        "score",
        "watch",
        "deliver",
        "report-run",
    }
    assert [schedule["active"] for schedule in deployments["watch"]["schedules"]] == [True]
    assert [schedule["active"] for schedule in deployments["publish"]["schedules"]] == [False]


def test_on_ecs_the_flows_are_those_of_the_installed_packages() -> None:
    wanted, _ = read_profile(FILE, "ecs", ECS)
    entrypoints = {one["name"]: one["entrypoint"] for one in wanted["deployments"]}
    assert entrypoints["daily"] == "flows.pipelines.daily"
    assert all(":" not in place for place in entrypoints.values())
    # A step of its own: by default Prefect copies the working folder, which is the task's volume.
    [pull] = {str(one["pull"]) for one in wanted["deployments"]}
    assert "set_working_directory" in pull


def test_variables_that_are_not_set_are_all_named() -> None:
    given = {**ECS, "ECS_VPC_ID": ""}
    del given["ECS_SUBNETS"]
    with pytest.raises(ConfigurationError, match="ECS_SUBNETS, ECS_VPC_ID are not set"):
        read_profile(FILE, "ecs", given)


def test_a_profile_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean ecs"):
        read_profile(FILE, "esc", ECS)


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "No such file"), ("a: [", "not YAML"), ("a: 1", "no such profile")]
)
def test_a_file_that_does_not_serve_is_named(tmp_path: Path, content: str | None, fault: str) -> None:
    file = tmp_path / "prefect.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=fault):
        read_profile(file, "process", {})


@pytest.mark.parametrize("words", [[], ["--shadow"]], ids=["deploy", "shadow"])
def test_without_a_server_nothing_is_deployed_or_published(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: None}):
        # The home has no lake: to publish would be another error.
        assert run(["--home", str(tmp_path), "deploy", "--file", str(FILE), *words]) == 1
    assert "PREFECT_API_URL" in capsys.readouterr().err
