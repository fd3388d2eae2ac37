"""Faults on purpose: lost events, denied calls, failing resources.

In: `POST /_dpc/faults/…`, each with a `count` (1 unless said) of how often it strikes:
`drop-status-events {"stateMachine", "statuses"?}`, `deny {"action": "states:StartExecution"}`,
`fail-call {"action": "ecs:RunTask", "code": "ThrottlingException", "message"?, "status"?}`,
`fail-resource {"logicalId" | "type", "reason"}`,
`events {"effect": "drop" | "delay" | "double", "pattern"?, "bus"?, "account"?, "seconds"?}` on a bus,
`fail-entry {"code", "message"?, "source"?, "detailType"?}` of PutEvents,
`fail-function {"function", "account"?, "after"?, "message"?}`, `after`: its work is done, its answer lost;
`POST /_dpc/faults/clear`; `GET /_dpc/faults` lists what is pending.
Out: the fault, once each. It refuses to know which test asked.
"""

from __future__ import annotations

import contextvars
import fnmatch
import json
import threading
from collections.abc import Callable
from typing import Any

from . import http, patching

Fault = dict[str, Any]
_PENDING: list[Fault] = []
_LOCK = threading.Lock()
_KEPT: list[object] = []
_KEYS = {
    "drop-status-events": ({"stateMachine"}, {"statuses"}),
    "deny": ({"action"}, set[str]()),
    "fail-call": ({"action", "code"}, {"message", "status"}),
    "fail-resource": ({"reason"}, {"logicalId", "type"}),
    "events": ({"effect"}, {"pattern", "bus", "account", "seconds"}),
    "fail-entry": ({"code"}, {"message", "source", "detailType"}),
    "fail-function": ({"function"}, {"account", "after", "message"}),
}


def add(kind: str) -> http.Route:
    """The route that plans a fault of this kind."""

    def route(request: dict[str, Any]) -> list[Fault]:
        required, optional = _KEYS[kind]
        given = set(request) - {"count"}
        if not required <= given or not given <= required | optional:
            raise ValueError(f"{kind} takes {sorted(required)}, and may take {sorted(optional | {'count'})}")
        with _LOCK:
            _PENDING.append({"kind": kind, **request, "count": int(request.get("count", 1))})
        return list(_PENDING)

    return route


def strikes(kind: str, matches: Callable[[Fault], bool]) -> Fault | None:
    """The fault that hits now, used up by one."""
    with _LOCK:
        for fault in _PENDING:
            if fault["kind"] == kind and matches(fault):
                fault["count"] -= 1
                if fault["count"] <= 0:
                    _PENDING.remove(fault)
                return fault
    return None


def planned(action: str) -> Fault | None:
    """The failure of this API call that was asked for, for what does not come as a request."""
    return strikes("fail-call", lambda fault: fnmatch.fnmatchcase(action.lower(), fault["action"].lower()))


def _clear(_: dict[str, Any]) -> list[Fault]:
    with _LOCK:
        _PENDING.clear()
    return []


def _lossy(original: Any) -> Any:
    def emit(execution: dict[str, Any]) -> None:
        name = execution["stateMachineArn"].rsplit(":", 1)[-1]

        def matches(fault: Fault) -> bool:
            statuses = fault.get("statuses")
            return fnmatch.fnmatchcase(name, fault["stateMachine"]) and (not statuses or execution["status"] in statuses)

        if not strikes("drop-status-events", matches):
            original(execution)

    return emit


def _denying(original: Any) -> Any:
    from ministack import app
    from ministack.core import iam_actions
    from ministack.core.responses import get_account_id

    async def dispatch(method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str) -> Any:
        if any(fault["kind"] in ("deny", "fail-call") for fault in _PENDING):
            params = app._routing_params(method, path, headers, body, query)
            service = app.detect_service(method, path, headers, params)
            action = iam_actions.extract_iam_action(service, method, path, headers, body, params) or ""
            if strikes("deny", lambda fault: fnmatch.fnmatchcase(action.lower(), fault["action"].lower())):
                who = f"arn:aws:iam::{get_account_id()}:user/emulated"
                return iam_actions.access_denied_response(service, action, who, request_id, headers=headers)
            failing = planned(action)
            if failing:
                return failure(service, failing)
        return await original(method, path, headers, body, query, request_id)

    return dispatch


