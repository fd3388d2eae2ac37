"""Step Functions: the history of an execution, and what one payload may weigh.

AWS: every state of every branch is in the history, each event names the one before it in its branch; a state's input,
output, arguments and result are 262,144 bytes of JSON at most, beyond is States.DataLimitExceeded, which nothing
catches. MiniStack: branches leave no events; there is no limit.
In: events and values. Out: the record's events. It refuses to know what a state does.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from ministack.services import stepfunctions as sfn

from . import patching, scope as scopes

LOCK = threading.RLock()
LIMIT = 262_144  # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html


def event(execution: dict[str, Any], kind: str, key: str | None, **details: Any) -> None:
    """Adds one event; nothing follows the event that ended the execution."""
    with LOCK:
        if execution["status"] == "RUNNING":
            sfn._add_event(execution, kind, {key: details} if key else None)


def text(value: Any, name: str, what: str) -> str:
    """`value` as JSON; States.DataLimitExceeded when it is too large for a payload."""
    written = json.dumps(value)
    if len(written.encode()) > LIMIT:
        raise sfn._ExecutionError(
            "States.DataLimitExceeded",
            f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit. ({what})",
        )
    return written


def _chained(original: Any) -> Any:
    """`_add_event` with unique ids under threads, and the id of the event before in the same branch."""

    def add_event(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        with LOCK:
            added: dict[str, Any] = original(execution, kind, details)
            scope = scopes.current()
            same = scope is not None and scope.execution is execution
            added["previousEventId"] = scope.last_event if same and scope else added["id"] - 1
            if same and scope:
                scope.last_event = added["id"]
            return added

    return add_event


def install() -> None:
    """Chains the events."""
    patching.replace(sfn, "_add_event", _chained)
