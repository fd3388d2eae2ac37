"""Commands that the emulated services really run on this machine.

In: a command, a folder, variables. Out: a process with the account's credentials in its environment and
`tests/emulator/bin` in front of its PATH, that is killed with its children when it is called off and when the emulator ends. It
refuses to know whose job it is.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlparse

from ministack.core.responses import get_account_id, get_region

from . import sdk

BIN = Path(__file__).resolve().parent.parent / "bin"
GRACE = 2.0
_RUNNING: set[subprocess.Popen[bytes]] = set()
_LOCK = threading.Lock()


def environment(home: Path) -> dict[str, str]:
    """What every job of the current account finds in its environment."""
    kept = {k: os.environ[k] for k in ("LANG", "LC_ALL", "JAVA_HOME", "SPARK_HOME", "TMPDIR") if k in os.environ}
    return kept | {
        "PATH": f"{BIN}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(home),
        "AWS_ENDPOINT_URL": sdk.ENDPOINT,
        "AWS_ACCESS_KEY_ID": get_account_id(),
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_REGION": get_region(),
        "AWS_DEFAULT_REGION": get_region(),
        "DPC_EMULATOR_PYTHON": sys.executable,
    }


def start(
    command: list[str], folder: Path, variables: dict[str, str], stdout: IO[bytes] | int, stderr: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Starts a command in a process group of its own; an OSError when there is no such command."""
    process = subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
    )
    with _LOCK:
        _RUNNING.add(process)
    return process


def ended(process: subprocess.Popen[bytes]) -> None:
    """The process is over: nobody has to end it."""
    with _LOCK:
        _RUNNING.discard(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Asks the process group to end, and ends it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, sign)
            process.wait(GRACE)


def fetch(uri: str) -> bytes:
    """The object at an s3:// address; an `sdk.ApiError` or a ValueError."""
    parts = urlparse(uri)
    if parts.scheme != "s3":
        raise ValueError(f"{uri} is not an s3:// address")
    body: bytes = sdk.raw("s3", "GetObject", {"Bucket": parts.netloc, "Key": parts.path[1:]})["Body"].read()
    return body


def store(uri: str, content: bytes) -> None:
    """Writes an object."""
    parts = urlparse(uri)
    sdk.raw("s3", "PutObject", {"Bucket": parts.netloc, "Key": parts.path[1:], "Body": content})


def python(entry: str, folder: Path, arguments: list[str], modules: list[str] | None = None) -> tuple[list[str], dict[str, str]]:
    """Fetches a Python program and its modules into `folder`: the command that runs it, and more variables."""
    program = folder / entry.rsplit("/", 1)[-1]
    program.write_bytes(fetch(entry))
    paths = []
    for module in modules or []:
        path = folder / module.rsplit("/", 1)[-1]
        path.write_bytes(fetch(module))
        paths.append(str(path if path.suffix in (".zip", ".egg", ".whl") else path.parent))
    return [sys.executable if program.suffix == ".py" else "false", str(program), *arguments], {"PYTHONPATH": ":".join(paths)}


def _kill_all(*_: Any) -> None:
    with _LOCK:
        left = list(_RUNNING)
    for process in left:
        kill(process)


def install() -> None:
    """Ends what still runs when the emulator ends."""
    atexit.register(_kill_all)