def failure(service: str, fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """An API's error in the service's protocol."""
    code, message = fault["code"], fault.get("message", "on purpose")
    status = int(fault.get("status", 400))
    if service in ("s3", "sns", "iam", "sts", "ec2", "cloudformation", "monitoring"):
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        if service == "s3":
            body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return status, {"Content-Type": "text/xml"}, body.encode()
    named = {"__type": code, "code": code, "message": message}
    return status, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}, json.dumps(named).encode()


def failing_entry(entry: dict[str, Any]) -> Fault | None:
    """The failure of this entry of PutEvents that was asked for."""

    def matches(fault: Fault) -> bool:
        wanted = {"Source": fault.get("source"), "DetailType": fault.get("detailType")}
        return all(value is None or entry.get(key) == value for key, value in wanted.items())

    return strikes("fail-entry", matches)


def kept_back() -> int:
    """How many events are late just now."""
    return len(_KEPT)


def _keep_back(seconds: float, deliver: Callable[[], None]) -> None:
    context, mark = contextvars.copy_context(), object()
    _KEPT.append(mark)

    def late() -> None:
        context.run(deliver)
        _KEPT.remove(mark)

    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()


def _unreliable(original: Any) -> Any:
    """Events that a bus loses, keeps for a while, or hands out twice."""
    from ministack.core.responses import get_account_id
    from ministack.services import eventbridge as events

    def dispatch(event: dict[str, Any], view: Any = None) -> None:
        view = view or events._pattern_event_view(event)

        def matches(fault: Fault) -> bool:
            pattern = fault.get("pattern")
            return (
                fault.get("bus", event.get("EventBusName", "default")) == event.get("EventBusName", "default")
                and fault.get("account", get_account_id()) == get_account_id()
                and (pattern is None or events._matches_pattern_view(json.dumps(pattern), view))
            )

        fault = strikes("events", matches) if _PENDING else None
        effect = fault["effect"] if fault else None
        if effect == "delay":
            _keep_back(float((fault or {}).get("seconds", 1)), lambda: original(event, view))
            return
        for _ in range({"drop": 0, "double": 2}.get(effect or "", 1)):
            original(event, view)

    return dispatch


def _dying(original: Any) -> Any:
    """Functions that fail before or after their work."""
    from ministack.core.responses import get_account_id
    from ministack.services import lambda_svc as functions

    def execute(function: dict[str, Any], event: dict[str, Any]) -> Any:
        config = function.get("config") or function
        if not _PENDING or functions._function_config_scope_mismatch(config):
            return original(function, event)
        name = config.get("FunctionName")

        def matches(fault: Fault) -> bool:
            return bool(fault["function"] == name and fault.get("account", get_account_id()) == get_account_id())

        fault = strikes("fail-function", matches)
        if fault is None:
            return original(function, event)
        if fault.get("after"):
            original(function, event)
        body = {"errorType": "Runtime.ExitError", "errorMessage": fault.get("message", "on purpose")}
        return {"body": body, "error": True, "function_error": "Unhandled", "log": ""}

    return execute


def _failing(original: Any) -> Any:
    def provision(kind: str, logical: str, *rest: Any) -> Any:
        def matches(fault: Fault) -> bool:
            return fault.get("logicalId", logical) == logical and fault.get("type", kind) == kind

        fault = strikes("fail-resource", matches)
        if fault:
            raise ValueError(fault["reason"])
        return original(kind, logical, *rest)

    return provision


def install() -> None:
    """Puts the faults in front of what they hit."""
    from ministack import app
    from ministack.services import eventbridge as events
    from ministack.services import lambda_svc as functions
    from ministack.services import stepfunctions as sfn
    from ministack.services.cloudformation import stacks

    patching.replace(sfn, "_emit_execution_status_event", _lossy)
    patching.replace(app, "_dispatch_service_request", _denying)
    patching.replace(stacks, "_provision_resource", _failing)
    patching.replace(events, "_dispatch_event", _unreliable)
    patching.replace(functions, "_execute_function", _dying)
    patching.require(events, "_pattern_event_view", "_matches_pattern_view")
    patching.require(functions, "_function_config_scope_mismatch")
    patching.require(app, "_routing_params", "detect_service")
    for kind in _KEYS:
        http.route("POST", f"faults/{kind}", add(kind))
    http.route("POST", "faults/clear", _clear)
    http.route("GET", "faults", lambda _: list(_PENDING))
