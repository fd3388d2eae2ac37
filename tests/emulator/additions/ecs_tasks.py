"""Step Functions: `ecs:runTask`, `.sync` and `.waitForTaskToken`.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html: `.sync` ends with the stopped task as ECS describes it;
an exit code that is not 0, and a task that could not start, is States.TaskFailed with that description as cause; an abort stops
the task; a failure to place a task is ECS.AmazonECSException.
MiniStack: waits for ever without Docker, then succeeds whatever the exit code.
In: RunTask's arguments. Out: the task. It refuses to know how a task runs.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs as store

from . import integrations, sdk
from .integrations import Integration, Needs, register
from .integrations_simple import managed_rule
from .scope import Scope


def _needs(given: dict[str, Any], pattern: str) -> Needs:
    name = given["TaskDefinition"]
    family = name if name.startswith("arn:") else f"arn:aws:ecs:{get_region()}:{get_account_id()}:task-definition/{name}"
    cluster = given.get("Cluster", "default")
    where = f"arn:aws:ecs:{get_region()}:{get_account_id()}"
    cluster_arn = cluster if cluster.startswith("arn:") else f"{where}:cluster/{cluster}"
    yield "ecs:RunTask", family, {"ecs__cluster": cluster_arn}
    tags = given.get("Tags")
    task = f"{where}:task/{cluster_arn.rsplit('/', 1)[-1]}/0"
    if tags:
        keys = {f"aws__RequestTag/{t['Key']}": t["Value"] for t in tags}
        yield "ecs:TagResource", task, {"ecs__CreateAction": "RunTask"} | keys
    for role in _roles(given):
        yield "iam:PassRole", role, {"iam__PassedToService": "ecs-tasks.amazonaws.com"}
    if pattern == ".sync":
        yield "ecs:DescribeTasks", task, {"ecs__cluster": cluster_arn}
        yield "ecs:StopTask", task, {"ecs__cluster": cluster_arn}
        yield from managed_rule("StepFunctionsGetEventsForECSTaskRule")


def _roles(given: dict[str, Any]) -> list[str]:
    definition = store._task_defs.get(store._resolve_td_key(given["TaskDefinition"])) or {}
    overrides = given.get("Overrides", {})
    named = (
        overrides.get("TaskRoleArn") or definition.get("taskRoleArn"),
        overrides.get("ExecutionRoleArn") or definition.get("executionRoleArn"),
    )
    return [role for role in named if role]


def _call(given: dict[str, Any]) -> Any:
    answer = sdk.call("ecs", "RunTask", {"StartedBy": "AWS Step Functions"} | given, millis=True)
    if answer.get("Failures"):
        raise sdk.ApiError("AmazonECSException", str(answer["Failures"][0].get("Reason")))
    return answer


def _ended(submitted: Any, scope: Scope, given: dict[str, Any], _: str) -> Any:
    arns = [task["TaskArn"] for task in submitted["Tasks"]]
    cluster = {"Cluster": given["Cluster"]} if "Cluster" in given else {}

    def look() -> Any:
        found = sdk.call("ecs", "DescribeTasks", cluster | {"Tasks": arns}, millis=True)["Tasks"]
        return found if found and all(task["LastStatus"] == "STOPPED" for task in found) else None

    tasks = integrations.until(scope, look)
    result = tasks[0] if len(tasks) == 1 else tasks
    essential = _essential(given)
    for task in tasks:
        bad = [c for c in task["Containers"] if c["Name"] in essential and c.get("ExitCode") != 0]
        if bad or task.get("StopCode") == "TaskFailedToStart":
            raise integrations.task_failed(task)
    return result


def _essential(given: dict[str, Any]) -> set[str]:
    definition = store._task_defs[store._resolve_td_key(given["TaskDefinition"])]
    return {c["name"] for c in definition["containerDefinitions"] if c.get("essential", True)}


def _stop(submitted: Any, given: dict[str, Any]) -> None:
    cluster = {"cluster": given["Cluster"]} if "Cluster" in given else {}
    for task in submitted["Tasks"]:
        sdk.raw("ecs", "StopTask", cluster | {"task": task["TaskArn"], "reason": "The execution or the state was stopped"})


def install() -> None:
    """Registers the integration."""
    register(
        Integration(
            "ecs:runTask", "ecs", "RunTask", "ECS", "AmazonECSException", patterns=("", ".sync"),
            needs=_needs, call=_call, wait=_ended, cancel=_stop,
        )
    )  # fmt: skip
