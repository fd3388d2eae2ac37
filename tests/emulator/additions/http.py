"""The emulator's own endpoints, under `/_dpc/`.

In: routes that other additions register. Out: JSON over HTTP, beside the AWS protocol and on the same port:
`GET /_dpc/health` answers with the process id. It refuses to know what the routes do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from . import patching

Route = Callable[[dict[str, Any]], Any]
_ROUTES: dict[tuple[str, str], Route] = {}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def route(method: str, path: str, handler: Route) -> None:
    """Answers `method /_dpc/<path>` with what `handler(body)` returns, as JSON; a ValueError is a 400."""
    _ROUTES[method, f"/_dpc/{path}"] = handler


def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Status and JSON value for one request."""
    handler = _ROUTES.get((method, path))
    if handler is None:
        known = sorted(f"{m} {p}" for m, p in _ROUTES)
        return 404, {"error": f"there is no {method} {path}", "known": known}
    try:
        return 200, handler(json.loads(body or b"{}"))
    except ValueError as problem:
        return 400, {"error": str(problem)}


def install() -> None:
    """Puts the routes in front of MiniStack's application."""
    from ministack import app as ministack

    route("GET", "health", lambda _: {"pid": os.getpid()})

    def in_front(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not scope["path"].startswith("/_dpc/"):
                await original(scope, receive, send)
                return
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            status, value = answer(scope["method"], scope["path"], body)
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(value, default=str).encode()})

        return application

    patching.replace(ministack, "app", in_front)
