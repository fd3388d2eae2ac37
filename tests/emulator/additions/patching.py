"""Replacing names in MiniStack's modules.

In: a module or a table, a name, a function that gets the original and returns the replacement. Out: the patch, and a
list of all patched names for the test of a version bump. It refuses to add a name that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

PATCHED: list[str] = []


class MissingName(RuntimeError):
    """MiniStack has no such name (any more): look at what changed before you move on."""


def replace(module: ModuleType, name: str, make: Callable[[Any], Any]) -> None:
    """Replaces `module.name` by `make(original)`."""
    label = f"{module.__name__}.{name}"
    if not hasattr(module, name):
        raise MissingName(label)
    setattr(module, name, make(getattr(module, name)))
    PATCHED.append(label)


def replace_item(table: dict[str, Any], key: str, label: str, make: Callable[[Any], Any]) -> None:
    """Replaces `table[key]` by `make(original)`; `label` names the table in messages."""
    if key not in table:
        raise MissingName(f"{label}[{key!r}]")
    table[key] = make(table[key])
    PATCHED.append(f"{label}[{key!r}]")


def require(module: ModuleType, *names: str) -> None:
    """Notes private names that an addition calls without replacing them."""
    for name in names:
        if not hasattr(module, name):
            raise MissingName(f"{module.__name__}.{name}")
        PATCHED.append(f"{module.__name__}.{name}")
