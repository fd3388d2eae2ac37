"""Step Functions: walks a state machine.

AWS: every state of every branch is in the history, each event names the one before it; branches have variables of
their own and stop when a sibling fails; Parallel and Succeed evaluate `Arguments` and `Output`; the machine's
`TimeoutSeconds` ends the execution TIMED_OUT; StopExecution and a task's `TimeoutSeconds` end what the task runs.
MiniStack: branches leave no events, share variables, run on; `Output` of Parallel and Succeed and the machine's
timeout are ignored; one assignment sees another of the same state; a Choice takes any value for true and has no Output of its own.
In: MiniStack's record of an execution. Out: the record with its history and status. It refuses to know what a task
does (`tasks`), what a Map iterates over (`maps`), and when a state is tried again (`retries`).
"""

from __future__ import annotations

import contextvars
import json
import os
import threading
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from . import history, maps, patching, retries, scope as scopes, tasks
from .scope import Cancelled, Scope

State = dict[str, Any]
Context = dict[str, Any]

# MiniStack's own 0.15 s before an execution's first state, where a comparison wants them.
_START_SECONDS = float(os.environ.get("DPC_EXECUTION_START_SECONDS", "0"))

_FINAL_EVENT = {
    "SUCCEEDED": ("ExecutionSucceeded", "executionSucceededEventDetails"),
    "FAILED": ("ExecutionFailed", "executionFailedEventDetails"),
    "TIMED_OUT": ("ExecutionTimedOut", "executionTimedOutEventDetails"),
}


# ---- an execution


def run_execution(arn: str) -> None:
    """Walks the execution `arn` to its end, in the thread that StartExecution made for it."""
    execution = sfn._executions.get(arn)
    if execution is None:
        return
    scope = Scope(execution)
    scope.last_event = 1
    token = scopes.enter(scope)
    try:
        scope.wait(_START_SECONDS)
        _run(execution, scope)
    except Cancelled:
        pass  # stopped or timed out: whoever did that has written the end
    except sfn._ExecutionError as error:
        finish(execution, "FAILED", error=error.error, cause=error.cause)
    except Exception as problem:  # the emulator's own fault must end the execution, not hang it
        sfn.logger.exception("execution %s", arn)
        finish(execution, "FAILED", error="States.Runtime", cause=f"emulator: {problem!r}")
    finally:
        scope.cancel()
        scopes.leave(token)


def _run(execution: dict[str, Any], scope: Scope) -> None:
    machine = sfn._state_machines.get(execution["stateMachineArn"])
    if machine is None:
        raise sfn._ExecutionError("States.Runtime", "the state machine was deleted")
    definition = json.loads(machine["definition"])
    data = json.loads(execution["input"])
    context: Context = {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": {
            "Id": execution["executionArn"],
            "Input": data,
            "Name": execution["name"],
            "RoleArn": machine["roleArn"],
            "StartTime": execution["startDate"],
        },
        "StateMachine": {"Id": machine["stateMachineArn"], "Name": machine["name"]},
        "variables": {},
    }
    watchdog = _watchdog(execution, definition.get("TimeoutSeconds"))
    try:
        output = walk(definition["States"], definition["StartAt"], data, execution, context)
        finish(execution, "SUCCEEDED", output=json.dumps(output))
    finally:
        if watchdog:
            watchdog.cancel()


def _watchdog(execution: dict[str, Any], seconds: float | None) -> threading.Timer | None:
    if seconds is None:
        return None
    snapshot = contextvars.copy_context()
    timer = threading.Timer(seconds, lambda: snapshot.run(finish, execution, "TIMED_OUT"))
    timer.daemon = True
    timer.start()
    return timer


def finish(execution: dict[str, Any], status: str, **details: str) -> bool:
    """Ends the execution once; False if it had ended already."""
    with history.LOCK:
        if execution["status"] != "RUNNING":
            return False
        execution.update(details)
        if status == "FAILED":
            execution["output"] = None
        execution["stopDate"] = now_iso()
        execution["status"] = status
        kind, key = _FINAL_EVENT[status]
        sfn._add_event(execution, kind, {key: details})
    sfn._emit_execution_status_event(execution)
    return True


# ---- states


def walk(states: dict[str, State], start: str, data: Any, execution: dict[str, Any], context: Context) -> Any:
    """Walks from `start` to an end, in the current scope, and returns the output."""
    scope = scopes.current() or Scope(execution)
    name: str | None = start
    while name:
        scope.check()
        state = states.get(name)
        if state is None:
            raise sfn._ExecutionError("States.Runtime", f"there is no state '{name}'")
        context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
        kind = state["Type"]
        history.event(execution, f"{kind}StateEntered", "stateEnteredEventDetails", name=name, input=history.text(data, name, "the input"))
        if kind == "Fail":
            raise sfn._ExecutionError(*sfn._fail_state_error(state, data, context))
        data, following = _state(kind, state, data, execution, context)
        history.event(execution, f"{kind}StateExited", "stateExitedEventDetails", name=name, output=history.text(data, name, "the output"))
        name = following
    return data


