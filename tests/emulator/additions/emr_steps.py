"""EMR: steps that really run.

AWS: `script-runner.jar` fetches the script that its first argument names and runs it with the others on the primary
node; steps queue behind the cluster's concurrency; logs reach `<LogUri>/<cluster>/steps/<step>/`; the exit code makes
the step COMPLETED or FAILED. MiniStack: a step is COMPLETED when it is added.
In: a cluster's record and a step's arguments. Out: a subprocess of this machine with the account's credentials,
`tests/emulator/bin` in front of its PATH, its output as gzip files in the emulated bucket. It refuses to know what the
command means.
"""

from __future__ import annotations

import atexit
import contextvars
import copy
import gzip
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import botocore.exceptions
import botocore.session
from ministack.core.responses import get_account_id, get_region
from ministack.services import emr

from . import emr_clusters as clusters
from .emr_clusters import Refused

BIN = Path(__file__).resolve().parent.parent / "bin"
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "")
OPEN, RUNNING, GRACE = ("PENDING", "RUNNING"), "RUNNING", 2.0
MAX_ARGUMENTS = 10_240  # https://docs.aws.amazon.com/emr/latest/APIReference/API_HadoopJarStepConfig.html
_CHANGED = threading.Condition()
_PROCESSES: dict[str, subprocess.Popen[bytes]] = {}


# ---- adding, looking, cancelling


def add(cluster_id: str, config: dict[str, Any]) -> dict[str, Any]:
    """Adds a step to a cluster, starts it when its turn comes, and returns its record."""
    cluster = clusters.get(cluster_id)
    if cluster["Status"]["State"] not in clusters.ACTIVE:
        raise Refused("InvalidRequestException", "A job flow that is shutting down, terminated, or finished may not be modified")
    if sum(map(len, config["HadoopJarStep"].get("Args", []))) > MAX_ARGUMENTS:
        raise Refused("ValidationException", f"Size of an individual step exceeded the maximum {MAX_ARGUMENTS}")
    action = config.get("ActionOnFailure", "CONTINUE")
    if cluster["StepConcurrencyLevel"] > 1 and action not in ("CONTINUE",):
        raise Refused("ValidationException", f"ActionOnFailure {action} is not valid with a step concurrency above 1")
    step: dict[str, Any] = emr._make_step(config)
    step["Status"] = {"State": "PENDING", "StateChangeReason": {}, "Timeline": {"CreationDateTime": clusters.now()}}
    with _CHANGED:
        emr._steps.setdefault(cluster_id, []).append(step)
    snapshot = contextvars.copy_context()
    threading.Thread(target=snapshot.run, args=(_live, cluster, step), daemon=True).start()
    return step


def find(cluster_id: str, step_id: str) -> dict[str, Any]:
    """The record of a step."""
    clusters.get(cluster_id)
    for step in emr._steps.get(cluster_id, []):
        if step["Id"] == step_id:
            found: dict[str, Any] = step
            return found
    raise Refused("InvalidRequestException", f"Step id '{step_id}' is not valid.")


def public(step: dict[str, Any]) -> dict[str, Any]:
    """A step as DescribeStep shows it."""
    return copy.deepcopy({k: v for k, v in step.items() if not k.startswith("_")})


def wait(step: dict[str, Any], seconds: float) -> bool:
    """Waits a moment; True when the step has ended."""
    with _CHANGED:
        if step["Status"]["State"] in OPEN:
            _CHANGED.wait(seconds)
        return step["Status"]["State"] not in OPEN


def cancel(step: dict[str, Any], state: str = "CANCELLED", message: str = "Cancelled by user") -> bool:
    """Ends a step that has not ended, and its process; False if there was nothing to end."""
    with _CHANGED:
        if step["Status"]["State"] not in OPEN:
            return False
        _end(step, state, {"Message": message})
        process = _PROCESSES.get(step["Id"])
    if process is not None:
        _kill(process)
    return True


def terminate(cluster: dict[str, Any], code: str, message: str) -> None:
    """Ends a cluster and all that runs on it."""
    clusters.set_state(cluster, "TERMINATING", code, message)
    for step in emr._steps.get(cluster["Id"], []):
        cancel(step, message="Job terminated")
    clusters.set_state(cluster, "TERMINATED", code, message)
    with _CHANGED:
        _CHANGED.notify_all()


# ---- a step's life


