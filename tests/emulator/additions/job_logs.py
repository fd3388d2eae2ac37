"""What jobs print, in CloudWatch Logs.

In: a log group, a stream, lines or a running process. Out: log events, as they come. A group that is not there loses them,
as the services that write them do. It refuses to know whose output it is.
"""

from __future__ import annotations

import subprocess
import time

from ministack.services import cloudwatch_logs as logs

from . import patching


def create(group: str) -> None:
    """Makes a group, if it is not there."""
    logs._create_log_group({"logGroupName": group})


def write(group: str, stream: str, lines: list[str]) -> None:
    """Writes log events; the stream is made by the first."""
    logs._create_log_stream({"logGroupName": group, "logStreamName": stream})  # the second time it exists
    events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
    if events:
        logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})


def follow(process: subprocess.Popen[bytes], group: str, stream: str) -> None:
    """Writes each line of a process's output until it ends."""
    write(group, stream, [])
    if process.stdout is not None:
        for line in process.stdout:
            write(group, stream, [line.decode(errors="replace").rstrip("\n")])


def install() -> None:
    """Notes what it uses of MiniStack."""
    patching.require(logs, "_create_log_group", "_create_log_stream", "_put_log_events")
