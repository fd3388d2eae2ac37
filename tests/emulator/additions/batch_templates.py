"""CloudFormation: AWS::Batch::ComputeEnvironment, JobQueue and JobDefinition.

AWS: the properties are the API's; what is referred to by `Ref` is the ARN; a queue needs its compute environments, which
must be there. MiniStack: refuses the types, and forgets parameters, retries, time-outs and platforms of a definition.
In: properties. Out: records in MiniStack's store. It refuses to know how a job runs.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import batch

from . import batch_jobs, patching, sdk
from .cloudformation_jobs import Made, Properties, call, replaces, resource, typed


def _last(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def _environment(logical: str, props: Properties, stack: str) -> Made:
    given = {"ComputeEnvironmentName": f"{stack}-{logical}"} | {k: v for k, v in props.items() if k not in ("ReplaceComputeEnvironment", "UpdatePolicy")}
    answer = call("batch", "CreateComputeEnvironment", batch._create_compute_environment, given, "AWS::Batch::ComputeEnvironment")
    return answer["computeEnvironmentArn"], {"ComputeEnvironmentArn": answer["computeEnvironmentArn"]}


def _queue(logical: str, props: Properties, stack: str) -> Made:
    given = {"JobQueueName": f"{stack}-{logical}"} | props
    answer = call("batch", "CreateJobQueue", batch._create_job_queue, given, "AWS::Batch::JobQueue")
    return answer["jobQueueArn"], {"JobQueueArn": answer["jobQueueArn"]}


def _in_place(store: Any, operation: str) -> Any:
    """An update that changes the record."""

    def update(physical: str, _: Properties, new: Properties, __: str, ___: str | None = None) -> Made:
        shape = sdk.operation("batch", operation).input_shape
        store[_last(physical)].update(sdk.to_api(shape, typed(shape, new)))
        return physical, {operation.removeprefix("Create") + "Arn": physical}

    return update


def _definition(logical: str, props: Properties, stack: str) -> Made:
    given = {"JobDefinitionName": f"{stack}-{logical}"} | props
    answer = call("batch", "RegisterJobDefinition", batch._register_job_definition, given, "AWS::Batch::JobDefinition")
    return answer["jobDefinitionArn"], {"JobDefinitionArn": answer["jobDefinitionArn"]}


def _definition_gone(physical: str, _: Properties) -> None:
    found = batch_jobs.find_definition(physical)
    if found:
        found["status"] = "INACTIVE"


def _existing(original: Any) -> Any:
    """A queue's compute environments must be there."""

    def create(data: dict[str, Any]) -> Any:
        for entry in data.get("computeEnvironmentOrder", []):
            if _last(entry["computeEnvironment"]) not in batch._compute_envs:
                return error_response_json("ClientException", f"{entry['computeEnvironment']} does not exist", 400)
        return original(data)

    return create


def _whole(original: Any) -> Any:
    """All of a definition, not a part of it."""

    def register(data: dict[str, Any]) -> Any:
        answer = original(data)
        if answer[0] < 400:
            body = json.loads(answer[2])
            record = batch._job_definitions[body["jobDefinitionName"]][-1]
            record.update({k: v for k, v in data.items() if k not in record or k in ("containerProperties", "tags")})
        return answer

    return register


def install() -> None:
    """Adds the types."""
    patching.replace(batch, "_create_job_queue", _existing)
    patching.replace(batch, "_register_job_definition", _whole)
    table = "ministack.services.batch._DISPATCH"
    for path, name in (("createjobqueue", "_create_job_queue"), ("registerjobdefinition", "_register_job_definition")):
        patching.replace_item(batch._DISPATCH, f"/v1/{path}", table, lambda _, name=name: getattr(batch, name))
    patching.require(batch, "_compute_envs", "_create_compute_environment")
    environments, queues = batch._compute_envs, batch._job_queues
    resource(
        "AWS::Batch::ComputeEnvironment", _environment, lambda physical, _: environments.pop(_last(physical), None),
        _in_place(environments, "CreateComputeEnvironment"),
    )  # fmt: skip
    resource(
        "AWS::Batch::JobQueue", _queue, lambda physical, _: queues.pop(_last(physical), None), _in_place(queues, "CreateJobQueue")
    )
    resource("AWS::Batch::JobDefinition", _definition, _definition_gone)
    replaces("AWS::Batch::ComputeEnvironment", "ComputeEnvironmentName", "Type")
    replaces("AWS::Batch::JobQueue", "JobQueueName", "JobQueueType")
    replaces("AWS::Batch::JobDefinition", "JobDefinitionName")
