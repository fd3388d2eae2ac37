"""Step Functions: the optimised integrations that answer at once, and nested executions.

AWS: the pages connect-lambda, connect-sns, connect-sqs, connect-ddb, connect-eventbridge and connect-stepfunctions of the developer
guide: payloads, messages and inputs may be objects; a function's error is the task's error with `errorMessage`, `errorType` and
the trace as cause; putEvents fails when an entry was not taken; `startExecution.sync:2` has the output as JSON and fails with the
child's description; an abort stops the child. MiniStack: results and errors of its own, children live on.
In: arguments. Out: results in AWS's shapes. It refuses to know the services: it calls their API.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.model import Shape
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import stepfunctions as sfn

from . import aws_sdk, integrations, models, sdk
from .integrations import Integration, Needs, register
from .scope import Scope


def _where(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{rest}"


# ---- lambda


def _function(name: str, qualifier: str | None) -> str:
    arn = name if name.startswith("arn:") else _where("lambda", f"function:{name}")
    return f"{arn}:{qualifier}" if qualifier else arn


def _invoke(given: dict[str, Any]) -> Any:
    arguments = {k: v for k, v in given.items() if k not in ("Payload", "ClientContext")}
    payload = given.get("Payload", {})
    answer = sdk.raw("lambda", "Invoke", arguments | {"Payload": json.dumps(payload).encode()})
    body = answer["Payload"].read() if "Payload" in answer else b""
    text = body.decode()
    if "FunctionError" in answer:
        try:
            kind = json.loads(text).get("errorType") or "Lambda.Unknown"
        except ValueError:
            kind = "Lambda.Unknown"
        raise sfn._ExecutionError(kind, text)
    metadata = {"HttpStatusCode": answer["StatusCode"], "HttpHeaders": {}, "AllHttpHeaders": {}}
    return {
        "ExecutedVersion": answer.get("ExecutedVersion", "$LATEST"),
        "Payload": json.loads(text) if text else "",
        "SdkHttpMetadata": metadata,
        "SdkResponseMetadata": {"RequestId": new_uuid()},
        "StatusCode": answer["StatusCode"],
    }


def _invoke_needs(given: dict[str, Any], _: str) -> Needs:
    yield "lambda:InvokeFunction", _function(given["FunctionName"], given.get("Qualifier")), {}


def _lambda_shape() -> Shape:
    shape = sdk.operation("lambda", "Invoke").input_shape
    kept = {n: s for n, s in shape.members.items() if n in ("FunctionName", "InvocationType", "ClientContext", "Qualifier")}
    return models.structure(kept, ["FunctionName"])


# ---- events


def _put_events(given: dict[str, Any]) -> Any:
    answer = sdk.call("events", "PutEvents", given)
    if answer.get("FailedEntryCount"):
        raise sfn._ExecutionError("EventBridge.FailedEntry", json.dumps(answer))
    return answer


def _event_details(given: dict[str, Any]) -> dict[str, Any]:
    entries = given.get("Entries")
    if not isinstance(entries, list):
        return given
    return given | {
        "Entries": [
            e | {"Detail": json.dumps(e["Detail"])} if isinstance(e, dict) and isinstance(e.get("Detail"), dict) else e for e in entries
        ]
    }


def _put_events_needs(given: dict[str, Any], _: str) -> Needs:
    for entry in given["Entries"]:
        bus = entry.get("EventBusName", "default")
        yield "events:PutEvents", bus if bus.startswith("arn:") else _where("events", f"event-bus/{bus}"), {}


# ---- nested executions


def _start_needs(given: dict[str, Any], pattern: str) -> Needs:
    machine = str(given["StateMachineArn"])
    yield "states:StartExecution", machine, {}
    if pattern.startswith(".sync"):
        execution = machine.replace(":stateMachine:", ":execution:") + ":any"
        yield "states:DescribeExecution", execution, {}
        yield "states:StopExecution", execution, {}
        yield from managed_rule("StepFunctionsGetEventsForStepFunctionsExecutionRule")


def managed_rule(name: str) -> Needs:
    """What Step Functions needs for the rule that tells it about the end of jobs.

    https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html#connect-iam-sync-async
    """
    for action in ("PutTargets", "PutRule", "DescribeRule"):
        yield f"events:{action}", _where("events", f"rule/{name}"), {}


def _ended(submitted: Any, scope: Scope, _: dict[str, Any], pattern: str) -> Any:
    arn = submitted["ExecutionArn"]

    def look() -> Any:
        found = sdk.call("stepfunctions", "DescribeExecution", {"ExecutionArn": arn}, millis=True)
        return found if found["Status"] != "RUNNING" else None

    done = integrations.until(scope, look)
    if done["Status"] != "SUCCEEDED":
        raise integrations.task_failed(done)
    return done | {"Output": json.loads(done["Output"])} if pattern == ".sync:2" else done


def _stop(submitted: Any, _: dict[str, Any]) -> None:
    sdk.raw("stepfunctions", "StopExecution", {"executionArn": submitted["ExecutionArn"]})


# ---- the table


def _plain(action: str, service: str, operation: str, prefix: str, general: str, texts: tuple[str, ...] = ()) -> None:
    """An integration that is the API's own call."""

    def needs(given: dict[str, Any], _: str) -> Needs:
        yield aws_sdk.permission(service, operation), aws_sdk.resource(service, given), {}

    register(Integration(action, service, operation, prefix, general, texts=texts, needs=needs))


def install() -> None:
    """Registers them."""
    register(
        Integration(
            "lambda:invoke", "lambda", "Invoke", "Lambda", "AWSLambdaException",
            needs=_invoke_needs, call=_invoke, shape=_lambda_shape, free=("Payload",),
        )
    )  # fmt: skip
    register(
        Integration(
            "events:putEvents", "events", "PutEvents", "EventBridge", "AmazonEventBridgeException",
            needs=_put_events_needs, call=_put_events, before=_event_details,
        )
    )  # fmt: skip
    register(
        Integration(
            "states:startExecution", "stepfunctions", "StartExecution", "StepFunctions", "AWSStepFunctionsException",
            patterns=("", ".sync", ".sync:2"), texts=("Input",), needs=_start_needs, wait=_ended, cancel=_stop,
        )
    )  # fmt: skip
    _plain("sns:publish", "sns", "Publish", "SNS", "AmazonSNSException", ("Message",))
    _plain("sqs:sendMessage", "sqs", "SendMessage", "SQS", "AmazonSQSException", ("MessageBody",))
    for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem"):
        _plain(f"dynamodb:{name[0].lower()}{name[1:]}", "dynamodb", name, "DynamoDB", "AmazonDynamoDBException")
