"""When what happened: `GET /_dpc/trace` lists the last events on buses, messages, invocations and starts of executions, each with
its time; `POST /_dpc/trace/clear` forgets them. For the question which hop takes how long.

In: what other modules do. Out: `{"at", "what", "name", "account", "detail"}`, oldest first; `detail` is the event's detail-type or an
invocation's `begin` or `end`. It refuses to judge.
"""

from __future__ import annotations

import collections
import time
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import eventbridge as events
from ministack.services import lambda_svc as functions
from ministack.services import sqs
from ministack.services import stepfunctions as sfn

from . import http, patching

_SEEN: collections.deque[dict[str, Any]] = collections.deque(maxlen=20_000)


def note(what: str, name: str, detail: str = "", account: str | None = None) -> None:
    """Writes one line."""
    _SEEN.append({"at": time.time(), "what": what, "name": name, "account": account or get_account_id(), "detail": detail})


def _event(original: Any) -> Any:
    def dispatch(event: dict[str, Any], view: Any = None) -> None:
        note("event", event.get("EventBusName", "default"), event.get("DetailType", ""))
        original(event, view)

    return dispatch


def _message(original: Any) -> Any:
    def send(data: dict[str, Any], url: str) -> Any:
        note("message", str(data.get("QueueUrl", url)).rsplit("/", 1)[-1])
        return original(data, url)

    return send


def _invocation(original: Any) -> Any:
    def dispatch(function: dict[str, Any], config: dict[str, Any], *rest: Any) -> Any:
        name, account = config.get("FunctionName", ""), config.get("FunctionArn", ":" * 6).split(":")[4]
        note("invocation", name, "begin", account)
        try:
            return original(function, config, *rest)
        finally:
            note("invocation", name, "end", account)

    return dispatch


def _status(original: Any) -> Any:
    def emit(execution: dict[str, Any]) -> None:
        note("execution", execution["name"], execution["status"], execution["executionArn"].split(":")[4])
        original(execution)

    return emit


def _clear(_: dict[str, Any]) -> list[Any]:
    _SEEN.clear()
    return []


def install() -> None:
    """Listens everywhere, outermost."""
    patching.replace(events, "_dispatch_event", _event)
    patching.replace(sqs, "_act_send_message", _message)
    patching.replace(functions, "_execute_function_dispatch", _invocation)
    patching.replace(sfn, "_emit_execution_status_event", _status)
    http.route("GET", "trace", lambda _: list(_SEEN))
    http.route("POST", "trace/clear", _clear)
