"""Who may still run: an execution, a branch of it, one attempt of a task.

In: the execution's record and, for a branch or an attempt, the scope around it. Out: sleeping and waiting that end at
once when the execution has ended or the scope was cancelled, and the thread's current scope. It refuses to know what
runs inside it.
"""

from __future__ import annotations

import contextvars
import threading
import time
from typing import Any

SLICE = 0.02


class Cancelled(BaseException):
    """The work was called off. Not an Exception: no state's Catch, and no `except Exception`, may swallow it."""


class Scope:
    """One level of an execution; a child ends with its parent."""

    def __init__(self, execution: dict[str, Any], parent: Scope | None = None) -> None:
        self.execution = execution
        self.parent = parent
        self.last_event: int = parent.last_event if parent else 0
        self.submitted: Any = None
        self._cancelled = threading.Event()

    def child(self) -> Scope:
        """A scope that can be cancelled alone."""
        return Scope(self.execution, self)

    def cancel(self) -> None:
        """Calls off what runs in this scope and below."""
        self._cancelled.set()

    def is_over(self) -> bool:
        """True when nothing in this scope should go on."""
        if self._cancelled.is_set() or self.execution["status"] != "RUNNING":
            return True
        return self.parent is not None and self.parent.is_over()

    def check(self) -> None:
        """Raises when nothing in this scope should go on."""
        if self.is_over():
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Sleeps, unless the scope ends before."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(SLICE, left))
        self.check()


_CURRENT: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("scope", default=None)


def current() -> Scope | None:
    """The scope of this thread, if it belongs to an execution."""
    return _CURRENT.get()


def enter(scope: Scope) -> contextvars.Token[Scope | None]:
    """Makes `scope` the thread's current one."""
    return _CURRENT.set(scope)


def leave(token: contextvars.Token[Scope | None]) -> None:
    """Goes back to the scope before."""
    _CURRENT.reset(token)
