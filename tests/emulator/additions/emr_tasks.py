"""Step Functions' optimised integration for EMR: createCluster, addStep, terminateCluster and their `.sync` forms.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr.html; arguments are the API's own but where the
table below says otherwise, what does not fit is States.Runtime; `.sync` waits for the end, a failed step is
States.TaskFailed with the step's description as cause; when the state is aborted or times out, Step Functions
cancels the step (or terminates the cluster that it was creating) as well as it can.
MiniStack: not implemented. In: a resource and its arguments. Out: what the state's result would be. It refuses to
know who asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.model import Shape
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam
from ministack.services import stepfunctions as sfn

from . import emr_clusters as clusters
from . import emr_steps as steps
from . import faults, models, patching, roles, scope as scopes
from .emr_clusters import Refused
from .integrations import Needs
from .scope import Cancelled, Scope

PREFIX = "arn:aws:states:::elasticmapreduce:"
POLL = 0.05


def shape_of(action: str) -> Shape:
    """The shape of an action's arguments: RunJobFlow's own, else the table of the integration's page."""
    emr = models.service("emr")
    if action == "createCluster":
        return emr.operation_model("RunJobFlow").input_shape
    identifier = emr.shape_for("ClusterId")
    members: dict[str, Shape] = {"ClusterId": identifier}
    required = ["ClusterId"]
    if action == "addStep":
        members |= {"Step": emr.shape_for("StepConfig"), "ExecutionRoleArn": emr.shape_for("ArnType")}
        required.append("Step")
    elif action == "cancelStep":
        members["StepId"] = emr.shape_for("StepId")
        required.append("StepId")
    return models.structure(members, required)


def checked(action: str, arguments: Any) -> None:
    """Raises what Step Functions raises for arguments that do not fit; no Catch sees it."""
    found = models.problems(shape_of(action), arguments)
    if found:
        text = json.dumps(arguments)
        raise sfn._ExecutionError(
            "States.Runtime", f"The Parameters '{text}' could not be used to start the Task: [{', '.join(found)}]"
        )


def _task(action: str, submit: Callable[[dict[str, Any]], Any], finish: Callable[[dict[str, Any], Any, Scope | None], Any]) -> None:
    """Registers `action`: `submit` makes the call, `finish` waits for its end when the resource says `.sync`."""

    def invoke(resource: str, arguments: Any) -> Any:
        checked(action, arguments)
        scope = scopes.current()
        try:
            for permission, on, keys in needs(action, arguments, resource):
                roles.require(permission, on, **keys)
            failing = faults.planned(f"elasticmapreduce:{_CALLS[action]}")
            if failing:
                raise Refused(failing["code"], failing.get("message", "on purpose"))
            submitted = submit(arguments)
            if scope is not None:
                scope.submitted = submitted
            return finish(arguments, submitted, scope) if resource.endswith(".sync") else submitted
        except Refused as refusal:
            raise sfn._ExecutionError(f"EMR.{_exception(refusal.code)}", _said(refusal)) from refusal
        except roles.Denied as denied:
            raise sfn._ExecutionError("EMR.AmazonElasticMapReduceException", denied.message) from denied

    sfn._SERVICE_DISPATCH[PREFIX + action] = invoke


def needs(action: str, arguments: dict[str, Any], resource: str) -> Needs:
    """What the machine's role must be allowed: https://docs.aws.amazon.com/step-functions/latest/dg/emr-iam.html."""
    where = f"arn:aws:elasticmapreduce:{get_region()}:{get_account_id()}:cluster"
    if action == "createCluster":
        tags = {tag["Key"]: tag["Value"] for tag in arguments.get("Tags", [])}
        asked = {f"elasticmapreduce__RequestTag/{key}": value for key, value in tags.items()}
        own = {f"elasticmapreduce__ResourceTag/{key}": value for key, value in tags.items()}
        yield "elasticmapreduce:RunJobFlow", "*", asked
        if tags:
            yield "elasticmapreduce:AddTags", f"{where}/*", asked
        for role, service in ((arguments.get("ServiceRole"), "elasticmapreduce"), (_node_role(arguments), "ec2")):
            if role:
                arn = role if role.startswith("arn:") else f"arn:aws:iam::{get_account_id()}:role/{role}"
                yield "iam:PassRole", arn, {"iam__PassedToService": f"{service}.amazonaws.com"}
        for key in ("AutoTerminationPolicy", "ManagedScalingPolicy"):
            if key in arguments:
                yield f"elasticmapreduce:Put{key}", f"{where}/*", asked | own
        actions = ("DescribeCluster", "TerminateJobFlows") if resource.endswith(".sync") else ()
    else:
        record = clusters.get(arguments["ClusterId"])
        where = record["ClusterArn"].rpartition("/")[0]
        own = {f"elasticmapreduce__ResourceTag/{tag['Key']}": tag["Value"] for tag in record.get("Tags", [])}
        first, *rest = _ACTIONS[action]
        actions = (first, *rest) if resource.endswith(".sync") else (first,)
    for name in actions:
        yield f"elasticmapreduce:{name}", f"{where}/j-any", own


