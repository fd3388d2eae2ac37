"""Step Functions: one Task state.

AWS: each attempt is scheduled, started, submitted (`.sync` and `.waitForTaskToken`) and ends; TimeoutSeconds and
HeartbeatSeconds may be JSONata and end it with States.Timeout or States.HeartbeatTimeout; an abort ends what the task runs;
`$states.context.Task.Token` exists for callbacks only. MiniStack: runs on after its limit, knows no heartbeat.
In: a state, its input, its context. Out: its output and the next state. It refuses to know what an integration does.
"""

from __future__ import annotations

import contextvars
import json
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from ministack.services import stepfunctions as sfn

from . import callbacks, history, integrations, patching, retries, scope as scopes
from .retries import Context, State, Step
from .scope import Scope

_CALLBACK = ".waitForTaskToken"


def run(state: State, data: Any, execution: dict[str, Any], context: Context) -> Step:
    """A Task state with its retries and catchers."""
    if ":activity:" in state["Resource"]:
        step: Step = sfn._execute_task(state, data, execution, context)
        return step

    def attempt() -> Step:
        result = _attempt(state, state["Resource"], data, execution, context)
        return _output(state, data, context, result), sfn._next_or_end(state)

    try:
        return retries.handled(state, data, context, attempt)
    finally:
        context.pop("Task", None)


def _attempt(state: State, resource: str, data: Any, execution: dict[str, Any], context: Context) -> Any:
    """One attempt of a task: its events, its time limit, its result."""
    if resource.endswith(_CALLBACK) and not integrations.takes_token(resource):
        raise sfn._ExecutionError("States.Runtime", f"The resource '{resource}' is not supported by Step Functions")
    waiting = callbacks.Waiting() if resource.endswith(_CALLBACK) else None
    if waiting:
        context["Task"] = {"Token": waiting.token}
    if sfn._state_query_language(state, context) == "JSONata":
        arguments = sfn._apply_jsonata_arguments(state, data, context)
    else:
        arguments = sfn._apply_parameters(state, sfn._apply_input_path(state, data, context), context)
    limit, beat = (_seconds(state, name, data, context) for name in ("TimeoutSeconds", "HeartbeatSeconds"))
    if limit is not None and beat is not None and beat >= limit:
        raise sfn._ExecutionError("States.Runtime", "HeartbeatSeconds must be smaller than TimeoutSeconds")
    kind, _, action = resource.removeprefix("arn:aws:states:::").rpartition(":")
    about = {"resourceType": kind or "lambda", "resource": action}
    limits = {} if limit is None else {"timeoutInSeconds": int(limit)}
    limits |= {} if beat is None else {"heartbeatInSeconds": int(beat)}
    history.event(
        execution, "TaskScheduled", "taskScheduledEventDetails", **about, region=execution["executionArn"].split(":")[3],
        parameters=history.text(arguments, context["State"]["Name"], "the arguments"), **limits,
    )  # fmt: skip
    history.event(execution, "TaskStarted", "taskStartedEventDetails", **about)
    inside = (scopes.current() or Scope(execution)).child()
    try:
        result = _invoke(resource, arguments, limit, beat, inside, waiting)
        written = history.text(result, context["State"]["Name"], "the result")
    except sfn._ExecutionError as error:
        _submitted(execution, about, inside)
        ended = "TaskTimedOut" if error.error in ("States.Timeout", "States.HeartbeatTimeout") else "TaskFailed"
        key = ended[0].lower() + ended[1:] + "EventDetails"
        history.event(execution, ended, key, **about, error=error.error, cause=error.cause)
        raise
    finally:
        inside.cancel()
        if waiting:
            waiting.close()
    _submitted(execution, about, inside)
    history.event(execution, "TaskSucceeded", "taskSucceededEventDetails", **about, output=written)
    return result


def _seconds(state: State, name: str, data: Any, context: Context) -> float | None:
    """A time limit of the state, which may be JSONata."""
    if name not in state:
        return None
    value = state[name]
    if isinstance(value, str):
        value = sfn._jsonata_state_field(state, name, "number", data, context)
    if value <= 0 or int(value) != value:
        raise sfn._ExecutionError("States.Runtime", f"{name} must be a positive integer, not {value}")
    return float(value)


def _submitted(execution: dict[str, Any], about: dict[str, str], inside: Scope) -> None:
    if inside.submitted is not None:
        history.event(
            execution, "TaskSubmitted", "taskSubmittedEventDetails", **about, output=json.dumps(inside.submitted)
        )


def _invoke(
    resource: str, arguments: Any, limit: float | None, beat: float | None, inside: Scope, waiting: callbacks.Waiting | None
) -> Any:
    """Runs the integration beside this thread, so that a limit or an abort ends the wait for it."""
    around = inside.parent or inside

    def call() -> Any:
        scopes.enter(inside)
        result = sfn._invoke_resource(resource.removesuffix(_CALLBACK) if waiting else resource, arguments)
        if waiting is None:
            return result
        inside.submitted = result
        return waiting.answer(inside)

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
                raise sfn._ExecutionError("States.Timeout", f"Task timed out after {limit:g} seconds") from None
            if beat is not None and waiting and waiting.silence() >= beat:
                inside.cancel()
                raise sfn._ExecutionError("States.HeartbeatTimeout", f"no heartbeat for {beat:g} seconds") from None


def _output(state: State, data: Any, context: Context, result: Any) -> Any:
    if sfn._state_query_language(state, context) == "JSONata":
        output = sfn._apply_jsonata_output(state, data, context, result=result, default=result)
        sfn._apply_state_assign(state, data, context, result=result)
        return output
    shaped = sfn._apply_result_path(state, data, sfn._apply_result_selector(state, result))
    return sfn._apply_output_path(state, shaped, context)


def install() -> None:
    """Notes what it uses of MiniStack."""
    patching.require(
        sfn, "_apply_input_path", "_apply_jsonata_arguments", "_apply_jsonata_output", "_apply_output_path",
        "_apply_parameters", "_apply_result_path", "_apply_result_selector", "_apply_state_assign", "_execute_task",
        "_invoke_resource", "_jsonata_state_field", "_next_or_end",
    )  # fmt: skip
