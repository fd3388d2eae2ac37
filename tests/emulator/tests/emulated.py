"""One emulator for all tests of a test process, and short ways to talk to it.

In: nothing. Out: `client(service)` for an account, `call` for `/_dpc/`, helpers that wait. It refuses to know which
addition is tested. Accounts keep tests apart: each test class uses its own.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

HERE = Path(__file__).resolve().parent.parent
REGION = "eu-central-1"
SETTINGS = ("SFN_WAIT_SCALE=0.02", "DPC_EMR_START_SECONDS=0.05", "DPC_SCHEDULER_TICK=0.1", "DPC_VISIBILITY_SCALE=0.1")


@cache
def state() -> Path:
    """The folder of a running emulator, which ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="dpc-emulator-")
    path = Path(folder.name)

    def stop() -> None:
        subprocess.run([HERE / "stop", path], check=False)
        folder.cleanup()

    atexit.register(stop)
    subprocess.run([HERE / "start", path, *SETTINGS], check=True)
    return path


def endpoint() -> str:
    """Where the emulator answers."""
    return f"http://127.0.0.1:{(state() / 'port').read_text().strip()}"


@cache
def client(service: str, account: str = "111111111111") -> Any:
    """A botocore client for one account of the emulator."""
    return botocore.session.get_session().create_client(
        service, region_name=REGION, endpoint_url=endpoint(), aws_access_key_id=account, aws_secret_access_key="x",
        config=Config(inject_host_prefix=False, retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )  # fmt: skip


def call(method: str, path: str, body: Any = None) -> Any:
    """One request to `/_dpc/`; a refusal is a ValueError with its sentence."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{endpoint()}/_dpc/{path}", data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        raise ValueError(json.load(refused)["error"]) from refused


def eventually(look: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What `look` returns once it is true; an AssertionError with the last value when it does not become so."""
    until, value = time.monotonic() + seconds, None
    while time.monotonic() < until:
        value = look()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"still {value!r} after {seconds} s")


def role(account: str, name: str = "any", service: str = "lambda.amazonaws.com", allowed: tuple[str, ...] = ("*",)) -> str:
    """The ARN of a role that exists; a new one may do what is `allowed`, with anything."""
    iam = client("iam", account)
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]}
    try:
        arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"])
        if allowed:
            statement = {"Effect": "Allow", "Action": list(allowed), "Resource": "*"}
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Statement": [statement]}))
        return arn
    except iam.exceptions.EntityAlreadyExistsException:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])


class Machine:
    """A state machine of one account, by its states."""

    made = 0

    def __init__(self, account: str, states: dict[str, Any], start: str, **more: Any) -> None:
        Machine.made += 1
        self.sfn = client("stepfunctions", account)
        definition = {"QueryLanguage": "JSONata", "StartAt": start, "States": states}
        timeout = more.pop("TimeoutSeconds", None)
        more.setdefault("roleArn", role(account))
        if timeout is not None:
            definition["TimeoutSeconds"] = timeout
        self.name = f"m{Machine.made}"
        answer = self.sfn.create_state_machine(
            name=self.name, definition=json.dumps(definition), **more
        )
        self.arn = answer["stateMachineArn"]

    def start(self, data: Any = None, name: str | None = None) -> str:
        """Starts an execution and returns its ARN."""
        more = {} if name is None else {"name": name}
        answer = self.sfn.start_execution(stateMachineArn=self.arn, input=json.dumps(data or {}), **more)
        return str(answer["executionArn"])

    def end(self, arn: str, seconds: float = 15.0) -> dict[str, Any]:
        """The execution's description once it has ended."""

        def look() -> Any:
            found = self.sfn.describe_execution(executionArn=arn)
            return found["status"] != "RUNNING" and found

        found: dict[str, Any] = eventually(look, seconds)
        return found

    def run(self, data: Any = None, name: str | None = None) -> dict[str, Any]:
        """Starts an execution and waits for its end."""
        return self.end(self.start(data, name))

    def history(self, arn: str) -> list[dict[str, Any]]:
        """The execution's events."""
        events: list[dict[str, Any]] = self.sfn.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        return events
