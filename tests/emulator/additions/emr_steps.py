"""EMR: steps that really run.

AWS: `script-runner.jar` fetches the script that its first argument names and runs it with the others on the primary
node; steps queue behind the cluster's concurrency; logs reach `<LogUri>/<cluster>/steps/<step>/`; the exit code makes
the step COMPLETED or FAILED. MiniStack: a step is COMPLETED when it is added.
In: a cluster's record and a step's arguments. Out: a subprocess of this machine with the account's credentials,
`tests/emulator/bin` in front of its PATH, its output as gzip files in the emulated bucket. It refuses to know what the
command means.
"""

from __future__ import annotations

import contextvars
import copy
import gzip
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

from ministack.core.responses import get_region
from ministack.services import emr

from . import emr_clusters as clusters
from . import processes, sdk
from .emr_clusters import Refused

OPEN, RUNNING = ("PENDING", "RUNNING"), "RUNNING"
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
        processes.kill(process)
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
            process = processes.start(command, work, _environment(cluster, step, folder), stdout, stderr)
            _PROCESSES[step["Id"]] = process
        code = process.wait()
        processes.ended(process)
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
    try:
        return processes.fetch(uri)
    except ValueError as problem:
        raise Refused("ValidationException", f"script-runner.jar: {problem}") from problem
    except sdk.ApiError as problem:
        raise Refused("ValidationException", f"fatal error: {uri}: {problem.code}: {problem}") from problem


def _environment(cluster: dict[str, Any], step: dict[str, Any], folder: Path) -> dict[str, str]:
    return processes.environment(folder) | {"EMR_CLUSTER_ID": cluster["Id"], "EMR_STEP_ID": step["Id"]}


def _log_prefix(cluster: dict[str, Any], step: dict[str, Any]) -> str:
    return f"{cluster['LogUri'].rstrip('/')}/{cluster['Id']}/steps/{step['Id']}/"


def _keep_logs(cluster: dict[str, Any], step: dict[str, Any], folder: Path, said: str) -> None:
    if not cluster.get("LogUri"):
        return
    arguments = " ".join(step["Config"]["Args"])
    (folder / "controller").write_text(f"INFO startExec '{step['Config']['Jar']} {arguments}'\nINFO {said or 'Step succeeded'}\n")
    for name in ("controller", "stdout", "stderr"):
        text = (folder / name).read_bytes() if (folder / name).exists() else b""
        try:
            processes.store(f"{_log_prefix(cluster, step)}{name}.gz", gzip.compress(text, mtime=0))
        except sdk.ApiError as problem:  # EMR loses logs silently as well
            emr.logger.warning("step log %s: %s", name, problem)


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
    """Takes over the step operations of the EMR API."""
    clusters.handler("AddJobFlowSteps", _add_job_flow_steps)
    clusters.handler("DescribeStep", lambda data: {"Step": public(find(data["ClusterId"], data["StepId"]))})
    clusters.handler("ListSteps", _list_steps)
    clusters.handler("CancelSteps", _cancel_steps)
    clusters.handler("TerminateJobFlows", _terminate_job_flows)
