"""CloudFormation: an update says nothing about resources that it does not touch.

AWS: only what changes has events. MiniStack: UPDATE_IN_PROGRESS and UPDATE_COMPLETE for every resource of the stack.
In: MiniStack's events of an update. Out: those of changed resources. It refuses to know what changed: MiniStack
compares the properties, and here it is only watched.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import stacks

from . import patching

Key = tuple[str, str]
_HELD: dict[Key, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {}
_UNTOUCHED: set[Key] = set()


def _flush(key: Key) -> None:
    if key in _HELD:
        record, arguments, more = _HELD.pop(key)
        record(*arguments, **more)


def _selective(original: Any) -> Any:
    def add(stack_id: str, stack: str, logical: str, kind: str, status: str, *rest: Any, **more: Any) -> None:
        key, arguments = (stack, logical), (stack_id, stack, logical, kind, status, *rest)
        if status == "UPDATE_IN_PROGRESS" and logical != stack and key not in _HELD:
            _HELD[key] = (original, arguments, more)  # until it is known whether anything changes
            return
        if status == "UPDATE_COMPLETE" and key in _UNTOUCHED:
            _UNTOUCHED.discard(key)
            _HELD.pop(key, None)
            return
        _flush(key)
        original(*arguments, **more)

    return add


def _watched(original: Any) -> Any:
    def update(kind: str, physical: str, old: Any, new: Any, stack: str, logical: str, *rest: Any) -> Any:
        if old == new:
            _UNTOUCHED.add((stack, logical))
        else:
            _flush((stack, logical))
        return original(kind, physical, old, new, stack, logical, *rest)

    return update


def install() -> None:
    """Holds the events of an update back until it is known whether it changes anything."""
    patching.replace(stacks, "_add_event", _selective)
    patching.replace(stacks, "_update_keeping_seed", _watched)
