"""Services that MiniStack has not: REST APIs by botocore's own routes.

In: a service of botocore and a function for each operation, by its name. Out: the service at the emulator's port; paths, query
and body become the operation's arguments, unknown or missing ones are its ValidationException. It refuses to know what
an operation does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.core import iam_actions, router

from . import models, patching

Operation = Callable[[dict[str, Any]], dict[str, Any]]
Response = tuple[int, dict[str, str], bytes]


class Refused(Exception):
    """The service says no: the name of its exception and the sentence."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def respond(code: int, body: dict[str, Any], error: str | None = None) -> Response:
    """An answer of a REST API with JSON."""
    headers = {"Content-Type": "application/json"} | ({"x-amzn-errortype": error} if error else {})
    return code, headers, json.dumps(body).encode()


def answer(service: str, operation: str, act: Operation, arguments: dict[str, Any]) -> Response:
    """Calls an operation with arguments that fit its model."""
    shape = models.service(service).operation_model(operation).input_shape
    tokens = [name for name, member in shape.members.items() if member.metadata.get("idempotencyToken")]
    found = [p for p in models.problems(shape, arguments) if not any(f'"{name}"' in p for name in tokens)]
    try:
        if found:
            raise Refused("ValidationException", "; ".join(found))
        return respond(200, act(arguments))
    except Refused as refusal:
        return respond(404 if "NotFound" in refusal.code else 400, {"message": refusal.message, "code": refusal.code}, refusal.code)


def arguments(service: str, operation: str, values: dict[str, str], query: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The operation's arguments out of path, query and body."""
    shape = models.service(service).operation_model(operation).input_shape
    given: dict[str, Any] = json.loads(body) if body else {}
    given |= values
    for name, member in shape.members.items():
        if member.serialization.get("location") == "querystring":
            found = query.get(member.serialization.get("name", name))
            if found:
                listed = found if isinstance(found, list) else [found]
                given[name] = listed if member.type_name == "list" else _number(member.type_name, listed[0])
    return given


def _number(kind: str, text: str) -> Any:
    return int(text) if kind in ("integer", "long") else text


def serve(service: str, operations: dict[str, Operation]) -> None:
    """Adds the service to MiniStack."""
    routes = []
    for name in operations:
        http = models.service(service).operation_model(name).http
        path = http["requestUri"].partition("?")[0]
        pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", path)
        routes.append((http["method"], re.compile(f"{pattern}/?"), name))

    async def handle(method: str, path: str, _headers: Any, body: bytes, query: dict[str, Any]) -> Response:
        for verb, pattern, name in routes:
            match = pattern.fullmatch(path)
            if verb == method and match:
                values = {key: unquote(value) for key, value in match.groupdict().items()}
                return answer(service, name, operations[name], arguments(service, name, values, query, body))
        return respond(400, {"message": f"the emulator's {service} has no {method} {path}"}, "ValidationException")

    app.SERVICE_HANDLERS[service] = handle
    router.SERVICE_PATTERNS[service] = {"host_patterns": [], "credential_scope": service}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[service] = service
    iam_actions._BOTOCORE_SERVICE_MAP[service] = [service]


def install() -> None:
    """Notes what it uses of MiniStack."""
    patching.require(app, "SERVICE_HANDLERS")
    patching.require(router, "SERVICE_PATTERNS")
    patching.require(iam_actions, "SERVICE_TO_IAM_NAMESPACE", "_BOTOCORE_SERVICE_MAP")
