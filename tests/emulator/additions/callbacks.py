"""Step Functions: task tokens.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token: the task waits for
SendTaskSuccess or SendTaskFailure with its token; a token is good once, and until its task has ended: after that
TaskTimedOut, InvalidToken if there never was one; an output that is no JSON is InvalidOutput. MiniStack: answers
TaskDoesNotExist to all of it, waits on after an abort.
In: a waiting task, answers of the API. Out: the task's result. It refuses to know who holds a token.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import stepfunctions as sfn

from . import history, patching
from .scope import SLICE, Scope

_WAITING: dict[str, Waiting] = {}
_USED: set[str] = set()


class Waiting:
    """A task that waits for an answer to its token."""

    def __init__(self) -> None:
        self.token = f"AQCg{new_uuid()}{new_uuid()}".replace("-", "")
        self.heard = time.monotonic()
        self.result: Any = None
        self.error: Any = None
        self.answered = threading.Event()
        _WAITING[self.token] = self

    def close(self) -> None:
        """The task has ended: nobody may answer any more."""
        _WAITING.pop(self.token, None)
        _USED.add(self.token)

    def silence(self) -> float:
        """Seconds since the last heartbeat, or since the task began."""
        return time.monotonic() - self.heard

    def answer(self, scope: Scope) -> Any:
        """Waits for the answer: its output, or its error."""
        while not self.answered.wait(SLICE):
            scope.check()
        if self.error is not None:
            raise self.error
        return self.result


def _found(data: dict[str, Any]) -> Waiting | None:
    return _WAITING.get(data.get("taskToken", ""))


def _refused(data: dict[str, Any]) -> Any:
    token = data.get("taskToken", "")
    if token in _USED:
        return error_response_json("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400)
    return error_response_json("InvalidToken", f"Invalid Token: '{token[:20]}'", 400)


def _api(name: str, answer: Any) -> None:
    """Answers for tokens of tasks; MiniStack answers for those of activities."""

    def make(original: Any) -> Any:
        def handle(data: dict[str, Any]) -> Any:
            waiting = _found(data)
            if waiting is None:
                return original(data) if data.get("taskToken") in sfn._task_tokens else _refused(data)
            if waiting.answered.is_set():
                return _refused(data)
            return answer(waiting, data)

        return handle

    patching.replace(sfn, name, make)


def _success(waiting: Waiting, data: dict[str, Any]) -> Any:
    output = data.get("output", "")
    try:
        waiting.result = json.loads(output)
    except ValueError:
        return error_response_json("InvalidOutput", "Invalid Output: 'Output is not valid JSON'", 400)
    if len(output.encode()) > history.LIMIT:
        return error_response_json("ValidationException", "output must have length less than or equal to 262144", 400)
    return _answered(waiting)


def _failure(waiting: Waiting, data: dict[str, Any]) -> Any:
    waiting.error = sfn._ExecutionError(data.get("error", ""), data.get("cause", ""))
    return _answered(waiting)


def _answered(waiting: Waiting) -> Any:
    _USED.add(waiting.token)
    waiting.answered.set()
    return json_response({})


def _beat(waiting: Waiting, _: dict[str, Any]) -> Any:
    waiting.heard = time.monotonic()
    return json_response({})


def install() -> None:
    """Takes over the three calls with a token."""
    patching.require(sfn, "_task_tokens")
    _api("_send_task_success", _success)
    _api("_send_task_failure", _failure)
    _api("_send_task_heartbeat", _beat)
