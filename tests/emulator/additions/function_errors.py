"""Lambda: the type of a Python function's error.

AWS: `errorType` is the name of the exception's class, beside it `errorMessage` and the trace; Step Functions makes it the task's error.
MiniStack: every exception of a handler is Runtime.HandlerError.
In: a result of MiniStack's Python worker. Out: the result with the type that its trace names. It refuses to know other
runtimes, which name their errors themselves.
"""

from __future__ import annotations

import re
from typing import Any

from ministack.services import lambda_svc as functions

from . import patching

_LAST = re.compile(r"^([\w.]+)(?::|$)")


def _typed(original: Any) -> Any:
    def execute(*arguments: Any, **more: Any) -> Any:
        result = original(*arguments, **more)
        body = result.get("body") if isinstance(result, dict) else None
        if not result.get("error") or not isinstance(body, dict) or body.get("errorType") != "Runtime.HandlerError":
            return result
        _, mark, trace = str(result.get("log", "")).rpartition("Traceback (most recent call last):")
        lines = trace.strip().splitlines()
        match = _LAST.match(lines[-1]) if mark and lines else None
        if match:
            body |= {"errorType": match[1].rpartition(".")[2], "stackTrace": lines[:-1]}
        return result

    return execute


def install() -> None:
    """Reads the trace of what the worker refused."""
    patching.replace(functions, "_execute_function_warm", _typed)
