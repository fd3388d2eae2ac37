"""Step Functions: the execution's history in its log group.

AWS: a machine with LoggingConfiguration writes each event of its history to the log group, as JSON with id, type,
details, previous_event_id, event_timestamp and execution_arn; the level picks the events; without
`includeExecutionData` there is no input or output in them. MiniStack keeps the configuration and writes nothing.
In: events, as they are added. Out: log events. It refuses to know how the history comes about.
"""

from __future__ import annotations

import json
import time
from typing import Any

from ministack.services import cloudwatch_logs as logs
from ministack.services import stepfunctions as sfn

from . import patching

# https://docs.aws.amazon.com/step-functions/latest/dg/cloudwatch-log-level.html
_FATAL = frozenset({"ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"})
_ERROR_MARKS = ("Failed", "TimedOut", "Aborted")
_DATA = frozenset({"input", "output", "parameters"})


def configuration(machine: dict[str, Any]) -> tuple[str, bool, list[str]]:
    """Level, whether data is included, log groups; the API spells the keys small, CloudFormation large."""
    given = {k[0].lower() + k[1:]: v for k, v in (machine.get("loggingConfiguration") or {}).items()}
    groups = []
    for destination in given.get("destinations") or []:
        inner = next(iter(destination.values()), {})
        arn = next(iter(inner.values()), "")
        groups.append(arn.split(":log-group:", 1)[-1].removesuffix(":*"))
    include = given.get("includeExecutionData", False)
    return given.get("level", "OFF"), include in (True, "true", "True"), groups


def wanted(level: str, kind: str) -> bool:
    """True when an event of this type is written at this level."""
    if level == "ERROR":
        return any(mark in kind for mark in _ERROR_MARKS) or kind == "FailStateEntered"
    return level == "ALL" or (level == "FATAL" and kind in _FATAL)


def entry(execution: dict[str, Any], event: dict[str, Any], include: bool) -> dict[str, Any]:
    """The log event of one history event."""
    details = next((v for k, v in event.items() if k.endswith("EventDetails")), {})
    return {
        "id": str(event["id"]),
        "type": event["type"],
        "details": {k: v for k, v in details.items() if include or k not in _DATA},
        "previous_event_id": str(event.get("previousEventId", 0)),
        "event_timestamp": str(int(time.time() * 1000)),
        "execution_arn": execution["executionArn"],
    }


def write(execution: dict[str, Any], event: dict[str, Any]) -> None:
    """Writes one event to each log group of the execution's machine."""
    machine = sfn._state_machines.get(execution["stateMachineArn"])
    if machine is None:
        return
    level, include, groups = configuration(machine)
    if not wanted(level, event["type"]):
        return
    message = json.dumps(entry(execution, event, include))
    stream = f"states/{machine['name']}/{execution['startDate'][:16].replace('T', '-').replace(':', '-')}/{execution['name']}"
    for group in groups:
        logs._create_log_stream({"logGroupName": group, "logStreamName": stream})  # the second time it exists
        logs._put_log_events({
            "logGroupName": group,
            "logStreamName": stream,
            "logEvents": [{"timestamp": int(time.time() * 1000), "message": message}],
        })  # fmt: skip


def _logging(original: Any) -> Any:
    def add_event(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        if len(execution["events"]) == 1 and not execution.get("_logged"):
            execution["_logged"] = True  # StartExecution writes the first event into the record itself
            write(execution, execution["events"][0])
        event: dict[str, Any] = original(execution, kind, details)
        write(execution, event)
        return event

    return add_event


def install() -> None:
    """Writes every event that is added from now on."""
    patching.replace(sfn, "_add_event", _logging)
    patching.require(logs, "_create_log_stream", "_put_log_events")
