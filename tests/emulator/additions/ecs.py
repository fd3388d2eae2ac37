"""ECS: tasks that really run.

AWS: a task runs the command of each container with its environment and secrets, `overrides` in front; it stops when an essential
container exits; awslogs streams are `<prefix>/<container>/<task id>`; a secret that cannot be read, a cluster, a subnet, a role
that is not there is refused as the API does. StopTask ends the command, exit code 143 or 137. MiniStack: needs Docker, without it
a task is RUNNING for ever; clusters appear when they are named.
In: RunTask's arguments. Out: records in MiniStack's store, logs in CloudWatch Logs. No image is pulled: the command runs
on this machine, in an empty folder. It refuses to know what the command means.
"""

from __future__ import annotations

import contextvars
import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs as logs
from ministack.services import ec2, ecs, iam

from . import job_logs, patching, processes

START_SECONDS = float(os.environ.get("DPC_ECS_START_SECONDS", "0.05"))
Task = dict[str, Any]
# cpu -> least memory, most, step
_MEMORY = {
    "512": (1024, 4096, 1024), "1024": (2048, 8192, 1024), "2048": (4096, 16384, 1024), "4096": (8192, 30720, 1024),
    "8192": (16384, 61440, 4096), "16384": (32768, 122880, 8192),
}  # fmt: skip


def _refused(code: str, message: str) -> Any:
    return error_response_json(code, message, 400)


def _run_task(original: Any) -> Any:
    def run(data: dict[str, Any]) -> Any:
        problem = _problem(data)
        if problem:
            return problem
        answer = original(data)
        if answer[0] >= 400:
            return answer
        shown = json.loads(answer[2])
        for task in shown["tasks"]:
            record = ecs._tasks[task["taskArn"]]
            definition = ecs._task_defs[ecs._resolve_td_key(data["taskDefinition"])]
            _place(record, definition, data)
            snapshot = contextvars.copy_context()
            threading.Thread(target=snapshot.run, args=(_live, record, definition), daemon=True).start()
        shown["tasks"] = [ecs._sanitize(ecs._tasks[t["taskArn"]]) for t in shown["tasks"]]
        return answer[0], answer[1], json.dumps(shown).encode()

    return run


