"""Step Functions: walks a state machine.

AWS: every state of every branch is in the history, each event names the one before it; branches have variables of
their own and stop when a sibling fails; Parallel and Succeed evaluate `Arguments` and `Output`; the machine's
`TimeoutSeconds` ends the execution TIMED_OUT; StopExecution and a task's `TimeoutSeconds` end what the task runs.
MiniStack: branches leave no events, share variables, run on; `Output` of Parallel and Succeed and the machine's
timeout are ignored; retries wait 60 s at most and ignore MaxDelaySeconds; States.Runtime is caught by States.ALL.
In: MiniStack's record of an execution. Out: the record with its history and status. It refuses to know what a task
does: that is MiniStack's dispatch, or a stand-in in it. Callbacks, activities and Map stay MiniStack's own.
"""

from __future__ import annotations

import contextvars
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from . import patching, scope as scopes
from .scope import Cancelled, Scope

State = dict[str, Any]
Context = dict[str, Any]

_LOCK = threading.RLock()
_FINAL_EVENT = {
    "SUCCEEDED": ("ExecutionSucceeded", "executionSucceededEventDetails"),
    "FAILED": ("ExecutionFailed", "executionFailedEventDetails"),
    "TIMED_OUT": ("ExecutionTimedOut", "executionTimedOutEventDetails"),
}
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html: States.ALL does not catch them.
_UNCAUGHT = frozenset({"States.Runtime", "States.DataLimitExceeded"})
_OWN_TASKS = (".waitForTaskToken", ":activity:")


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
    with _LOCK:
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
        _event(execution, f"{kind}StateEntered", "stateEnteredEventDetails", name=name, input=json.dumps(data))
        if kind == "Fail":
            raise sfn._ExecutionError(*sfn._fail_state_error(state, data, context))
        data, following = _state(kind, state, data, execution, context)
        _event(execution, f"{kind}StateExited", "stateExitedEventDetails", name=name, output=json.dumps(data))
        name = following
    return data


def _state(kind: str, state: State, data: Any, execution: dict[str, Any], context: Context) -> tuple[Any, str | None]:
    if kind == "Task":
        return _task(state, data, execution, context)
    if kind == "Parallel":
        return sfn._with_retry_and_catch(state, data, context, lambda: _parallel(state, data, execution, context))
    if kind == "Map":
        return sfn._execute_map(state, data, execution, context)
    if kind == "Succeed":
        if sfn._state_query_language(state, context) == "JSONata":
            return sfn._apply_jsonata_output(state, data, context, default=data), None
        return sfn._apply_output_path(state, sfn._apply_input_path(state, data, context), context), None
    simple = {"Pass": sfn._execute_pass, "Choice": sfn._execute_choice, "Wait": sfn._execute_wait}.get(kind)
    if simple is None:
        raise sfn._ExecutionError("States.Runtime", f"there is no state type '{kind}'")
    return simple(state, data, context)


def _parallel(state: State, data: Any, execution: dict[str, Any], context: Context) -> tuple[Any, str | None]:
    """One attempt of a Parallel state: the first failing branch stops the others."""
    jsonata = sfn._state_query_language(state, context) == "JSONata"
    if jsonata:
        given = sfn._apply_jsonata_arguments(state, data, context)
    else:
        given = sfn._apply_parameters(state, sfn._apply_input_path(state, data, context), context)
    _event(execution, "ParallelStateStarted", None)
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
        _event(execution, "ParallelStateFailed", None)
        raise errors[0]
    _event(execution, "ParallelStateSucceeded", None)
    if jsonata:
        output = sfn._apply_jsonata_output(state, data, context, result=results, default=results)
        sfn._apply_state_assign(state, data, context, result=results)
    else:
        shaped = sfn._apply_result_path(state, data, sfn._apply_result_selector(state, results))
        output = sfn._apply_output_path(state, shaped, context)
    return output, sfn._next_or_end(state)


# ---- tasks


def _task(state: State, data: Any, execution: dict[str, Any], context: Context) -> tuple[Any, str | None]:
    resource = state["Resource"]
    if any(mark in resource for mark in _OWN_TASKS):
        return sfn._execute_task(state, data, execution, context)
    retries: dict[int, int] = {}
    while True:
        context["State"]["RetryCount"] = sum(retries.values())
        try:
            result = _attempt(state, resource, data, execution, context)
            return _task_output(state, data, context, result), sfn._next_or_end(state)
        except sfn._ExecutionError as error:
            if error.error in _UNCAUGHT:
                raise
            retrier, index = sfn._find_matching_retrier(state.get("Retry", []), error.error, retries)
            if retrier is not None:
                done = retries.get(index, 0)
                retries[index] = done + 1
                sfn._scaled_sleep(_delay(retrier, done))
                continue
            catcher = sfn._find_matching_catcher(state.get("Catch", []), error.error)
            if catcher is None:
                raise
            language = sfn._state_query_language(state, context)
            problem = {"Error": error.error, "Cause": error.cause}
            return sfn._apply_catcher(catcher, data, context, language, problem), catcher["Next"]


def _delay(retrier: dict[str, Any], done: int) -> float:
    seconds = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** done
    seconds = min(seconds, retrier.get("MaxDelaySeconds", seconds))
    return random.uniform(0, seconds) if retrier.get("JitterStrategy") == "FULL" else seconds


