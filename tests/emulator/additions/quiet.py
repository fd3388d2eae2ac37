"""Whether anything is still under way: `GET /_dpc/busy` lists it, by kind and count; an empty object means that nothing is.

In: functions at work, executions that run, messages in FIFO queues in front of functions, events that are kept back. Out: their
counts. What is between two of these is not seen, so a test looks more than once. It refuses to know what it waits for.
"""

from __future__ import annotations

from typing import Any

from ministack.services import lambda_svc as functions
from ministack.services import sqs
from ministack.services import stepfunctions as sfn

from . import faults, http, patching


def busy(_: dict[str, Any]) -> dict[str, int]:
    """What is under way, without what is zero."""
    mapped = {mapping.get("EventSourceArn") for mapping in list(functions._esms._data.values())}
    queues = [queue for queue in list(sqs._queues._data.values()) if queue["attributes"].get("QueueArn") in mapped]
    counts = {
        "functions": functions.executions_in_flight()[0],
        "executions": sum(e["status"] == "RUNNING" for e in list(sfn._executions._data.values())),
        "messages": sum(len(queue["messages"]) for queue in queues),
        "events": faults.kept_back(),
    }
    return {kind: count for kind, count in counts.items() if count}


def install() -> None:
    """Adds the route."""
    patching.require(functions, "executions_in_flight", "_esms")
    patching.require(sqs, "_queues")
    patching.require(sfn, "_executions")
    http.route("GET", "busy", busy)
