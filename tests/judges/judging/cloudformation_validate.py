"""cloudformation-validate's verdict: AWS's own engine, built once for all templates; information is left out."""

from __future__ import annotations

import sys
from pathlib import Path

import cloudformation_validate as engine

from .documents import Finding, report


def judge(paths: list[str]) -> list[Finding]:
    """Runs both rule sets of the engine."""
    validator = engine.CompositeEngine()
    found = []
    for path in paths:
        for diagnostic in validator.validate_template(path).diagnostics:
            if diagnostic.severity.name.upper() in ("INFO", "INFORMATIONAL", "DEBUG"):
                continue
            entity = getattr(diagnostic.entity, "logical_id", None) or ""
            where = "/".join(filter(None, [str(entity), diagnostic.property_path or ""]))
            found.append(Finding("cloudformation-validate", Path(path).name, diagnostic.rule_id, where, diagnostic.message))
    return found


if __name__ == "__main__":
    report(judge(sys.argv[1:]))
