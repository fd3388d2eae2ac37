"""Step Functions: `aws-sdk:<service>:<action>`, for every service that botocore knows and the emulator answers.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html: any API call; errors are
`<Service>.<Exception>` as the AWS SDK for Java 2 spells them, codes without an exception of their own are
`<Service>.<Service>Exception`; objects are read as text. MiniStack: some services, some actions.
In: a resource and arguments. Out: the answer. It refuses to know what a call does.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions as sfn

from . import patching, roles, sdk

# Step Functions' name of a service -> (botocore's, the prefix of its errors); others are their own names.
SERVICES = {
    "sfn": ("stepfunctions", "Sfn"),
    "eventbridge": ("events", "EventBridge"),
    "cloudwatchlogs": ("logs", "CloudWatchLogs"),
    "emrserverless": ("emr-serverless", "EmrServerless"),
    "dynamodb": ("dynamodb", "DynamoDb"),
    "secretsmanager": ("secretsmanager", "SecretsManager"),
    "redshiftdata": ("redshift-data", "RedshiftData"),
    "cloudwatch": ("cloudwatch", "CloudWatch"),
    "cloudformation": ("cloudformation", "CloudFormation"),
    "s3": ("s3", "S3"),
}
# The IAM prefix where it is not the endpoint's.
_PREFIXES = {"stepfunctions": "states", "emr": "elasticmapreduce", "cloudwatch": "cloudwatch", "redshift-data": "redshift-data"}
_ACTIONS = {"s3:ListObjectsV2": "s3:ListBucket", "s3:ListObjects": "s3:ListBucket", "s3:HeadObject": "s3:GetObject", "lambda:Invoke": "lambda:InvokeFunction"}


def call(name: str, action: str, arguments: Any) -> Any:
    """Calls the action as the execution's role."""
    service, prefix = SERVICES.get(name, (name, name[0].upper() + name[1:]))
    try:
        model = sdk.operation(service, action)
    except (UnknownServiceError, OperationNotFoundError) as problem:
        raise sfn._ExecutionError("States.Runtime", f"The resource 'arn:aws:states:::aws-sdk:{name}:{action}' is not supported by Step Functions") from problem
    found = sdk.problems(model.input_shape, arguments)
    if found:
        text = json.dumps(arguments)
        raise sfn._ExecutionError("States.Runtime", f"The Parameters '{text}' could not be used to start the Task: [{', '.join(found)}]")
    try:
        roles.require(permission(service, model.name), resource(service, arguments))
        return sdk.call(service, model.name, arguments)
    except roles.Denied as denied:
        raise sfn._ExecutionError(f"{prefix}.{_named(prefix, model, 'AccessDeniedException')}", denied.message) from denied
    except sdk.ApiError as refused:
        raise sfn._ExecutionError(f"{prefix}.{_named(prefix, model, refused.code)}", f"{refused.message} (Service: {prefix}, Status Code: 400)") from refused


def permission(service: str, operation: str) -> str:
    """The IAM action of an operation."""
    metadata = sdk.models.service(service).metadata
    prefix = _PREFIXES.get(service, metadata.get("signingName") or metadata["endpointPrefix"])
    action = f"{prefix}:{operation}"
    return _ACTIONS.get(action, action)


def resource(service: str, given: dict[str, Any]) -> str | None:
    """The ARN that a call touches, where it is easily told."""
    where = f"{get_region()}:{get_account_id()}"
    if service == "s3" and "Bucket" in given:
        return f"arn:aws:s3:::{given['Bucket']}" + (f"/{given['Key']}" if "Key" in given else "")
    if service == "dynamodb" and "TableName" in given:
        name = given["TableName"]
        return name if name.startswith("arn:") else f"arn:aws:dynamodb:{where}:table/{name}"
    for key in ("TopicArn", "StateMachineArn", "ExecutionArn", "QueueArn", "ResourceArn", "TargetArn", "ApplicationArn"):
        if key in given:
            return str(given[key])
    if service == "sqs" and "QueueUrl" in given:
        return f"arn:aws:sqs:{where}:{given['QueueUrl'].rsplit('/', 1)[-1]}"
    if service == "lambda" and "FunctionName" in given:
        name = given["FunctionName"]
        return name if name.startswith("arn:") else f"arn:aws:lambda:{where}:function:{name}"
    return None


def _named(prefix: str, model: Any, code: str) -> str:
    modelled = {shape.name for shape in model.service_model.error_shapes}
    name = code.rpartition(".")[2].rpartition("#")[2]
    for spelling in (name, f"{name}Exception"):
        if spelling in modelled or f"{spelling}Exception" in modelled:
            return spelling if spelling.endswith("Exception") else f"{spelling}Exception"
    return name if name == "SdkClientException" else f"{prefix}Exception"


def _invoke(_: Any) -> Any:
    def invoke(resource_name: str, arguments: Any) -> Any:
        parts = resource_name.removesuffix(".waitForTaskToken").split(":")
        if len(parts) != 8 or parts[7].endswith(".sync"):
            raise sfn._ExecutionError("States.Runtime", f"The resource '{resource_name}' is not supported by Step Functions")
        return call(parts[6].lower(), parts[7], arguments if isinstance(arguments, dict) else {})

    return invoke


def install() -> None:
    """Takes the place of MiniStack's calls."""
    patching.replace(sfn, "_invoke_aws_sdk_integration", _invoke)
