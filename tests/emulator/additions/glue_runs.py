"""Glue: job runs that really run, if their script is Python.

AWS: https://docs.aws.amazon.com/glue/latest/webapi/API_StartJobRun.html: the script gets its job's and its run's arguments as
`--name value`; at most MaxConcurrentRuns at once (1 unless said), then ConcurrentRunsExceededException; output and errors go to the log groups
`/aws-glue/jobs/output` and `/error`, or `/aws-glue/python-jobs/…`, in a stream named like the run. MiniStack: a Spark job has
succeeded when it was started, a stopped one runs on, one more run is always taken.
In: StartJobRun's arguments. Out: runs, logs. A script that is not there fails its run. It refuses to know Spark: scripts run
through `bin/spark-submit`, which hands over to a real one.
"""

from __future__ import annotations

import contextvars
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import glue

from . import job_logs, patching, processes, sdk

Record = dict[str, Any]
_OPEN = ("STARTING", "RUNNING", "STOPPING")
_TAKEN = ("Timeout", "MaxCapacity", "WorkerType", "NumberOfWorkers", "SecurityConfiguration", "ExecutionClass", "NotificationProperty")


def _start(_: Any) -> Any:
    def start(data: Record) -> Any:
        job = glue._jobs.get(data.get("JobName"))
        if job is None:
            return error_response_json("EntityNotFoundException", f"Job {data.get('JobName')} not found", 400)
        runs = glue._job_runs.setdefault(job["Name"], [])
        most = (job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns", 1)
        if sum(run["JobRunState"] in _OPEN for run in runs) >= most:
            return error_response_json("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {job['Name']}", 400)
        if "MaxCapacity" in data and ("WorkerType" in data or "NumberOfWorkers" in data):
            return error_response_json("InvalidInputException", "Please set only Max Capacity or Worker Type and Number of Workers", 400)
        identifier = f"jr_{new_uuid().replace('-', '')}{new_uuid().replace('-', '')}"
        arguments = {**job.get("DefaultArguments", {}), **data.get("Arguments", {})}
        run = {
            "Id": identifier,
            "Attempt": 0,
            "JobName": job["Name"],
            "StartedOn": time.time(),
            "LastModifiedOn": time.time(),
            "JobRunState": "STARTING",
            "Arguments": data.get("Arguments", {}),
            "PredecessorRuns": [],
            "ExecutionTime": 0,
            "Timeout": job.get("Timeout", 2880),
            "GlueVersion": job.get("GlueVersion", "3.0"),
            "LogGroupName": "/aws-glue/jobs",
        }
        run |= {key: job[key] for key in _TAKEN if job.get(key)} | {key: data[key] for key in _TAKEN if key in data}
        runs.append(run)
        threading.Thread(target=contextvars.copy_context().run, args=(_live, job, run, arguments), daemon=True).start()
        return json_response({"JobRunId": identifier})

    return start


def _live(job: Record, run: Record, arguments: Record) -> None:
    with tempfile.TemporaryDirectory(prefix="glue-") as folder:
        try:
            state, said = _execute(job, run, arguments, Path(folder))
        except (sdk.ApiError, ValueError, OSError) as problem:
            state, said = "FAILED", f"{job['Command'].get('ScriptLocation')}: {problem}"
    run.update(JobRunState=state, CompletedOn=time.time(), LastModifiedOn=time.time())
    run["ExecutionTime"] = int(run["CompletedOn"] - run["StartedOn"])
    if said:
        run["ErrorMessage"] = said


def _execute(job: Record, run: Record, arguments: Record, folder: Path) -> tuple[str, str]:
    command = job["Command"]
    shell = command.get("Name") == "pythonshell"
    given = arguments if shell else {"--JOB_NAME": job["Name"], "--JOB_RUN_ID": run["Id"]} | arguments
    extra = [m for m in given.get("--extra-py-files", "").split(",") if m]
    flat = [part for name, value in given.items() for part in (name, str(value))]
    words, variables = processes.python(command["ScriptLocation"], folder, flat, extra)
    if not shell:
        words = [str(processes.BIN / "spark-submit"), *words[1:]]
    groups = [f"/aws-glue/{'python-jobs' if shell else 'jobs'}/{kind}" for kind in ("output", "error")]
    with (folder / ".out").open("wb") as out, (folder / ".err").open("wb") as err:
        process = processes.start(words, folder, processes.environment(folder) | variables, out, err)
        run["JobRunState"] = "RUNNING"
        limit = time.time() + float(run["Timeout"]) * 60
        while process.poll() is None and run["JobRunState"] == "RUNNING" and time.time() < limit:
            time.sleep(0.02)
        over = process.poll() is None
        if over:
            processes.kill(process)
        processes.ended(process)
    for group, name in zip(groups, (".out", ".err"), strict=True):
        job_logs.create(group)
        job_logs.write(group, run["Id"], (folder / name).read_text(errors="replace").splitlines())
    if over:
        return ("STOPPED", "") if run["JobRunState"] == "STOPPING" else ("TIMEOUT", "Job run timed out")
    if process.returncode != 0:
        last = (folder / ".err").read_text(errors="replace").strip().splitlines()
        return "FAILED", f"Command failed with exit code {process.returncode}" + (f" - {last[-1]}" if last else "")
    return "SUCCEEDED", ""


def _stop(original: Any) -> Any:
    """A run that runs is stopped first, and then is."""

    def stop(data: Record) -> Any:
        found = {run["Id"]: run for run in glue._job_runs.get(data.get("JobName"), [])}
        running = [i for i in data.get("JobRunIds", []) if found.get(i, {}).get("JobRunState") in ("STARTING", "RUNNING")]
        answer = original({**data, "JobRunIds": [i for i in data.get("JobRunIds", []) if i not in running]})
        for identifier in running:
            found[identifier]["JobRunState"] = "STOPPING"
        shown = json_body(answer)
        shown["SuccessfulSubmissions"] += [{"JobName": data["JobName"], "JobRunId": i} for i in running]
        return json_response(shown)

    return stop


def json_body(answer: Any) -> Record:
    """The JSON of a handler's answer."""
    body: Record = json.loads(answer[2])
    return body


def _create(original: Any) -> Any:
    """MiniStack forgets how many runs may run at once."""

    def create(data: Record) -> Any:
        answer = original(data)
        if answer[0] < 400:
            for key in ("ExecutionProperty", "ExecutionClass", "NotificationProperty"):
                if key in data:
                    glue._jobs[data["Name"]][key] = data[key]
        return answer

    return create


def _fields(original: Any) -> Any:
    def fields(props: Record) -> Any:
        return original(props) | {k: props[k] for k in ("ExecutionProperty", "ExecutionClass") if k in props}

    return fields


def install() -> None:
    """Takes over the start and the end of runs."""
    from ministack.services.cloudformation import provisioners

    for name, make in (("_start_job_run", _start), ("_batch_stop_job_run", _stop), ("_create_job", _create)):
        patching.replace(glue, name, make)
    patching.replace(provisioners, "_glue_job_fields", _fields)
    patching.require(glue, "_jobs", "_job_runs")
