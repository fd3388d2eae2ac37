"""Our own judge: each Task's arguments against AWS's service models, as botocore has them.

In: state machines. Out: unknown and missing parameters, wrong types, values outside an enumeration. A JSONata string
stands for any value, except `$merge([$a, $b.c])`, which is what its parts are. It refuses to know what a step is for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.model import ListShape, MapShape, OperationNotFoundError, ServiceModel, Shape, StructureShape

from .documents import Finding, Template, definitions, load, report, states

# Optimised integrations whose parameters differ from the API's:
# (service of botocore, {parameter: shape}, required). Sources: the pages of the Step Functions developer guide,
# connect-emr, connect-lambda, connect-stepfunctions.
_OWN: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "elasticmapreduce:addStep": (
        "emr", {"ClusterId": "ClusterId", "Step": "StepConfig", "ExecutionRoleArn": "ArnType"}, ("ClusterId", "Step"),
    ),
    "elasticmapreduce:terminateCluster": ("emr", {"ClusterId": "ClusterId"}, ("ClusterId",)),
    "elasticmapreduce:cancelStep": ("emr", {"ClusterId": "ClusterId", "StepId": "StepId"}, ("ClusterId", "StepId")),
    "lambda:invoke": (
        "lambda",
        {"FunctionName": "NamespacedFunctionName", "Payload": "any", "InvocationType": "InvocationType",
         "ClientContext": "String", "Qualifier": "Qualifier"},
        ("FunctionName",),
    ),
    "states:startExecution": (
        "stepfunctions", {"StateMachineArn": "Arn", "Name": "Name", "Input": "any", "TraceHeader": "TraceHeader"}, ("StateMachineArn",),
    ),
}  # fmt: skip
# Optimised integrations that take an API's own parameters: (service, operation).
_SAME = {
    "elasticmapreduce:createCluster": ("emr", "RunJobFlow"),
    "sns:publish": ("sns", "Publish"),
    "sqs:sendMessage": ("sqs", "SendMessage"),
    "dynamodb:getItem": ("dynamodb", "GetItem"),
    "dynamodb:putItem": ("dynamodb", "PutItem"),
    "dynamodb:updateItem": ("dynamodb", "UpdateItem"),
    "events:putEvents": ("events", "PutEvents"),
    "dynamodb:deleteItem": ("dynamodb", "DeleteItem"),
    "ecs:runTask": ("ecs", "RunTask"),
    "emr-serverless:startJobRun": ("emr-serverless", "StartJobRun"),
    "glue:startJobRun": ("glue", "StartJobRun"),
    "batch:submitJob": ("batch", "SubmitJob"),
}
# Texts of the API that an optimised integration also takes as objects.
_OBJECTS = {"sns:publish": ("Message",), "sqs:sendMessage": ("MessageBody",), "events:putEvents": ("Detail",)}
# The ways of waiting that an integration has; `aws-sdk` has no `.sync`.
_PATTERNS = {
    "elasticmapreduce:createCluster": ("", ".sync"), "elasticmapreduce:addStep": ("", ".sync"),
    "elasticmapreduce:terminateCluster": ("", ".sync"), "lambda:invoke": ("", ".waitForTaskToken"),
    "states:startExecution": ("", ".sync", ".sync:2", ".waitForTaskToken"), "sns:publish": ("", ".waitForTaskToken"),
    "sqs:sendMessage": ("", ".waitForTaskToken"), "events:putEvents": ("", ".waitForTaskToken"),
    "ecs:runTask": ("", ".sync", ".waitForTaskToken"), "emr-serverless:startJobRun": ("", ".sync"),
    "glue:startJobRun": ("", ".sync"), "batch:submitJob": ("", ".sync"),
}  # fmt: skip
# Step Functions' names of services in `aws-sdk`, where botocore has another.
_SDK_NAMES = {
    "sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs", "emrserverless": "emr-serverless",
    "redshiftdata": "redshift-data",
}  # fmt: skip
_RESOURCE = re.compile(r"^arn:[\w-]+:states:::(?P<action>.+?)(?P<pattern>\.sync(:2)?|\.waitForTaskToken)?$")
_MERGE = re.compile(r"^\{%\s*\$merge\(\[(?P<parts>[^\[\]]*)\]\)\s*%\}$")
# What a run's input may bring into `Instances` of a cluster.
_NETWORK = ("Ec2SubnetId", "EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup", "ServiceAccessSecurityGroup")
_INPUT = {"$input.network": dict.fromkeys(_NETWORK, "{% any %}")}
_TYPES = {
    "string": str, "integer": int, "long": int, "float": (int, float), "double": (int, float), "boolean": bool,
    "timestamp": (str, int, float), "blob": (str, bytes),
}  # fmt: skip
Problem = tuple[str, str, str]


@cache
def _model(service: str) -> ServiceModel:
    model: ServiceModel = botocore.session.get_session().get_service_model(service)
    return model


def judge_template(template: Template) -> Iterator[Finding]:
    """All tasks of all machines of a template."""
    for logical, definition in definitions(template):
        literals = {name: value for _, state in states(definition) for name, value in _assigned(state)}
        for name, state in states(definition):
            if state.get("Type") in ("Task", "Map"):
                check_state = _task if state["Type"] == "Task" else _reader
                for rule, path, message in check_state(state, literals):
                    yield Finding("integrations", template.name, rule, f"{logical}/{name}/{path}".rstrip("/"), message)


def _reader(state: dict[str, Any], literals: dict[str, Any]) -> Iterator[Problem]:
    """The arguments of a Map's ItemReader, which are those of the S3 call that it names."""
    reader = state.get("ItemReader")
    if reader:
        resource = reader.get("Resource", "").replace("states:::s3:", "states:::aws-sdk:s3:")
        yield from _task({"Resource": resource, "Arguments": reader.get("Arguments", {})}, literals)


