"""Step Functions: the Map Run of a distributed Map, and its child executions.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html: each item is a child execution of
`<machine>/<label>`, with a history of its own; the run counts them, is listed and described; thresholds are ToleratedFailureCount
and ToleratedFailurePercentage, none means the first failure is too many.
In: the children's inputs. Out: their outputs; a tolerated failure is its error and cause. It refuses to know where items
come from. That tolerated failures stand in the output like this is a guess: the guide does not say.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import new_uuid, now_iso
from ministack.services import stepfunctions as sfn

from . import maps, patching, scope as scopes
from .retries import Context, State
from .scope import Cancelled, Scope

_COUNTS = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten",
           "failuresNotRedrivable", "pendingRedrive")  # fmt: skip


def run(
    state: State, inputs: list[Any], execution: dict[str, Any], context: Context, most: int, data: Any, jsonata: bool
) -> list[Any]:
    """Runs a child execution for each input."""
    count = maps.number(state, "ToleratedFailureCount", 0, data, context, jsonata)
    percentage = maps.number(state, "ToleratedFailurePercentage", 0, data, context, jsonata)
    given = {"ToleratedFailureCount", "ToleratedFailurePercentage"} & set(state)

    def too_many(failures: int) -> bool:
        over_count = "ToleratedFailureCount" in given and failures > count
        over_share = "ToleratedFailurePercentage" in given and failures * 100 > percentage * len(inputs)
        return over_count or over_share or not given

    record = _record(state, len(inputs), execution, most, count, percentage)
    around = scopes.current() or Scope(execution)
    inside = around.child()

    def child(_: int, given: Any) -> Any:
        return _child(state["ItemProcessor"], given, execution, record, context)

    try:
        results, errors = maps.in_threads(inside, inputs, most, child, too_many)
        around.check()
    except Cancelled:
        _end(record, "ABORTED")
        raise
    if errors and too_many(len(errors)):
        _end(record, "FAILED")
        raise sfn._ExecutionError(
            "States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded"
        )
    _end(record, "SUCCEEDED")
    return results


def _record(state: State, total: int, execution: dict[str, Any], most: int, count: float, percentage: float) -> dict[str, Any]:
    """A new Map Run."""
    _, _, _, region, account, _, machine, *_ = execution["stateMachineArn"].split(":")
    label = state.get("Label") or new_uuid()
    counts = dict.fromkeys(_COUNTS, 0) | {"total": total, "pending": total}
    record = {
        "mapRunArn": f"arn:aws:states:{region}:{account}:mapRun:{machine}/{label}:{new_uuid()}",
        "executionArn": execution["executionArn"],
        "status": "RUNNING",
        "startDate": now_iso(),
        "maxConcurrency": most,
        "toleratedFailurePercentage": percentage,
        "toleratedFailureCount": int(count),
        "itemCounts": dict(counts),
        "executionCounts": dict(counts),
        "redriveCount": 0,
        "_stateMachineArn": f"arn:aws:states:{region}:{account}:stateMachine:{machine}/{label}",
    }
    sfn._map_runs[record["mapRunArn"]] = record
    return record


def _end(record: dict[str, Any], status: str) -> None:
    record.update(status=status, stopDate=now_iso())


def _count(record: dict[str, Any], before: str, after: str) -> None:
    for counts in (record["itemCounts"], record["executionCounts"]):
        counts[before] -= 1
        counts[after] += 1


def _child(processor: dict[str, Any], given: Any, execution: dict[str, Any], record: dict[str, Any], context: Context) -> Any:
    """One child execution, in its own scope, with nothing of its parent's but the machine."""
    written, name = json.dumps(given), new_uuid()
    machine = record["_stateMachineArn"]
    child: dict[str, Any] = {
        "executionArn": f"{machine.replace(':stateMachine:', ':execution:')}:{name}",
        "stateMachineArn": machine,
        "name": name,
        "status": "RUNNING",
        "startDate": now_iso(),
        "stopDate": None,
        "input": written,
        "inputDetails": {"included": True},
        "output": None,
        "outputDetails": {"included": True},
        "mapRunArn": record["mapRunArn"],
        "events": [],
        "testCase": "",
        "mockAttempts": {},
        "_parent": execution,
    }
    sfn._executions[child["executionArn"]] = child
    sfn._add_event(child, "ExecutionStarted", {"executionStartedEventDetails": {"input": written}})
    scope = Scope(child, scopes.current())
    scope.last_event = 1
    token = scopes.enter(scope)
    about = {"Id": child["executionArn"], "Input": given, "Name": name, "StartTime": child["startDate"]}
    own = {
        "QueryLanguage": context["QueryLanguage"],
        "Execution": about | {"RoleArn": context["Execution"]["RoleArn"]},
        "StateMachine": {"Id": machine, "Name": machine.rsplit(":", 1)[-1]},
        "variables": {},
    }
    _count(record, "pending", "running")
    try:
        output = sfn._run_sub_machine(processor["States"], processor["StartAt"], given, child, own)
    except Cancelled:
        _finish(child, record, "ABORTED", "aborted")
        raise
    except sfn._ExecutionError as error:
        _finish(child, record, "FAILED", "failed", error=error.error, cause=error.cause)
        raise
    finally:
        scope.cancel()
        scopes.leave(token)
    _finish(child, record, "SUCCEEDED", "succeeded", output=json.dumps(output))
    return output


def _finish(child: dict[str, Any], record: dict[str, Any], status: str, counted: str, **details: str) -> None:
    kind = f"Execution{status.capitalize()}"
    sfn._add_event(child, kind, {f"{kind[0].lower()}{kind[1:]}EventDetails": details})
    child.update(status=status, stopDate=now_iso(), **details)
    _count(record, "running", counted)


def install() -> None:
    """Notes what it uses of MiniStack."""
    patching.require(sfn, "_add_event", "_executions", "_map_runs", "_run_sub_machine")