def _live(cluster: dict[str, Any], step: dict[str, Any]) -> None:
    """Waits for a place on the cluster, runs the command, keeps its logs, writes its end."""
    if not _take_place(cluster, step):
        return
    with tempfile.TemporaryDirectory(prefix=f"{step['Id']}-") as folder:
        try:
            code, said = _run(cluster, step, Path(folder))
        except Exception as problem:  # a step whose thread died would stay RUNNING for ever
            code, said = 1, f"emulator: {problem!r}"
        _keep_logs(cluster, step, Path(folder), said)
    with _CHANGED:
        _PROCESSES.pop(step["Id"], None)
        if step["Status"]["State"] in OPEN:
            _end(step, "COMPLETED" if code == 0 else "FAILED", {})
            if code != 0:
                where = f"{_log_prefix(cluster, step)}stderr.gz"
                message = f"Exception in thread \"main\" java.lang.RuntimeException: {said or f'exit code {code}'}"
                step["Status"]["FailureDetails"] = {"Reason": "Unknown Error.", "Message": message, "LogFile": where}
        _idle(cluster)
        _CHANGED.notify_all()
    if code != 0 and step["ActionOnFailure"] in ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"):
        terminate(cluster, "STEP_FAILURE", "Shut down as step failed")


def _take_place(cluster: dict[str, Any], step: dict[str, Any]) -> bool:
    with _CHANGED:
        while step["Status"]["State"] == "PENDING":
            ready = clusters.get(cluster["Id"])["Status"]["State"] in ("WAITING", "RUNNING")
            steps = emr._steps[cluster["Id"]]
            running = sum(s["Status"]["State"] == RUNNING for s in steps)
            first = next(s for s in steps if s["Status"]["State"] == "PENDING") is step
            if ready and first and running < cluster["StepConcurrencyLevel"]:
                step["Status"]["State"] = RUNNING
                step["Status"]["Timeline"]["StartDateTime"] = clusters.now()
                clusters.set_state(cluster, "RUNNING", "", "Running step")
                _CHANGED.notify_all()
                return True
            _CHANGED.wait(0.05)
    return False


def _end(step: dict[str, Any], state: str, reason: dict[str, str]) -> None:
    step["Status"].update(State=state, StateChangeReason=reason)
    step["Status"]["Timeline"]["EndDateTime"] = clusters.now()
    _CHANGED.notify_all()


def _idle(cluster: dict[str, Any]) -> None:
    if not any(s["Status"]["State"] in OPEN for s in emr._steps.get(cluster["Id"], [])):
        clusters.set_state(cluster, "WAITING", "", "Cluster ready after last step completed.")


# ---- the command


def _run(cluster: dict[str, Any], step: dict[str, Any], folder: Path) -> tuple[int, str]:
    """Runs the step's command in `folder`; its exit code, and what the machinery itself has to say."""
    out, err = folder / "stdout", folder / "stderr"
    work = folder / "work"
    work.mkdir()
    with out.open("wb") as stdout, err.open("wb") as stderr:
        try:
            command = _command(step["Config"], work)
        except Refused as refusal:
            stderr.write(f"{refusal}\n".encode())
            return 1, str(refusal)
        with _CHANGED:
            if step["Status"]["State"] != RUNNING:
                return 1, "cancelled before it began"
            process = subprocess.Popen(
                command, cwd=work, env=_environment(cluster, step, folder), stdin=subprocess.DEVNULL,
                stdout=stdout, stderr=stderr, start_new_session=True,
            )  # fmt: skip
            _PROCESSES[step["Id"]] = process
        code = process.wait()
    return code, "" if code == 0 else f"script returned exit code {code}"


def _command(config: dict[str, Any], work: Path) -> list[str]:
    """What EMR's two runner jars do with their arguments."""
    jar, arguments = config["Jar"], list(config["Args"])
    if jar == "command-runner.jar":
        return arguments
    expected = f"s3://{get_region()}.elasticmapreduce/libs/script-runner/script-runner.jar"
    if jar != expected:
        raise Refused("ValidationException", f"the emulator runs {expected} and command-runner.jar, not {jar}")
    if not arguments:
        raise Refused("ValidationException", "script-runner.jar: the first argument is the script, there is none")
    script = work.parent / "script"
    script.write_bytes(_fetch(arguments[0]))
    return ["bash", str(script), *arguments[1:]]


