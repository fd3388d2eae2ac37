"""EventBridge: what becomes of an event that its target does not take.

AWS: a Lambda target is invoked asynchronously, so a failing function is retried and its event goes to the function's
dead-letter queue, bare; a rule needs a permission in the function's policy; a target that is not there, or not
permitted, gets the event into the target's own dead-letter queue. MiniStack: one attempt, then nothing, not a line
in the log; policies are not looked at; the function's queue gets a destination's envelope.
In: targets of rules and schedules. Out: retries and dead letters. It refuses to know what the events say.
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from ministack.services import eventbridge as events
from ministack.services import lambda_svc as functions
from ministack.services import sqs

from . import patching

_QUEUE_PROBLEMS = {"NO_RESOURCE": "the target does not exist", "NO_PERMISSIONS": "the target's policy does not allow it"}


def send(queue_arn: str, body: str, attributes: dict[str, str]) -> bool:
    """Puts a message into a queue; False when there is no such queue."""
    if sqs._queue_by_arn(queue_arn) is None:
        return False
    name = queue_arn.rsplit(":", 1)[-1]
    typed = {key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()}
    with sqs._queues_lock:
        sqs._act_send_message({"QueueUrl": sqs._queue_url(name), "MessageBody": body, "MessageAttributes": typed}, "")
    return True


def problem(arn: str, rule_arn: str) -> str | None:
    """Why the target would not take an event of this rule or schedule, by EventBridge's own code."""
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    if service == "sqs":
        return _queue_problem(arn, rule_arn)
    if service != "lambda":
        return None
    function = functions._get_func_record_for_ref(arn)[0]
    if not function:
        return "NO_RESOURCE"
    if ":events:" in rule_arn and not permits(function.get("policy") or {}, "events.amazonaws.com", rule_arn):
        return "NO_PERMISSIONS"
    return None  # a schedule acts through its role


def _queue_problem(arn: str, rule_arn: str) -> str | None:
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        return "NO_RESOURCE"
    if ":events:" not in rule_arn:
        return None  # a schedule acts through its role
    policy = json.loads(queue["attributes"].get("Policy") or "{}")
    return None if permits(policy, "events.amazonaws.com", rule_arn) else "NO_PERMISSIONS"


def permits(policy: dict[str, Any], service: str, source_arn: str) -> bool:
    """True when a function's policy lets `service` invoke it for `source_arn`."""
    for statement in policy.get("Statement", []):
        principal = statement.get("Principal")
        who = principal.get("Service") if isinstance(principal, dict) else principal
        if statement.get("Effect") != "Allow" or (who not in ("*", service) and service not in (who or [])):
            continue
        conditions = statement.get("Condition", {})
        patterns = [
            pattern
            for operator in conditions.values()
            for key, value in operator.items()
            if key.lower() == "aws:sourcearn"
            for pattern in (value if isinstance(value, list) else [value])
        ]
        if not patterns or any(fnmatch.fnmatchcase(source_arn, pattern) for pattern in patterns):
            return True
    return False


def _invoke(original: Any) -> Any:
    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        arn, rule_arn = target.get("Arn", ""), rule.get("Arn", "")
        code = problem(arn, rule_arn)
        if code is None:
            original(target, event, rule, view)
            return
        events.logger.warning("%s -> %s: %s", rule_arn, arn, _QUEUE_PROBLEMS[code])
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            seen = view or events._pattern_event_view(event)
            body = target.get("Input") or json.dumps(seen.event_with_detail())
            send(queue, body, {"RULE_ARN": rule_arn, "TARGET_ARN": arn, "ERROR_CODE": code})

    return invoke


def to_lambda(arn: str, payload: str) -> None:
    """Invokes a function as an event, with the retries and dead letters of such invocations."""
    function, configuration, _ = functions._get_func_record_for_ref(arn)
    record = functions._execution_record_for_config(function, configuration)
    functions.invoke_async_with_retry(record, json.loads(payload))


def _bare(original: Any) -> Any:
    """The function's own dead-letter queue gets the event as it was; a destination gets the envelope."""

    def route(target: str, name: str, event: dict[str, Any], result: dict[str, Any]) -> None:
        function = functions._functions.get(name) or {}
        own = (function.get("config", {}).get("DeadLetterConfig") or {}).get("TargetArn")
        if target != own or ":sqs:" not in target:
            original(target, name, event, result)
            return
        body = result.get("body") if isinstance(result.get("body"), dict) else {}
        message = str((body or {}).get("errorMessage", "unknown"))[:1024]
        send(target, json.dumps(event), {"RequestID": "emulated", "ErrorCode": "200", "ErrorMessage": message})

    return route


def install() -> None:
    """Takes over the delivery to functions, and looks at every target before."""
    patching.replace(events, "_invoke_target", _invoke)
    patching.replace(events, "_dispatch_to_lambda", lambda _: to_lambda)
    patching.replace(functions, "_route_async_failure", _bare)
    patching.require(events, "_pattern_event_view")
    patching.require(functions, "_get_func_record_for_ref", "_execution_record_for_config", "_functions")
    patching.require(functions, "invoke_async_with_retry")
    patching.require(sqs, "_queue_by_arn", "_queues_lock", "_act_send_message", "_queue_url")
