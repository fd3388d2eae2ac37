"""Runs all judges side by side and prints their verdict.

In: paths, and the two environments' Pythons in DPC_JUDGES_PYTHON and DPC_EMULATOR_PYTHON. Out: a table, the findings,
an exit code. It refuses to know what a judge looks for.
"""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .documents import Finding

HERE = Path(__file__).resolve().parent
SUFFIXES = (".json", ".yaml", ".yml")
# checkov first: it takes longest.
JUDGES = {
    "checkov": "judges",
    "cfn-lint": "judges",
    "simulate": "emulator",
    "cloudformation-validate": "judges",
    "asl-validator": "node",
    "statelint": "judges",
    "permissions": "judges",
    "integrations": "emulator",
    "expressions": "emulator",
}


@dataclass
class Verdict:
    """What one judge found, and how long it took."""

    judge: str
    findings: list[Finding]
    seconds: float


@dataclass
class Suppression:
    """A finding that is known, with the reason why it stands."""

    judge: str
    rule: str
    reason: str
    template: str = "*"
    where: str = "*"
    message: str = "*"
    used: int = 0

    def explains(self, finding: Finding) -> bool:
        """True when this is the reason for `finding`."""
        return all(
            fnmatch.fnmatchcase(getattr(finding, name), getattr(self, name))
            for name in ("judge", "rule", "template", "where", "message")
        )


def templates(arguments: list[str]) -> list[str]:
    """The templates that the arguments name; two of one name would be one in the judges' answers."""
    found: dict[str, str] = {}
    for argument in map(Path, arguments):
        inside = sorted(argument.iterdir()) if argument.is_dir() else [argument]
        for path in inside:
            if path.suffix not in SUFFIXES:
                continue
            if path.name in found:
                sys.exit(f"two templates are named {path.name}: {found[path.name]} and {path}")
            found[path.name] = str(path.resolve())
    if not found:
        sys.exit(f"no template in {', '.join(arguments)}")
    return list(found.values())


def ask(judge: str, paths: list[str]) -> Verdict:
    """Runs one judge; what it prints on stderr is shown when it breaks."""
    began, kind = time.monotonic(), JUDGES[judge]
    if kind == "node":
        given = _run([os.environ["DPC_JUDGES_PYTHON"], "-m", "judging.definitions", *paths], None)
        answer = _run(["node", str(HERE / "asl.cjs")], given)
    else:
        python = os.environ[f"DPC_{kind.upper()}_PYTHON"]
        answer = _run([python, "-m", f"judging.{judge.replace('-', '_')}", *paths], None)
    return Verdict(judge, [Finding(**finding) for finding in json.loads(answer)], time.monotonic() - began)


def _run(command: list[str], given: str | None) -> str:
    done = subprocess.run(command, input=given, stdin=None if given else subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} … ended with {done.returncode}:\n{done.stderr.strip()[-3000:]}")
    return done.stdout


def suppressions(path: Path) -> list[Suppression]:
    """The suppressions; one without a reason is none."""
    entries: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    for entry in entries:
        if len(str(entry.get("reason", "")).split()) < 5:
            sys.exit(f"{path.name}: {entry} needs a reason, in a sentence")
    return [Suppression(**entry) for entry in entries]


def table(verdicts: list[Verdict], open_findings: list[Finding]) -> str:
    """One line a judge."""
    lines = [f"{'judge':<26}{'found':>6}{'suppressed':>12}{'open':>6}{'seconds':>9}"]
    for verdict in verdicts:
        left = sum(finding.judge == verdict.judge for finding in open_findings)
        total = len(verdict.findings)
        lines.append(f"{verdict.judge:<26}{total:>6}{total - left:>12}{left:>6}{verdict.seconds:>9.1f}")
    return "\n".join(lines)


def judge(paths: list[str], known: list[Suppression]) -> tuple[list[Verdict], list[Finding]]:
    """All verdicts, and the findings that nothing explains."""
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        verdicts = list(pool.map(lambda name: ask(name, paths), JUDGES))
    left = []
    for finding in (f for verdict in verdicts for f in verdict.findings):
        reasons = [s for s in known if s.explains(finding)]
        for reason in reasons:
            reason.used += 1
        if not reasons:
            left.append(finding)
    return verdicts, left


def main(arguments: list[str]) -> int:
    """Judges, prints, and says with the exit code whether all is well."""
    began = time.monotonic()
    paths = templates(arguments)
    known = suppressions(HERE.parent / "suppressions.yaml")
    verdicts, left = judge(paths, known)
    for finding in left:
        print(f"{finding.template}: {finding.judge} {finding.rule} at {finding.where}\n    {finding.message}")
    idle = [s for s in known if not s.used]
    for suppression in idle:
        print(f"suppressions.yaml: nothing is explained by {suppression.judge} {suppression.rule} ({suppression.reason})")
    print(f"{len(paths)} templates, {time.monotonic() - began:.0f} s\n{table(verdicts, left)}")
    return 1 if left or idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
