"""Our own judge: every JSONata expression of a state machine parses, and names only variables that some state assigns.

In: state machines. Out: expressions that Step Functions would refuse. It refuses to know what they yield.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import jsonata

from .documents import Finding, definitions, load, report, states

_TEXT = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`")
_NAME = re.compile(r"\$([A-Za-z_]\w*)\s*(:=|\()?")
_BOUND = re.compile(r"function\s*\(([^)]*)\)")


def expressions(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Places and texts of all `{% … %}` below a value, states inside it left out."""
    if isinstance(value, str) and "{%" in value:
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("States", "Branches", "ItemProcessor"):
                yield from expressions(inner, f"{path}/{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from expressions(inner, f"{path}/{index}")


def problems(text: str, assigned: set[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with one expression."""
    if not (text.startswith("{%") and text.endswith("%}")):
        yield "not-whole", "an expression fills its string from `{%` to `%}`"
        return
    body = text[2:-2].strip()
    try:
        jsonata.Jsonata.jsonata(body)
    except Exception as problem:  # the parser raises types of its own
        yield "syntax", str(problem)
        return
    plain = _TEXT.sub('""', body)
    bound = {name for names in _BOUND.findall(plain) for name in re.findall(r"\$(\w+)", names)}
    bound |= {name for name, mark in _NAME.findall(plain) if mark == ":="}
    for name, mark in _NAME.findall(plain):
        if mark != "(" and name not in bound | assigned | {"states"}:
            yield "unknown-variable", f"no state assigns `${name}`"


def judge(paths: list[str]) -> list[Finding]:
    """All machines of all templates."""
    found = []
    for template in load(paths):
        for logical, definition in definitions(template):
            assigned = set()
            for _, state in states(definition):
                for holder in (state, *state.get("Choices", []), *state.get("Catch", [])):
                    assigned |= set(holder.get("Assign", {}))
            for name, state in states(definition):
                for path, text in expressions(state):
                    for rule, message in problems(text, assigned):
                        found.append(Finding("expressions", template.name, rule, f"{logical}/{name}/{path}", message))
    return found


if __name__ == "__main__":
    report(judge(sys.argv[1:]))