def _problem(data: dict[str, Any]) -> Any:
    """What RunTask says before anything starts: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html."""
    name = ecs._resolve_cluster_name(data.get("cluster", "default"))
    if name not in ecs._clusters or ecs._clusters[name].get("status") == "INACTIVE":
        return _refused("ClusterNotFoundException", "Cluster not found.")
    definition = ecs._task_defs.get(ecs._resolve_td_key(data.get("taskDefinition", "")))
    if definition is None:
        return _refused("ClientException", "TaskDefinition not found.")
    if definition["status"] != "ACTIVE":
        return _refused("ClientException", "TaskDefinition is inactive")
    network = data.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if definition.get("networkMode") == "awsvpc" and not network:
        return _refused("InvalidParameterException", "Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    for subnet in (network or {}).get("subnets", []):
        if subnet not in ec2._subnets:
            return _refused("InvalidParameterException", f"The subnet ID '{subnet}' does not exist")
    for group in (network or {}).get("securityGroups", []):
        if group not in ec2._security_groups:
            return _refused("InvalidParameterException", f"The security group '{group}' does not exist")
    known = {c["name"] for c in definition["containerDefinitions"]}
    overrides = data.get("overrides", {})
    for override in overrides.get("containerOverrides", []):
        if override.get("name") not in known:
            return _refused("InvalidParameterException", f"Override for container named {override.get('name')} is not a container in the TaskDefinition.")
    if len(json.dumps(overrides)) > 8192:
        return _refused("InvalidParameterException", "Container Overrides length must be at most 8192")
    for role in (definition.get("taskRoleArn"), definition.get("executionRoleArn"), overrides.get("taskRoleArn"), overrides.get("executionRoleArn")):
        if role and role.rsplit("/", 1)[-1] not in iam._roles:
            return _refused("ClientException", f"ECS was unable to assume the role '{role}' that was provided for this task.")
    return None


def _place(task: Task, definition: dict[str, Any], data: dict[str, Any]) -> None:
    """The record as ECS shows it while the task is provisioned."""
    task.update(lastStatus="PROVISIONING", startedAt=None, pullStartedAt=None, pullStoppedAt=None)
    task["group"] = data.get("group") or f"family:{definition['family']}"
    task["tags"] = data.get("tags", [])
    if task["launchType"] == "FARGATE":
        task["containerInstanceArn"] = None
    for key in ("cpu", "memory"):
        task[key] = str(data.get("overrides", {}).get(key) or task[key])
    for container in task["containers"]:
        container.update(lastStatus="PENDING", exitCode=None)


def _live(task: Task, definition: dict[str, Any]) -> None:
    """Starts every container and waits for an essential one to exit."""
    time.sleep(START_SECONDS)
    identifier = task["taskArn"].rsplit("/", 1)[-1]
    with tempfile.TemporaryDirectory(prefix=f"ecs-{identifier[:8]}-") as folder:
        running: list[tuple[dict[str, Any], subprocess.Popen[bytes], bool, threading.Thread]] = []
        try:
            for container, described in zip(task["containers"], definition["containerDefinitions"], strict=False):
                if task["lastStatus"] == "STOPPED" or task.get("_stop"):
                    break
                process, reader = _start(task, container, described, Path(folder), identifier)
                running.append((container, process, bool(described.get("essential", True)), reader))
        except (ecs._SecretResolutionError, LookupError) as problem:
            what = "failed to validate logger args" if isinstance(problem, LookupError) else "unable to pull secrets or registry auth"
            _stop(task, running, f"ResourceInitializationError: {what}: {problem}", "TaskFailedToStart")
            return
        except OSError as problem:
            name = task["containers"][len(running)]["name"]
            task["containers"][len(running)]["reason"] = f"CannotStartContainerError: failed to create task for container: {problem}"
            _stop(task, running, f"Task failed to start ({name})", "TaskFailedToStart")
            return
        ecs._mark_task_running(task["taskArn"], task)
        while running and not task.get("_stop") and not any(p.poll() is not None for _, p, essential, _ in running if essential):
            time.sleep(0.02)
        if task.get("_stop"):
            task["desiredStatus"] = "RUNNING"  # MiniStack moves both at once
            _stop(task, running, task["_stop"], "UserInitiated")
        else:
            _stop(task, running, "Essential container in task exited", "EssentialContainerExited")


def _stop(task: Task, running: list[Any], reason: str, code: str) -> None:
    for container, process, _, reader in running:
        if process.poll() is None:
            processes.kill(process)
        processes.ended(process)
        reader.join(5)
        status = process.returncode
        container["exitCode"] = status if status >= 0 else 128 - status
    ecs._mark_task_stopped(task["taskArn"], task, reason, code)


def _start(
    task: Task, container: dict[str, Any], described: dict[str, Any], folder: Path, identifier: str
) -> tuple[subprocess.Popen[bytes], threading.Thread]:
    """Starts one container's command."""
    override = next((o for o in task["overrides"].get("containerOverrides", []) if o.get("name") == described["name"]), {})
    home = folder / described["name"]
    home.mkdir()
    variables = processes.environment(home)
    for entry in [*described.get("environment", []), *override.get("environment", [])]:
        variables[entry["name"]] = str(entry["value"])
    variables |= ecs._resolve_container_secrets(described)
    command = [*described.get("entryPoint", []), *(override.get("command") or described.get("command", []))]
    if not command:
        raise OSError("no command specified")
    group = _log_group(described)
    container["lastStatus"] = "RUNNING"
    process = processes.start(command, home, variables, subprocess.PIPE, subprocess.STDOUT)
    snapshot = contextvars.copy_context()
    reader = threading.Thread(target=snapshot.run, args=(_forward, process, described, group, identifier), daemon=True)
    reader.start()
    return process, reader


def _log_group(described: dict[str, Any]) -> str | None:
    """The container's log group; a LookupError when it is not there, which keeps a Fargate task from starting."""
    configuration = described.get("logConfiguration") or {}
    options = configuration.get("options", {})
    group = options.get("awslogs-group") if configuration.get("logDriver") == "awslogs" else None
    if group and options.get("awslogs-create-group") == "true":
        logs._create_log_group({"logGroupName": group})
    if group and group not in logs._log_groups:
        raise LookupError(f"create stream has been retried 1 times: failed to create Cloudwatch log stream: The specified log group does not exist ({group})")
    return str(group) if group else None


def _forward(process: subprocess.Popen[bytes], described: dict[str, Any], group: str | None, identifier: str) -> None:
    """Each line of output is an event in the container's log stream."""
    prefix = (described.get("logConfiguration") or {}).get("options", {}).get("awslogs-stream-prefix")
    stream = f"{prefix}/{described['name']}/{identifier}" if prefix else identifier
    if group:
        job_logs.write(group, stream, [])
    assert process.stdout is not None
    for line in process.stdout:
        if group:
            job_logs.write(group, stream, [line.decode(errors="replace").rstrip("\n")])


def _stop_task(data: dict[str, Any]) -> Any:
    name = ecs._resolve_cluster_name(data.get("cluster", "default"))
    if name not in ecs._clusters:
        return _refused("ClusterNotFoundException", "Cluster not found.")
    task = ecs._resolve_task(data.get("task", ""), name)
    if not task:
        return _refused("InvalidParameterException", "The referenced task was not found.")
    if task["lastStatus"] != "STOPPED":
        task["_stop"] = data.get("reason", "Task stopped by user")
        task["desiredStatus"] = "STOPPED"
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps({"task": ecs._sanitize(task)}).encode()


def _only_existing(original: Any) -> Any:
    """ListTasks and DescribeTasks of a cluster that is not there are refused."""

    def handle(data: dict[str, Any]) -> Any:
        if ecs._resolve_cluster_name(data.get("cluster", "default")) not in ecs._clusters:
            return _refused("ClusterNotFoundException", "Cluster not found.")
        return original(data)

    return handle


def _register(original: Any) -> Any:
    """What Fargate wants of a task definition: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html."""

    def register(data: dict[str, Any]) -> Any:
        if "FARGATE" in data.get("requiresCompatibilities", []):
            problem = fargate_problem(data)
            if problem:
                return _refused("ClientException", problem)
        return original(data)

    return register


def fargate_problem(data: dict[str, Any]) -> str | None:
    """Why Fargate would not take a task definition."""
    if data.get("networkMode") != "awsvpc":
        return "Fargate only supports network mode ‘awsvpc’."
    least, most, step = _MEMORY.get(str(data.get("cpu")), (1, 0, 1))
    memory = str(data.get("memory", ""))
    fits = memory.isdigit() and least <= int(memory) <= most and (int(memory) - least) % step == 0
    if not fits and not (str(data.get("cpu")) == "256" and memory in ("512", "1024", "2048")):
        return "No Fargate configuration exists for given values."
    if not data.get("executionRoleArn"):
        for container in data["containerDefinitions"]:
            if (container.get("logConfiguration") or {}).get("logDriver") == "awslogs":
                return "Fargate requires task definition to have execution role ARN to support log driver awslogs."
            if container.get("secrets"):
                return "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
    return None


def install() -> None:
    """Takes over the start and the end of tasks."""
    patching.replace(ecs, "_get_docker", lambda _: lambda: None)
    table = "ministack.services.ecs._ACTION_MAP"
    patching.replace_item(ecs._ACTION_MAP, "RunTask", table, _run_task)
    patching.replace(ecs, "_register_task_definition", _register)
    patching.replace_item(ecs._ACTION_MAP, "RegisterTaskDefinition", table, lambda _: ecs._register_task_definition)
    patching.replace_item(ecs._ACTION_MAP, "StopTask", table, lambda _: _stop_task)
    patching.replace_item(ecs._ACTION_MAP, "ListTasks", table, _only_existing)
    patching.replace_item(ecs._ACTION_MAP, "DescribeTasks", table, _only_existing)
    patching.require(
        ecs, "_clusters", "_mark_task_running", "_mark_task_stopped", "_resolve_cluster_name", "_resolve_container_secrets",
        "_resolve_task", "_resolve_td_key", "_sanitize", "_SecretResolutionError", "_task_defs", "_tasks",
    )  # fmt: skip
    patching.require(logs, "_log_groups", "_create_log_group")
