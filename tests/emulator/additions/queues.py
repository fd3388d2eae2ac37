"""SQS: FIFO queues behind rules and in front of functions.

AWS: EventBridge sends to a FIFO queue like anybody else, so the queue's deduplication holds, a group is needed, and the queue's
policy must let the rule in. A mapping from a queue to a function is refused unless the function's role may receive, and unless the
queue hides a message for as long as the function may take; the dead-letter queue of a FIFO queue is one too. MiniStack: appends past
the deduplication, asks nobody, and after each empty look waits 50 ms.
In: targets, mappings, queues. Out: messages in order, once. `DPC_VISIBILITY_SCALE` (1) shortens how long a batch that failed stays
hidden from the function. It refuses to know what a message says.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.services import eventbridge as events
from ministack.services import lambda_svc as functions
from ministack.services import sqs

from . import cloudformation, patching, roles

Properties = dict[str, Any]
_SCALE = float(os.environ.get("DPC_VISIBILITY_SCALE", "1"))
_NEEDED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


def _sent(original: Any) -> Any:
    """An event for a FIFO queue goes through the queue's own door."""

    def dispatch(spec: Any, payload: str, parameters: Properties | None = None) -> None:
        queue = sqs._queue_by_arn(str(spec))
        if queue is None or not queue["is_fifo"]:
            original(spec, payload, parameters)
            return
        group = (parameters or {}).get("MessageGroupId")
        body = {"QueueUrl": queue["url"], "MessageBody": payload, "MessageGroupId": group}
        with sqs._queues_lock:
            sqs._act_send_message(body, "")

    return dispatch


def _failed(original: Any) -> Any:
    """A batch that failed is hidden for the queue's time, scaled; then the next look finds it."""

    def run(mapping: Properties, function: Properties, event: Properties, batch: list[Properties], *queue: str) -> None:
        original(mapping, function, event, batch, *queue)
        url = queue[0]
        with sqs._queues_lock:
            record = sqs._get_q(url)
            hidden = float(record["attributes"].get("VisibilityTimeout", "30")) * _SCALE
            handles = {message["receipt_handle"] for message in batch}
            left = [message for message in record["messages"] if message.get("receipt_handle") in handles]
            for message in left:
                message["visible_at"] = min(message["visible_at"], time.time() + hidden)
        functions._esm_backoff_until.pop(mapping["UUID"], None)
        if left:
            wake_in(hidden)

    return run


def wake_in(seconds: float) -> None:
    """Has the mappings look again once something hidden is visible."""
    timer = threading.Timer(seconds + 0.005, esm_wake.set)
    timer.daemon = True
    timer.start()


def _mapping(identifier: str, props: Properties) -> None:
    """What AWS looks at before it makes a mapping from a queue."""
    problem = _refusal(props)
    if problem:
        functions._esms.pop(identifier, None)
        raise ValueError(problem)


def _refusal(props: Properties) -> str | None:
    arn = str(props.get("EventSourceArn", ""))
    queue = sqs._queue_by_arn(arn)
    if ":sqs:" not in arn:
        return None
    if queue is None:
        return f"The provided event source {arn} does not exist"
    function = functions._get_func_record_for_ref(str(props.get("FunctionName")))[0] or {}
    config = function.get("config", {})
    for action in _NEEDED:
        if config.get("Role") and not roles.allows(config["Role"], f"sqs:{action}", arn, {}):
            return f"The provided execution role does not have permissions to call {action} on SQS"
    visible, limit = int(queue["attributes"].get("VisibilityTimeout", "30")), int(config.get("Timeout", 3))
    if visible < limit:
        return f"Queue visibility timeout: {visible} seconds is less than Function timeout: {limit} seconds"
    if queue["is_fifo"] and int(props.get("BatchSize", 10)) > 10:
        return "Batch size of a FIFO queue is 10 at most"
    return None


def _queue(url: str, props: Properties) -> None:
    policy = props.get("RedrivePolicy")
    if isinstance(policy, dict):
        target = str(policy.get("deadLetterTargetArn", ""))
        if target.endswith(".fifo") != (str(props.get("FifoQueue", "")).lower() == "true"):
            sqs._act_delete_queue({"QueueUrl": url}, "")
            raise ValueError(
                f"Value {policy} for parameter RedrivePolicy is invalid. "
                "Reason: Dead-letter queue must be same type of queue as the source."
            )


def _rule(_physical: str, props: Properties) -> None:
    for target in props.get("Targets", []):
        group = (target.get("SqsParameters") or {}).get("MessageGroupId")
        if str(target.get("Arn", "")).endswith(".fifo") and not group:
            raise ValueError(f"Parameter(s) SqsParameters must be specified for target: {target.get('Id')}.")


def install() -> None:
    """Takes over deliveries to FIFO queues, and looks at queues and mappings of templates."""
    patching.replace(events, "_dispatch_to_sqs", _sent)
    patching.replace(functions, "_run_sqs_batch", _failed)
    patching.replace(functions, "_ESM_IDLE_WAKE_GAP_SECONDS", lambda _: 0.002)
    patching.require(functions, "_esms", "_esm_backoff_until", "_get_func_record_for_ref")
    patching.require(sqs, "_queue_by_arn", "_get_q", "_queues_lock", "_act_send_message", "_act_delete_queue")
    cloudformation.after("AWS::Lambda::EventSourceMapping", _mapping)
    cloudformation.after("AWS::SQS::Queue", _queue)
    cloudformation.after("AWS::Events::Rule", _rule)
