"""cfn-lint's verdict: errors and warnings, all templates in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .documents import Finding, report


def judge(paths: list[str]) -> list[Finding]:
    """Runs the linter's own command, because its library keeps no promises."""
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--regions", "eu-central-1", "--format", "json", "--", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2, 4, 6, 8, 10, 12, 14):  # bits for errors, warnings, information
        raise SystemExit(f"cfn-lint ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return [
        Finding(
            "cfn-lint", Path(match["Filename"]).name, match["Rule"]["Id"],
            "/".join(map(str, match["Location"].get("Path") or [])), match["Message"],
        )
        for match in json.loads(done.stdout or "[]")
    ]  # fmt: skip


if __name__ == "__main__":
    report(judge(sys.argv[1:]))