def _state(kind: str, state: State, data: Any, execution: dict[str, Any], context: Context) -> tuple[Any, str | None]:
    if kind == "Task":
        return tasks.run(state, data, execution, context)
    if kind == "Parallel":
        return retries.handled(state, data, context, lambda: _parallel(state, data, execution, context))
    if kind == "Map":
        return retries.handled(state, data, context, lambda: maps.run(state, data, execution, context))
    if kind == "Succeed":
        if sfn._state_query_language(state, context) == "JSONata":
            return sfn._apply_jsonata_output(state, data, context, default=data), None
        return sfn._apply_output_path(state, sfn._apply_input_path(state, data, context), context), None
    if kind == "Choice" and sfn._state_query_language(state, context) == "JSONata":
        return _choice(state, data, context)
    simple = {"Pass": sfn._execute_pass, "Choice": sfn._execute_choice, "Wait": sfn._execute_wait}.get(kind)
    if simple is None:
        raise sfn._ExecutionError("States.Runtime", f"there is no state type '{kind}'")
    return simple(state, data, context)


def _choice(state: State, data: Any, context: Context) -> tuple[Any, str | None]:
    """The first rule whose condition is true; without one, the state's own Output and Assign and its Default."""
    for rule in [*state["Choices"], {"Condition": "Default" in state, **state, "Next": state.get("Default")}]:
        if sfn._jsonata_state_field(rule, "Condition", "boolean", data, context):
            output = sfn._apply_jsonata_output(rule, data, context, default=data)
            sfn._apply_state_assign(rule, data, context)
            return output, rule["Next"]
    raise sfn._ExecutionError("States.NoChoiceMatched", "no rule matched, and there is no Default")


def _parallel(state: State, data: Any, execution: dict[str, Any], context: Context) -> tuple[Any, str | None]:
    """One attempt of a Parallel state: the first failing branch stops the others."""
    jsonata = sfn._state_query_language(state, context) == "JSONata"
    if jsonata:
        given = sfn._apply_jsonata_arguments(state, data, context)
    else:
        given = sfn._apply_parameters(state, sfn._apply_input_path(state, data, context), context)
    history.event(execution, "ParallelStateStarted", None)
    around = scopes.current() or Scope(execution)
    inside = around.child()
    results: list[Any] = [None] * len(state["Branches"])
    errors: list[Exception] = []

    def branch(index: int, machine: dict[str, Any]) -> None:
        scopes.enter(inside.child())
        own = {**context, "variables": dict(context["variables"])}
        try:
            results[index] = walk(machine["States"], machine["StartAt"], given, execution, own)
        except Cancelled:
            pass
        except Exception as problem:
            errors.append(problem)
            inside.cancel()

    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(branch, i, b), daemon=True)
        for i, b in enumerate(state["Branches"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    around.check()
    if errors:
        history.event(execution, "ParallelStateFailed", None)
        raise errors[0]
    history.event(execution, "ParallelStateSucceeded", None)
    if jsonata:
        output = sfn._apply_jsonata_output(state, data, context, result=results, default=results)
        sfn._apply_state_assign(state, data, context, result=results)
    else:
        shaped = sfn._apply_result_path(state, data, sfn._apply_result_selector(state, results))
        output = sfn._apply_output_path(state, shaped, context)
    return output, sfn._next_or_end(state)


def _scaled_sleep(original: Any) -> Any:
    def sleep(seconds: float) -> None:
        scope = scopes.current()
        if scope is None:
            original(seconds)
        else:
            scope.wait(seconds * sfn._SFN_WAIT_SCALE)

    return sleep


def _at_once(_: Any) -> Any:
    """All of an Assign see the variables as they were: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html."""

    def assign(state: State, data: Any, context: Context, result: Any = None, error_output: Any = None) -> None:
        if "Assign" in state and sfn._state_query_language(state, context) == "JSONata":
            new = {
                name: sfn._apply_jsonata_template(value, data, context, result=result, error_output=error_output)
                for name, value in state["Assign"].items()
            }
            context["variables"].update(new)

    return assign


def _locked(original: Any) -> Any:
    def stop(data: dict[str, Any]) -> Any:
        with history.LOCK:
            return original(data)

    return stop


def install() -> None:
    """Takes the place of MiniStack's interpreter."""
    patching.replace(sfn, "_run_execution", lambda _: run_execution)
    patching.replace(sfn, "_run_sub_machine", lambda _: walk)
    patching.replace(sfn, "_scaled_sleep", _scaled_sleep)
    patching.replace(sfn, "_stop_execution", _locked)
    patching.replace(sfn, "_apply_state_assign", _at_once)
    patching.require(
        sfn, "_ExecutionError", "_SFN_WAIT_SCALE", "_apply_input_path", "_apply_jsonata_arguments", "_apply_jsonata_output",
        "_apply_jsonata_template", "_apply_output_path", "_apply_parameters", "_apply_result_path", "_apply_result_selector",
        "_emit_execution_status_event", "_execute_choice", "_execute_pass", "_execute_wait", "_executions", "_jsonata_state_field",
        "_fail_state_error", "_next_or_end", "_state_machines", "_state_query_language",
    )  # fmt: skip
