"""IAM's policy simulator: the request's context keys.

AWS: SimulatePrincipalPolicy evaluates conditions with the ContextEntries of the call. MiniStack: ignores them, so every
condition on a tag or a passed service is false, and `aws:ResourceAccount` is always the caller's.
In: SimulatePrincipalPolicy's arguments. Out: MiniStack's own evaluation, with those keys. It refuses to know policies.
"""

from __future__ import annotations

import contextvars
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import iam

from . import patching

_ENTRIES: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("entries", default=None)


def entries(parameters: Any) -> dict[str, Any]:
    """Context keys of a call, in small letters; several values are a list."""
    found: dict[str, Any] = {}
    index = 1
    while name := iam._p(parameters, f"ContextEntries.member.{index}.ContextKeyName"):
        values, inner = [], 1
        while value := iam._p(parameters, f"ContextEntries.member.{index}.ContextKeyValues.member.{inner}"):
            values.append(value)
            inner += 1
        found[name.lower()] = values if len(values) != 1 else values[0]
        index += 1
    return found


def _with_entries(original: Any) -> Any:
    def simulate(parameters: Any) -> Any:
        token = _ENTRIES.set(entries(parameters))
        try:
            return original(parameters)
        finally:
            _ENTRIES.reset(token)

    return simulate


def _resolve(original: Any) -> Any:
    def resolve(key: str, context: Any) -> Any:
        given = _ENTRIES.get()
        if given is not None and key.lower() in given:
            return given[key.lower()]
        return original(key, context)

    return resolve


def install() -> None:
    """Hands the entries to the evaluation."""
    patching.replace(iam_evaluator, "_resolve_condition_key", _resolve)
    for action in ("SimulatePrincipalPolicy", "SimulateCustomPolicy"):
        patching.replace_item(iam._IAM_HANDLERS, action, "ministack.services.iam._IAM_HANDLERS", _with_entries)
    patching.require(iam, "_p")