def _attempt(state: State, resource: str, data: Any, execution: dict[str, Any], context: Context) -> Any:
    """One attempt of a task: its events, its time limit, its result."""
    if sfn._state_query_language(state, context) == "JSONata":
        arguments = sfn._apply_jsonata_arguments(state, data, context)
        limit = state.get("TimeoutSeconds")
        if isinstance(limit, str):
            limit = sfn._jsonata_state_field(state, "TimeoutSeconds", "number", data, context)
    else:
        arguments = sfn._apply_parameters(state, sfn._apply_input_path(state, data, context), context)
        limit = state.get("TimeoutSeconds")
    kind, _, action = resource.removeprefix("arn:aws:states:::").rpartition(":")
    about = {"resourceType": kind or "lambda", "resource": action}
    region = execution["executionArn"].split(":")[3]
    limits = {} if limit is None else {"timeoutInSeconds": int(limit)}
    _event(
        execution, "TaskScheduled", "taskScheduledEventDetails",
        **about, region=region, parameters=json.dumps(arguments), **limits,
    )  # fmt: skip
    _event(execution, "TaskStarted", "taskStartedEventDetails", **about)
    inside = (scopes.current() or Scope(execution)).child()
    try:
        result = _invoke(resource, arguments, limit, inside)
    except sfn._ExecutionError as error:
        _submitted(execution, about, inside)
        kind = "TaskTimedOut" if error.error == "States.Timeout" else "TaskFailed"
        key = kind[0].lower() + kind[1:] + "EventDetails"
        _event(execution, kind, key, **about, error=error.error, cause=error.cause)
        raise
    finally:
        inside.cancel()
    _submitted(execution, about, inside)
    _event(execution, "TaskSucceeded", "taskSucceededEventDetails", **about, output=json.dumps(result))
    return result


def _submitted(execution: dict[str, Any], about: dict[str, str], inside: Scope) -> None:
    if inside.submitted is not None:
        _event(execution, "TaskSubmitted", "taskSubmittedEventDetails", **about, output=json.dumps(inside.submitted))


def _invoke(resource: str, arguments: Any, limit: float | None, inside: Scope) -> Any:
    """Runs the integration beside this thread, so that a limit or an abort ends the wait for it."""
    around = inside.parent or inside

    def call() -> Any:
        scopes.enter(inside)
        return sfn._invoke_resource(resource, arguments)

    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(contextvars.copy_context().run, call)
    pool.shutdown(wait=False)
    waited = 0.0
    while True:
        around.check()
        try:
            return future.result(timeout=scopes.SLICE)
        except FutureTimeout:
            waited += scopes.SLICE
            if limit is not None and waited >= limit:
                inside.cancel()
                raise sfn._ExecutionError("States.Timeout", f"Task timed out after {limit} seconds") from None


def _task_output(state: State, data: Any, context: Context, result: Any) -> Any:
    if sfn._state_query_language(state, context) == "JSONata":
        output = sfn._apply_jsonata_output(state, data, context, result=result, default=result)
        sfn._apply_state_assign(state, data, context, result=result)
        return output
    shaped = sfn._apply_result_path(state, data, sfn._apply_result_selector(state, result))
    return sfn._apply_output_path(state, shaped, context)


# ---- history


def _event(execution: dict[str, Any], kind: str, key: str | None, **details: Any) -> None:
    with _LOCK:
        if execution["status"] == "RUNNING":  # nothing follows the event that ended it
            sfn._add_event(execution, kind, {key: details} if key else None)


def _chained(original: Any) -> Any:
    """`_add_event` with unique ids under threads, and the id of the event before in the same branch."""

    def add_event(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        with _LOCK:
            event = original(execution, kind, details)
            scope = scopes.current()
            same = scope is not None and scope.execution is execution
            event["previousEventId"] = scope.last_event if same and scope else event["id"] - 1
            if same and scope:
                scope.last_event = event["id"]
            return event

    return add_event


def _scaled_sleep(original: Any) -> Any:
    def sleep(seconds: float) -> None:
        scope = scopes.current()
        if scope is None:
            original(seconds)
        else:
            scope.wait(seconds * sfn._SFN_WAIT_SCALE)

    return sleep


def _not_runtime(original: Any) -> Any:
    def matches(wanted: list[str], error: str) -> bool:
        return error not in _UNCAUGHT and original(wanted, error)

    return matches


def _locked(original: Any) -> Any:
    def stop(data: dict[str, Any]) -> Any:
        with _LOCK:
            return original(data)

    return stop


def install() -> None:
    """Takes the place of MiniStack's interpreter."""
    patching.replace(sfn, "_run_execution", lambda _: run_execution)
    patching.replace(sfn, "_run_sub_machine", lambda _: walk)
    patching.replace(sfn, "_add_event", _chained)
    patching.replace(sfn, "_scaled_sleep", _scaled_sleep)
    patching.replace(sfn, "_error_matches", _not_runtime)
    patching.replace(sfn, "_stop_execution", _locked)
    patching.require(
        sfn, "_ExecutionError", "_SFN_WAIT_SCALE", "_apply_catcher", "_apply_input_path", "_apply_jsonata_arguments",
        "_apply_jsonata_output", "_apply_output_path", "_apply_parameters", "_apply_result_path",
        "_apply_result_selector", "_apply_state_assign", "_emit_execution_status_event", "_execute_choice",
        "_execute_map", "_execute_pass", "_execute_task", "_execute_wait", "_executions", "_fail_state_error",
        "_find_matching_catcher", "_find_matching_retrier", "_invoke_resource", "_jsonata_state_field",
        "_next_or_end", "_state_machines", "_state_query_language", "_with_retry_and_catch",
    )  # fmt: skip
