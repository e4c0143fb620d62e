"""The double of ECS: moto takes RunTask and runs nothing; this runs each task's command as a process with its own disk.

What the agent does on AWS is done here: the secrets of the definition are read, the container's command and variables
of the definition and of RunTask are put together, the end is reported to the queue that EventBridge fills on AWS.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.lib.servers.moto import MotoServer

CLUSTER = "dataflow"
QUEUE = "prefect-ecs-tasks-events"
CONTAINER = "prefect"
_LOOK_SECONDS = 1.0
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class TaskProcess:
    """A task that was started: what RunTask asked for, and its process."""

    arn: str
    request: dict[str, Any]
    process: subprocess.Popen[bytes]
    disk: Path

    @property
    def variables(self) -> dict[str, str]:
        """The variables that RunTask gave; readable in AWS by who may describe tasks."""
        [container] = self.request["overrides"]["containerOverrides"]
        return {one["name"]: one["value"] for one in container["environment"]}

    @property
    def tags(self) -> dict[str, str]:
        return {one["key"]: one["value"] for one in self.request["tags"]}

    def kill(self) -> None:
        """Kill the container: everything in it."""
        os.killpg(self.process.pid, signal.SIGKILL)


@dataclass
class Ecs:
    """A cluster whose tasks are processes. `on_start` is called with each task when it has begun."""

    moto: MotoServer
    folder: Path
    definition: str
    queue: str
    on_start: Callable[[TaskProcess], None] = lambda _: None
    tasks: list[TaskProcess] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def variables(self) -> dict[str, str]:
        """What `dataflow deploy --profile ecs` reads."""
        network = self.moto.client("ec2")
        vpc = network.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = network.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        groups = network.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
        return {
            "ECS_TASK_DEFINITION_ARN": self.definition,
            "ECS_CLUSTER": CLUSTER,
            "ECS_VPC_ID": vpc,
            "ECS_SUBNETS": ",".join(one["SubnetId"] for one in subnets),
            "ECS_SECURITY_GROUPS": groups[0]["GroupId"],
        }

    def run(self) -> None:
        """Start what RunTask asks for and report what has ended, until `stop`."""
        ecs = self.moto.client("ecs")
        known: set[str] = set()
        while not self._over.is_set():
            arns = ecs.list_tasks(cluster=CLUSTER, desiredStatus="RUNNING")["taskArns"]
            if new := [arn for arn in arns if arn not in known]:
                for asked in ecs.describe_tasks(cluster=CLUSTER, tasks=new, include=["TAGS"])["tasks"]:
                    known.add(asked["taskArn"])
                    task = self._start(ecs, asked)
                    self.tasks.append(task)
                    self.on_start(task)
            for task in self.tasks:
                if task.arn in known and task.process.poll() is not None:
                    known.discard(task.arn)
                    self._report(ecs, task)
                    known.add(f"{task.arn} ended")
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """Kill what is still running."""
        self._over.set()
        for task in self.tasks:
            if task.process.poll() is None:
                task.kill()
                task.process.wait()

    def _start(self, ecs: Any, asked: dict[str, Any]) -> TaskProcess:
        definition = ecs.describe_task_definition(taskDefinition=asked["taskDefinitionArn"])["taskDefinition"]
        [container] = definition["containerDefinitions"]
        [override] = asked["overrides"]["containerOverrides"]
        assert override["name"] == container["name"] == CONTAINER
        disk = self.folder / asked["taskArn"].rpartition("/")[2]
        disk.mkdir(parents=True)
        secrets = self.moto.client("secretsmanager")
        variables = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **{one["name"]: one["value"] for one in container["environment"]},
            **{
                one["name"]: secrets.get_secret_value(SecretId=one["valueFrom"])["SecretString"]
                for one in container["secrets"]
            },
            **{one["name"]: one["value"] for one in override["environment"]},
            # The two volumes of the image.
            **dict.fromkeys(("HOME", "DATAFLOW_HOME", "TMPDIR"), str(disk)),
            "PREFECT_HOME": str(disk / "prefect"),
        }
        with (disk / "log").open("wb") as log:
            process = subprocess.Popen(
                override["command"],
                cwd=disk,
                env=variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return TaskProcess(asked["taskArn"], asked, process, disk)

    def _report(self, ecs: Any, task: TaskProcess) -> None:
        code = task.process.returncode
        ecs.stop_task(cluster=CLUSTER, task=task.arn)
        message = {
            "id": str(uuid4()),
            "detail-type": "ECS Task State Change",
            "time": datetime.now(UTC).isoformat(),
            "detail": {
                "taskArn": task.arn,
                "clusterArn": task.request["clusterArn"],
                "taskDefinitionArn": task.request["taskDefinitionArn"],
                "lastStatus": "STOPPED",
                "containers": [
                    {"name": CONTAINER, "lastStatus": "STOPPED", "exitCode": _KILLED if code < 0 else code},
                ],
                "stopCode": "EssentialContainerExited",
                "stoppedReason": "Essential container in task exited",
            },
        }
        self.moto.client("sqs").send_message(QueueUrl=self.queue, MessageBody=json.dumps(message))
        # The disk of a task goes with it.
        shutil.move(task.disk / "log", self.folder / f"{task.disk.name}.log")
        shutil.rmtree(task.disk)


@contextmanager
def ecs_double(
    moto: MotoServer, folder: Path, *, environment: dict[str, str], secrets: dict[str, str]
) -> Iterator[Ecs]:
    """Run the double over an empty emulator, with one task definition and a secret for each of `secrets`."""
    # Left to itself, moto moves a task on with each look at it.
    transition = {"model_name": "ecs::task", "transition": {"progression": "time", "seconds": 100_000}}
    request = urllib.request.Request(
        f"{moto.url}/moto-api/state-manager/set-transition", data=json.dumps(transition).encode(), method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()
    ecs, manager = moto.client("ecs"), moto.client("secretsmanager")
    ecs.create_cluster(clusterName=CLUSTER)
    arns = {name: manager.create_secret(Name=name, SecretString=value)["ARN"] for name, value in secrets.items()}
    registered = ecs.register_task_definition(
        family="dataflow",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="1024",
        memory="4096",
        containerDefinitions=[
            {
                "name": CONTAINER,
                "image": "dataflow:latest",
                "memoryReservation": 512,
                "readonlyRootFilesystem": True,
                "environment": [{"name": name, "value": value} for name, value in environment.items()],
                "secrets": [{"name": name, "valueFrom": arn} for name, arn in arns.items()],
            }
        ],
    )
    queue = moto.client("sqs").create_queue(QueueName=QUEUE)["QueueUrl"]
    double = Ecs(moto, folder, registered["taskDefinition"]["taskDefinitionArn"], queue)
    thread = threading.Thread(target=double.run, name="ecs", daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.stop()
        thread.join()
