"""Step Functions: the optimised integrations, one record each.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html: a resource is
`arn:aws:states:::<service>:<action>` and a pattern that the integration supports; arguments that the API does not take are
States.Runtime; the API's refusals are `<Service>.<Exception>`; `.sync` waits for the end of the job and cancels the job when the
state is called off. MiniStack: seven integrations, each with its own idea of arguments and errors.
In: `register(Integration)` by the modules that know a service. Out: a state's result. It refuses to know services.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from botocore.model import Shape
from ministack.services import stepfunctions as sfn

from . import patching, roles, scope as scopes, sdk
from .roles import Denied
from .scope import Cancelled, Scope
from .sdk import ApiError

PREFIX = "arn:aws:states:::"
POLL = 0.05
Needs = Iterable[tuple[str, str | None, dict[str, Any]]]
_TABLE: dict[str, Integration] = {}


@dataclass
class Integration:
    """One action: how its arguments look, what it needs, how it is called and waited for."""

    action: str  # ecs:runTask
    service: str  # of botocore
    operation: str
    prefix: str  # of its errors
    general: str  # the error for codes that the API's model does not name
    patterns: tuple[str, ...] = ("",)
    token: bool = True
    texts: tuple[str, ...] = ()  # arguments that may be objects, which become JSON text
    free: tuple[str, ...] = ()  # arguments that may be anything
    needs: Callable[[dict[str, Any], str], Needs] | None = None
    shape: Callable[[], Shape] | None = None
    before: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    call: Callable[[dict[str, Any]], Any] | None = None
    wait: Callable[[Any, Scope, dict[str, Any], str], Any] | None = None
    cancel: Callable[[Any, dict[str, Any]], None] | None = None
    known: set[str] = field(default_factory=set)

    def invoke(self, resource: str, arguments: Any) -> Any:
        """Checks, calls and, for `.sync`, waits."""
        pattern = resource.removeprefix(PREFIX + self.action)
        if pattern not in self.patterns:
            raise sfn._ExecutionError("States.Runtime", f"The resource '{resource}' is not supported by Step Functions")
        given = self._checked(arguments)
        try:
            for action, on, keys in self.needs(given, pattern) if self.needs else ():
                roles.require(action, on, **keys)
            submitted = self._call(given)
            if not pattern.startswith(".sync"):
                return submitted
            return self._wait(submitted, given, pattern)
        except Denied as denied:
            raise self._error("AccessDeniedException", denied.message) from denied
        except ApiError as refused:
            raise self._error(refused.code, refused.message) from refused

    def _checked(self, arguments: Any) -> dict[str, Any]:
        if not isinstance(arguments, dict):
            raise sfn._ExecutionError("States.Runtime", f"Arguments of {self.action} must be an object, not {json.dumps(arguments)}")
        given = dict(arguments)
        for name in self.texts:
            if name in given and not isinstance(given[name], str):
                given[name] = json.dumps(given[name])
        if self.before:
            given = self.before(given)
        shape = self.shape() if self.shape else sdk.operation(self.service, self.operation).input_shape
        found = sdk.problems(shape, {name: value for name, value in given.items() if name not in self.free})
        if found:
            raise sfn._ExecutionError(
                "States.Runtime",
                f"The Parameters '{json.dumps(arguments)}' could not be used to start the Task: [{', '.join(found)}]",
            )
        return given

    def _call(self, given: dict[str, Any]) -> Any:
        return self.call(given) if self.call else sdk.call(self.service, self.operation, given, millis=True)

    def _wait(self, submitted: Any, given: dict[str, Any], pattern: str) -> Any:
        scope = scopes.current() or Scope({"status": "RUNNING"})
        scope.submitted = submitted
        if self.wait is None:
            raise sfn._ExecutionError("States.Runtime", f"{self.action} has no .sync")
        try:
            return self.wait(submitted, scope, given, pattern)
        except Cancelled:
            if self.cancel:
                self.cancel(submitted, given)
            raise

    def _error(self, code: str, message: str) -> Exception:
        """The error of the API, as Step Functions names it."""
        name = code.rpartition(".")[2].rpartition("#")[2]
        modelled = {e.name for e in sdk.models.service(self.service).error_shapes} | self.known
        known = {name, f"{name}Exception"} & modelled
        if not known:
            name = self.general
        elif not name.endswith("Exception"):  # StepFunctions.ExecutionAlreadyExistsException
            name = f"{name}Exception"
        made: Exception = sfn._ExecutionError(f"{self.prefix}.{name}", f"{message} (Service: {self.prefix}; Error Code: {code})")
        return made


def until(scope: Scope, look: Callable[[], Any]) -> Any:
    """Looks again and again until there is something, or the scope ends."""
    while not (found := look()):
        scope.wait(POLL)
    return found


def task_failed(description: Any) -> Exception:
    """What a job that ended badly does to its state."""
    made: Exception = sfn._ExecutionError("States.TaskFailed", json.dumps(description))
    return made


def takes_token(resource: str) -> bool:
    """False for an integration that has no `.waitForTaskToken`."""
    action = resource.removeprefix(PREFIX).removesuffix(".waitForTaskToken")
    return action not in _TABLE or _TABLE[action].token


def register(integration: Integration) -> None:
    """Adds an integration, or puts it in the place of MiniStack's."""
    _TABLE[integration.action] = integration


def _dispatch(original: Any) -> Any:
    def invoke(resource: str, arguments: Any) -> Any:
        action = resource.removeprefix(PREFIX)
        for suffix in (".sync:2", ".sync", ".waitForTaskToken"):
            action = action.removesuffix(suffix)
        integration = _TABLE.get(action)
        if integration is None or not resource.startswith(PREFIX):
            return original(resource, arguments)
        return integration.invoke(resource, arguments)

    return invoke


def install() -> None:
    """Looks here before MiniStack does."""
    patching.replace(sfn, "_invoke_resource", _dispatch)
