"""statelint's verdict on the structure of state machines.

Its own evaluation of JSONata is off: it takes the value of a Choice's condition for its text. See `expressions`.
"""

from __future__ import annotations

import importlib
import sys

from .documents import Finding, definitions, load, report


def judge(paths: list[str]) -> list[Finding]:
    """Looks at each definition; whole numbers where it wants fractions are fine by AWS."""
    linter = importlib.import_module("statelint.linter").Linter
    config = importlib.import_module("statelint.config").Config
    ignored = {importlib.import_module("statelint.problem").ProblemType.FLOAT}
    return [
        Finding("statelint", template.name, "statelint", logical, str(problem).strip())
        for template in load(paths)
        for logical, definition in definitions(template)
        for problem in linter.validate(definition, config(ignored))
    ]


if __name__ == "__main__":
    report(judge(sys.argv[1:]))
