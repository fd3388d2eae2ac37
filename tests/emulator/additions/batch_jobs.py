"""Batch: jobs that really run.

AWS: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html: queue and definition must be there; the command is the
definition's or the override's with `Ref::name` replaced by parameters; an array job is one child an index; a failed attempt is
repeated as often as the retry strategy says; output is in `/aws/batch/job`, stream `<definition>/default/<task>`; TerminateJob
fails the job with its reason; ListJobs shows RUNNING ones unless asked. MiniStack: every job has succeeded when it was submitted.
In: the API's arguments. Out: jobs in MiniStack's store. It refuses to know instances: the command runs on this machine.
"""

from __future__ import annotations

import contextvars
import copy
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ministack.core.responses import error_response_json, new_uuid
from ministack.services import batch

from . import job_logs, patching, processes

Record = dict[str, Any]
_OPEN = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
GROUP = "/aws/batch/job"


def _refused(message: str) -> Any:
    return error_response_json("ClientException", message, 400)


def _submit(data: Record) -> Any:
    queue = batch._job_queues.get(_last(data.get("jobQueue", "")))
    if queue is None or queue["state"] != "ENABLED":
        return _refused(f"JobQueue {data.get('jobQueue')} not found or not enabled.")
    definition = find_definition(data.get("jobDefinition", ""))
    if definition is None:
        return _refused(f"JobDefinition {data.get('jobDefinition')} not found or not active.")
    size = data.get("arrayProperties", {}).get("size", 0)
    if size and not 2 <= size <= 10_000:
        return _refused("Array size must be between 2 and 10,000.")
    job = _record(data, queue, definition)
    if size:
        job["arrayProperties"] = {"size": size, "statusSummary": {}}
        children = [_record(data, queue, definition, job, index) for index in range(size)]
        _start(_array, job, children)
    else:
        _start(_live, job)
    return batch._json(200, {"jobId": job["jobId"], "jobName": job["jobName"], "jobArn": job["jobArn"]})


def _start(target: Any, *arguments: Any) -> None:
    threading.Thread(target=contextvars.copy_context().run, args=(target, *arguments), daemon=True).start()


def _last(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


def find_definition(reference: str) -> Record | None:
    """The active revision that a name, `name:revision` or ARN means."""
    name, _, revision = _last(reference).partition(":")
    active = [d for d in batch._job_definitions.get(name, []) if d["status"] == "ACTIVE" and (not revision or str(d["revision"]) == revision)]
    return active[-1] if active else None


def _record(data: Record, queue: Record, definition: Record, parent: Record | None = None, index: int = 0) -> Record:
    """A job's record, in the store."""
    identifier = f"{parent['jobId']}:{index}" if parent else new_uuid()
    container = copy.deepcopy(definition.get("containerProperties") or {})
    overrides = data.get("containerOverrides", {})
    container["environment"] = [*container.get("environment", []), *overrides.get("environment", [])]
    for key in ("command", "resourceRequirements", "vcpus", "memory"):
        if key in overrides:
            container[key] = overrides[key]
    parameters = {**definition.get("parameters", {}), **data.get("parameters", {})}
    container["command"] = [_parameter(word, parameters) for word in container.get("command", [])]
    job = {
        "jobId": identifier,
        "jobArn": batch._job_arn(identifier),
        "jobName": data["jobName"],
        "jobQueue": queue["jobQueueArn"],
        "jobDefinition": definition["jobDefinitionArn"],
        "status": "SUBMITTED",
        "createdAt": batch._now_ms(),
        "attempts": [],
        "dependsOn": data.get("dependsOn", []),
        "parameters": parameters,
        "container": container,
        "retryStrategy": data.get("retryStrategy") or definition.get("retryStrategy") or {"attempts": 1},
        "tags": data.get("tags", {}),
        "platformCapabilities": definition.get("platformCapabilities", ["EC2"]),
    }
    timeout = data.get("timeout") or definition.get("timeout")
    if timeout:
        job["timeout"] = timeout
    if parent:
        job["arrayProperties"] = {"index": index, "size": parent["arrayProperties"]["size"]}
    batch._jobs[identifier] = job
    return job


def _parameter(word: str, parameters: Record) -> str:
    return str(parameters.get(word.removeprefix("Ref::"), word)) if word.startswith("Ref::") else word


# ---- a job's life


def _array(parent: Record, children: list[Record]) -> None:
    parent.update(status="PENDING")
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(_live, child), daemon=True) for child in children]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if parent.get("_reason"):
            for child in children:
                child.setdefault("_reason", parent["_reason"])
        _summarise(parent, children)
        time.sleep(0.02)
    _summarise(parent, children)
    bad = any(child["status"] == "FAILED" for child in children)
    parent.update(stoppedAt=batch._now_ms(), statusReason="Array Child Job failed" if bad else "Array Child Job succeeded")
    parent["status"] = "FAILED" if bad else "SUCCEEDED"


def _summarise(parent: Record, children: list[Record]) -> None:
    states = [child["status"] for child in children]
    parent["arrayProperties"]["statusSummary"] = {state: states.count(state) for state in set(states)}


