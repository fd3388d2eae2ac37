"""CloudFormation: the resource types that jobs run on.

AWS: AWS::ECS::TaskDefinition takes everything that RegisterTaskDefinition takes; AWS::Batch and AWS::EMRServerless types
are the APIs' own resources. MiniStack: drops secrets, platform and storage of a task definition, refuses the others.
In: properties. Out: what the service's API makes of them; its refusal is the resource's. It refuses to know the APIs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.services import ecs
from ministack.services.cloudformation import provisioners as cfn

from . import patching, sdk

Properties = dict[str, Any]
Handler = Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]
Made = tuple[str, dict[str, Any]]


def call(service: str, operation: str, handler: Handler, properties: Properties, kind: str) -> dict[str, Any]:
    """Calls a service's handler with properties as CloudFormation spells them; unknown ones are refused as it does.

    In this process, not over HTTP: stacks are made on the emulator's own loop, which could not answer itself.
    """
    shape = sdk.operation(service, operation).input_shape
    given = typed(shape, properties)
    found = sdk.problems(shape, given)
    if found:
        raise ValueError(f"Properties validation failed for resource with message: {kind}: {'; '.join(found)}")
    status, _, body = handler(sdk.to_api(shape, given))
    answer: dict[str, Any] = json.loads(body) if body else {}
    if status >= 400:
        code = str(answer.get("__type", "")).rpartition("#")[2]
        raise ValueError(f"{answer.get('message', answer)} (Service: {service}, Error Code: {code})")
    return answer


def typed(shape: Any, value: Any) -> Any:
    """Numbers and booleans that a template wrote as text, and the other way round."""
    kind = getattr(shape, "type_name", "")
    if kind == "structure" and isinstance(value, dict):
        members = {sdk.spelt(name): member for name, member in shape.members.items()}
        return {key: typed(members.get(key), inner) for key, inner in value.items()}
    if kind == "list" and isinstance(value, list):
        return [typed(shape.member, inner) for inner in value]
    if kind == "map" and isinstance(value, dict):
        return {key: typed(shape.value, inner) for key, inner in value.items()}
    if kind in ("integer", "long") and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    if kind == "string" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value


def resource(
    kind: str,
    create: Callable[[str, Properties, str], Made],
    delete: Callable[[str, Properties], None],
    update: Callable[[str, Properties, Properties, str, str], Made] | None = None,
) -> None:
    """Adds a type, or puts it in the place of MiniStack's; without `update` a change makes a new one."""

    def replaced(physical: str, _old: Properties, new: Properties, stack: str, logical_id: str | None = None) -> Made:
        return create(logical_id or physical, new, stack)

    cfn._RESOURCE_HANDLERS[kind] = {
        **cfn._RESOURCE_HANDLERS.get(kind, {}),
        "create": create,
        "delete": delete,
        "update": update or replaced,
        "update_with_logical_id": True,
    }


def _task_definition(logical: str, props: Properties, stack: str) -> Made:
    family = props.get("Family", f"{stack}-{logical}")
    kind = "AWS::ECS::TaskDefinition"
    answer = call("ecs", "RegisterTaskDefinition", ecs._register_task_definition, props | {"Family": family}, kind)
    arn = answer["taskDefinition"]["taskDefinitionArn"]
    return arn, {"TaskDefinitionArn": arn}


def _task_definition_gone(physical: str, _: Properties) -> None:
    ecs._deregister_task_definition({"taskDefinition": physical})


def replaces(kind: str, *properties: str) -> None:
    """Says which properties cannot change in place: a change set tells it, and an update makes a new resource."""
    cfn._REPLACING_PROPERTIES[kind] = properties


def install() -> None:
    """Adds the type that MiniStack half knows; the services' modules add theirs."""
    patching.require(cfn, "_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES")
    patching.require(ecs, "_deregister_task_definition", "_register_task_definition")
    resource("AWS::ECS::TaskDefinition", _task_definition, _task_definition_gone)
    members = sdk.operation("ecs", "RegisterTaskDefinition").input_shape.members
    replaces("AWS::ECS::TaskDefinition", *(sdk.spelt(name) for name in members if name != "tags"))