_CALLS = {
    "createCluster": "RunJobFlow", "addStep": "AddJobFlowSteps", "terminateCluster": "TerminateJobFlows", "cancelStep": "CancelSteps",
}  # fmt: skip


def _exception(code: str) -> str:
    """The name of the class that the API's model has for an error's code; most have none, throttling neither."""
    modelled = {shape.metadata.get("error", {}).get("code", shape.name) for shape in models.service("emr").error_shapes}
    return code if code in modelled else "AmazonElasticMapReduceException"


def _said(refusal: Refused) -> str:
    return f"{refusal.message} (Service: AmazonElasticMapReduce; Status Code: 400; Error Code: {refusal.code})"


_ACTIONS = {
    "addStep": ("AddJobFlowSteps", "DescribeStep", "CancelSteps"),
    "terminateCluster": ("TerminateJobFlows", "DescribeCluster"),
    "cancelStep": ("CancelSteps",),
}


def _node_role(arguments: dict[str, Any]) -> str | None:
    """The role of the nodes' instance profile, which is what is passed."""
    profile = iam._instance_profiles.get(arguments.get("JobFlowRole", "").rsplit("/", 1)[-1], {})
    names = profile.get("Roles", [])
    role = iam._roles.get(names[0]) if names else None
    return str(role["Arn"]) if role else None


def _pause(scope: Scope | None) -> None:
    (scope or Scope({"status": "RUNNING"})).wait(POLL)


def _create(arguments: dict[str, Any]) -> Any:
    record = clusters.create(arguments)
    return {"ClusterId": record["Id"], "ClusterArn": record["ClusterArn"]}


def _created(_: dict[str, Any], submitted: Any, scope: Scope | None) -> Any:
    record = clusters.get(submitted["ClusterId"])
    try:
        while record["Status"]["State"] in ("STARTING", "BOOTSTRAPPING"):
            _pause(scope)
            record = clusters.get(submitted["ClusterId"])
    except Cancelled:
        steps.terminate(record, "USER_REQUEST", "Terminated by user request")
        raise
    answer = {"ClusterId": record["Id"], "Cluster": clusters.public(record)}
    if record["Status"]["State"].startswith("TERMINAT"):
        raise sfn._ExecutionError("States.TaskFailed", json.dumps(answer))
    return answer


def _add(arguments: dict[str, Any]) -> Any:
    return {"StepId": steps.add(arguments["ClusterId"], arguments["Step"])["Id"]}


def _added(arguments: dict[str, Any], submitted: Any, scope: Scope | None) -> Any:
    step = steps.find(arguments["ClusterId"], submitted["StepId"])
    try:
        while not steps.wait(step, POLL):
            if scope is not None:
                scope.check()
    except Cancelled:
        steps.cancel(step)
        raise
    answer = {"Step": steps.public(step)}
    if step["Status"]["State"] != "COMPLETED":
        raise sfn._ExecutionError("States.TaskFailed", json.dumps(answer))
    return answer


def _terminate(arguments: dict[str, Any]) -> Any:
    cluster = clusters.get(arguments["ClusterId"])
    if cluster["TerminationProtected"]:
        raise Refused("ValidationException", "Could not shut down one or more job flows since they are termination protected.")
    steps.terminate(cluster, "USER_REQUEST", "Terminated by user request")
    return {}


def _terminated(arguments: dict[str, Any], _: Any, __: Scope | None) -> Any:
    return {"ClusterId": arguments["ClusterId"], "Cluster": clusters.public(clusters.get(arguments["ClusterId"]))}


def _cancel(arguments: dict[str, Any]) -> Any:
    done = steps.cancel(steps.find(arguments["ClusterId"], arguments["StepId"]))
    info = {"StepId": arguments["StepId"], "Status": "SUBMITTED" if done else "FAILED"}
    return {"CancelStepsInfo": info}


def install() -> None:
    """Adds the actions to MiniStack's table of integrations."""
    patching.require(sfn, "_SERVICE_DISPATCH")
    patching.require(iam, "_instance_profiles", "_roles")
    _task("createCluster", _create, _created)
    _task("addStep", _add, _added)
    _task("terminateCluster", _terminate, _terminated)
    _task("cancelStep", _cancel, lambda _, submitted, __: submitted)
