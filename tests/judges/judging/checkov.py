"""checkov's verdict: one run for all templates, because its start is most of its time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .documents import Finding, report


def judge(paths: list[str]) -> list[Finding]:
    """Runs checkov on a folder with copies of the templates, without its network."""
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            shutil.copy(path, folder)
        command = [
            sys.executable, str(Path(sys.executable).parent / "checkov"), "--directory", folder, "--framework", "cloudformation",
            "--output", "json", "--compact", "--quiet", "--skip-download", "--soft-fail",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LOG_LEVEL": "ERROR"})
    if done.returncode != 0:
        raise SystemExit(f"checkov ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    answer = json.loads(done.stdout)
    runs = answer if isinstance(answer, list) else [answer]
    found = []
    for run in runs:
        if not run.get("results") and paths:
            raise SystemExit("checkov looked at nothing")
        found += [
            Finding("checkov", check["file_path"].lstrip("/"), check["check_id"], check["resource"], check["check_name"])
            for check in run["results"]["failed_checks"]
        ]
        found += [
            Finding("checkov", Path(name).name, "unreadable", "", "checkov cannot read this template")
            for name in run["results"].get("parsing_errors") or []
        ]
    return found


if __name__ == "__main__":
    report(judge(sys.argv[1:]))