def _fetch(uri: str) -> bytes:
    parts = urlparse(uri)
    if parts.scheme != "s3":
        raise Refused("ValidationException", f"script-runner.jar: {uri} is not an s3:// address")
    try:
        body: bytes = _s3().get_object(Bucket=parts.netloc, Key=parts.path[1:])["Body"].read()
    except botocore.exceptions.ClientError as problem:
        raise Refused("ValidationException", f"fatal error: {uri}: {problem}") from problem
    return body


def _s3() -> Any:
    from botocore.config import Config

    return botocore.session.get_session().create_client(
        "s3", region_name=get_region(), endpoint_url=ENDPOINT, aws_access_key_id=get_account_id(),
        aws_secret_access_key="emulated", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )  # fmt: skip


def _environment(cluster: dict[str, Any], step: dict[str, Any], folder: Path) -> dict[str, str]:
    kept = {k: os.environ[k] for k in ("LANG", "LC_ALL", "JAVA_HOME", "SPARK_HOME", "TMPDIR") if k in os.environ}
    return kept | {
        "PATH": f"{BIN}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_ACCESS_KEY_ID": get_account_id(),
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_REGION": get_region(),
        "AWS_DEFAULT_REGION": get_region(),
        "EMR_CLUSTER_ID": cluster["Id"],
        "EMR_STEP_ID": step["Id"],
        "DPC_EMULATOR_PYTHON": sys.executable,
    }


def _log_prefix(cluster: dict[str, Any], step: dict[str, Any]) -> str:
    return f"{cluster['LogUri'].rstrip('/')}/{cluster['Id']}/steps/{step['Id']}/"


def _keep_logs(cluster: dict[str, Any], step: dict[str, Any], folder: Path, said: str) -> None:
    if not cluster.get("LogUri"):
        return
    arguments = " ".join(step["Config"]["Args"])
    (folder / "controller").write_text(f"INFO startExec '{step['Config']['Jar']} {arguments}'\nINFO {said or 'Step succeeded'}\n")
    prefix = urlparse(_log_prefix(cluster, step))
    client = _s3()
    for name in ("controller", "stdout", "stderr"):
        text = (folder / name).read_bytes() if (folder / name).exists() else b""
        try:
            client.put_object(Bucket=prefix.netloc, Key=f"{prefix.path[1:]}{name}.gz", Body=gzip.compress(text, mtime=0))
        except botocore.exceptions.BotoCoreError as problem:
            emr.logger.warning("step log %s: %s", name, problem)
        except botocore.exceptions.ClientError as problem:  # EMR loses logs silently as well
            emr.logger.warning("step log %s: %s", name, problem)


def _kill(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(GRACE)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _kill_all() -> None:
    for process in list(_PROCESSES.values()):
        _kill(process)


# ---- the API


def _add_job_flow_steps(data: dict[str, Any]) -> Any:
    return {"StepIds": [add(data["JobFlowId"], config)["Id"] for config in data["Steps"]]}


def _list_steps(data: dict[str, Any]) -> Any:
    clusters.get(data["ClusterId"])
    states, ids = data.get("StepStates"), data.get("StepIds")
    found = [
        public(step)
        for step in reversed(emr._steps.get(data["ClusterId"], []))
        if (not states or step["Status"]["State"] in states) and (not ids or step["Id"] in ids)
    ]
    return clusters.page("Steps", found, data)


def _cancel_steps(data: dict[str, Any]) -> Any:
    answers = []
    for step_id in data["StepIds"]:
        done = cancel(find(data["ClusterId"], step_id))
        answers.append({"StepId": step_id, "Status": "SUBMITTED" if done else "FAILED"})
    return {"CancelStepsInfoList": answers}


def _terminate_job_flows(data: dict[str, Any]) -> Any:
    for cluster_id in data["JobFlowIds"]:
        cluster = clusters.get(cluster_id)
        if cluster["TerminationProtected"]:
            raise Refused("ValidationException", "Could not shut down one or more job flows since they are termination protected.")
        terminate(cluster, "USER_REQUEST", "Terminated by user request")
    return {}


def install() -> None:
    """Takes over the step operations of the EMR API, and ends what still runs when the emulator ends."""
    clusters.handler("AddJobFlowSteps", _add_job_flow_steps)
    clusters.handler("DescribeStep", lambda data: {"Step": public(find(data["ClusterId"], data["StepId"]))})
    clusters.handler("ListSteps", _list_steps)
    clusters.handler("CancelSteps", _cancel_steps)
    clusters.handler("TerminateJobFlows", _terminate_job_flows)
    atexit.register(_kill_all)