def _live(job: Record) -> None:
    most = int(job["retryStrategy"].get("attempts", 1))
    job["status"] = "STARTING"
    for attempt in range(1, most + 1):
        began, (code, reason) = batch._now_ms(), _attempt(job, attempt)
        job["container"]["exitCode"] = code
        if code is None:
            del job["container"]["exitCode"]
        shown = {k: job["container"][k] for k in ("exitCode", "logStreamName", "taskArn") if k in job["container"]}
        shown["networkInterfaces"] = []
        job["attempts"].append({"container": shown, "startedAt": began, "stoppedAt": batch._now_ms(), "statusReason": reason})
        if code == 0 or job.get("_reason"):
            break
    job.update(stoppedAt=batch._now_ms(), statusReason=job.get("_reason") or reason)
    job["status"] = "SUCCEEDED" if code == 0 and not job.get("_reason") else "FAILED"


def _attempt(job: Record, attempt: int) -> tuple[int | None, str]:
    """Runs the command once; its exit code, and why it stopped."""
    task, container = new_uuid().replace("-", ""), job["container"]
    name = _last(job["jobDefinition"]).partition(":")[0]
    container["logStreamName"] = f"{name}/default/{task}"
    container["taskArn"] = job["jobArn"].replace(":batch:", ":ecs:").partition(":job/")[0] + f":task/batch/{task}"
    with tempfile.TemporaryDirectory(prefix="batch-") as folder:
        variables = processes.environment(Path(folder)) | {e["name"]: str(e["value"]) for e in container["environment"]}
        variables |= {"AWS_BATCH_JOB_ID": job["jobId"], "AWS_BATCH_JOB_ATTEMPT": str(attempt), "AWS_BATCH_JQ_NAME": _last(job["jobQueue"])}
        if "index" in job.get("arrayProperties", {}):
            variables["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job["arrayProperties"]["index"])
        if job.get("_reason"):
            return None, job["_reason"]
        try:
            process = processes.start(container["command"] or ["true"], Path(folder), variables, subprocess.PIPE, subprocess.STDOUT)
        except OSError as problem:
            container["reason"] = f"CannotStartContainerError: {problem}"
            return None, "Task failed to start"
        job.update(status="RUNNING", startedAt=batch._now_ms())
        job_logs.create(GROUP)
        reader = threading.Thread(target=contextvars.copy_context().run, args=(job_logs.follow, process, GROUP, container["logStreamName"]), daemon=True)
        reader.start()
        limit = time.monotonic() + job.get("timeout", {}).get("attemptDurationSeconds", float("inf"))
        while process.poll() is None and not job.get("_reason") and time.monotonic() < limit:
            time.sleep(0.02)
        over = process.poll() is None and not job.get("_reason")
        if process.poll() is None:
            processes.kill(process)
        processes.ended(process)
        reader.join(5)
    if over:
        job["_reason"] = "Job attempt duration exceeded timeout"
    code = process.returncode
    return (code if code >= 0 else 128 - code), "Essential container in task exited"


# ---- the API


def _public(job: Record) -> Record:
    return copy.deepcopy({k: v for k, v in job.items() if not k.startswith("_")})


def _describe(data: Record) -> Any:
    return batch._json(200, {"jobs": [_public(batch._jobs[i]) for i in data.get("jobs", []) if i in batch._jobs]})


def _list(data: Record) -> Any:
    if not any(data.get(key) for key in ("jobQueue", "arrayJobId", "multiNodeJobId")):
        return _refused("One of jobQueue, arrayJobId, multiNodeJobId is required")
    queue = _last(data.get("jobQueue", ""))
    if queue and queue not in batch._job_queues:
        return _refused(f"JobQueue {queue} not found")
    status = data.get("jobStatus") or ("" if data.get("filters") else "RUNNING")
    found = []
    for job in batch._jobs.values():
        parent = job["jobId"].partition(":")[0] if ":" in job["jobId"] else ""
        if (queue and (_last(job["jobQueue"]) != queue or parent)) or (data.get("arrayJobId") and data["arrayJobId"] != parent):
            continue
        named = [f for f in data.get("filters", []) if f["name"] == "JOB_NAME"]
        if (status and job["status"] != status) or (named and not any(_like(job["jobName"], v) for v in named[0]["values"])):
            continue
        keys = ("jobId", "jobArn", "jobName", "status", "statusReason", "createdAt", "startedAt", "stoppedAt", "jobDefinition")
        found.append({k: job[k] for k in keys if k in job})
    begin, size = int(data.get("nextToken") or 0), data.get("maxResults", 100)
    more = {"nextToken": str(begin + size)} if begin + size < len(found) else {}
    return batch._json(200, {"jobSummaryList": found[begin : begin + size]} | more)


def _like(name: str, pattern: str) -> bool:
    """Batch compares names without case; an asterisk at the end matches the rest."""
    given, wanted = name.lower(), pattern.lower()
    return given.startswith(wanted[:-1]) if wanted.endswith("*") else given == wanted


def _terminate(data: Record) -> Any:
    if not data.get("jobId") or not data.get("reason"):
        return _refused("jobId and reason are required")
    job = batch._jobs.get(data["jobId"])
    if job is not None and job["status"] in _OPEN:
        job["_reason"] = data["reason"]
    return batch._json(200, {})


def install() -> None:
    """Takes over what is about jobs."""
    table = "ministack.services.batch._DISPATCH"
    for path, act in (("submitjob", _submit), ("describejobs", _describe), ("listjobs", _list)):
        patching.replace_item(batch._DISPATCH, f"/v1/{path}", table, lambda _, act=act: act)
    batch._DISPATCH["/v1/terminatejob"] = _terminate
    batch._DISPATCH["/v1/canceljob"] = _terminate
    patching.require(batch, "_job_arn", "_job_definitions", "_job_queues", "_jobs", "_json", "_now_ms")