def _assigned(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for holder in (state, *state.get("Choices", []), *state.get("Catch", [])):
        yield from holder.get("Assign", {}).items()


def _task(state: dict[str, Any], literals: dict[str, Any]) -> Iterator[Problem]:
    match = _RESOURCE.match(state.get("Resource", ""))
    if not match:
        yield "unknown-resource", "Resource", f"{state.get('Resource')!r} is not a service integration"
        return
    action = match["action"]
    arguments = resolved(state.get("Arguments", {}), literals)
    try:
        members, required = _parameters(action)
    except (KeyError, botocore.exceptions.UnknownServiceError, OperationNotFoundError):
        yield "unknown-integration", "Resource", f"Step Functions has no integration `{action}`"
        return
    pattern = match["pattern"] or ""
    if pattern not in _PATTERNS.get(action, ("", ".waitForTaskToken") if action.startswith("aws-sdk:") else ("",)):
        yield "unknown-pattern", "Resource", f"`{action}` has no `{pattern}`"
    yield from _structure(members, required, _as_texts(action, arguments), "Arguments", True)


def _as_texts(action: str, arguments: Any) -> Any:
    """Objects where the integration makes JSON of them: any text will do."""
    names = _OBJECTS.get(action, ())

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: "{% any %}" if k in names and isinstance(v, dict) else replaced(v) for k, v in value.items()}
        return [replaced(inner) for inner in value] if isinstance(value, list) else value

    return replaced(arguments) if names else arguments


def _parameters(action: str) -> tuple[dict[str, Shape | None], list[str]]:
    """Names, shapes and the required names; a shape of None takes anything."""
    if action in _OWN:
        service, names, required = _OWN[action]
        model = _model(service)
        return {n: None if s == "any" else model.shape_for(s) for n, s in names.items()}, list(required)
    if action in _SAME:
        service, operation = _SAME[action]
    else:
        prefix, service, operation = action.split(":") if action.count(":") == 2 else ("", "", "")
        if prefix != "aws-sdk":
            raise KeyError(action)
        service = _SDK_NAMES.get(service, service)
        operation = operation[0].upper() + operation[1:]
    shape = _model(service).operation_model(operation).input_shape
    if shape is None:
        return {}, []
    # Step Functions, as every SDK, makes up the tokens that keep a call from being made twice.
    required = [name for name in shape.required_members if not shape.members[name].metadata.get("idempotencyToken")]
    return dict(shape.members), required


def resolved(value: Any, literals: dict[str, Any]) -> Any:
    """A merge of known objects is one object; any other expression stays what it is: anything."""
    if isinstance(value, dict):
        return {key: resolved(inner, literals) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner, literals) for inner in value]
    match = _MERGE.match(value) if isinstance(value, str) else None
    if not match:
        return value
    merged: dict[str, Any] = {}
    for part in (p.strip() for p in match["parts"].split(",")):
        known = _INPUT.get(part, literals.get(part.removeprefix("$")))
        if not isinstance(known, dict):
            return value
        merged |= known
    return merged


def is_expression(value: Any) -> bool:
    """True for a JSONata string, which may yield anything."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def check(shape: Shape | None, value: Any, path: str, pascal: bool = False) -> Iterator[Problem]:
    """Problems of one value against its shape."""
    if shape is None or is_expression(value):
        return
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            yield "wrong-type", path, f"takes an object, not {value!r}"
        else:
            yield from _structure(dict(shape.members), list(shape.required_members), value, path, pascal)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield "wrong-type", path, f"takes a list, not {value!r}"
            return
        for index, inner in enumerate(value):
            yield from check(shape.member, inner, f"{path}/{index}", pascal)
    elif isinstance(shape, MapShape):
        if not isinstance(value, dict):
            yield "wrong-type", path, f"takes a map, not {value!r}"
            return
        for key, inner in value.items():
            yield from check(shape.value, inner, f"{path}/{key}", pascal)
    else:
        yield from _scalar(shape, value, path)


def _scalar(shape: Shape, value: Any, path: str) -> Iterator[Problem]:
    expected = _TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and shape.type_name != "boolean"):
        yield "wrong-type", path, f"takes a {shape.type_name}, not {value!r}"
        return
    enum = getattr(shape, "enum", None)
    if enum and value not in enum:
        yield "not-in-enumeration", path, f"takes {', '.join(enum)}, not {value!r}"
    size = len(value) if isinstance(value, str) else value
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if not isinstance(value, bool) and ((low is not None and size < low) or (high is not None and size > high)):
        yield "out-of-range", path, f"takes {low} to {high}, not {value!r}"


def _structure(
    members: dict[str, Shape | None], required: list[str], value: dict[str, Any], path: str, pascal: bool
) -> Iterator[Problem]:
    if not isinstance(value, dict):
        if not is_expression(value):
            yield "wrong-type", path, f"takes an object, not {value!r}"
        return
    if pascal:  # Step Functions spells every parameter with a capital
        members = {name[0].upper() + name[1:]: shape for name, shape in members.items()}
        required = [name[0].upper() + name[1:] for name in required]
    for name in required:
        if name not in value:
            yield "missing-parameter", path, f"`{name}` is required"
    for name, inner in value.items():
        if name not in members:
            yield "unknown-parameter", f"{path}/{name}", f"there is no `{name}`; there are {', '.join(sorted(members))}"
        else:
            yield from check(members[name], inner, f"{path}/{name}", pascal)


def judge(paths: list[str]) -> list[Finding]:
    """All templates."""
    return [finding for template in load(paths) for finding in judge_template(template)]


if __name__ == "__main__":
    report(judge(sys.argv[1:]))
