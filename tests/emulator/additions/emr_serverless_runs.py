"""EMR Serverless: job runs that really run.

AWS: a job run fetches its entry point, py-files and archives and runs spark-submit; its driver's output is
`<logUri>/applications/<id>/jobs/<run>/SPARK_DRIVER/stdout.gz`, or a stream of that name in CloudWatch Logs; it is SUCCESS, FAILED or
CANCELLED. MiniStack: has no such service.
In: the API's arguments. Out: job runs whose program runs on this machine, through `bin/spark-submit`. It refuses to know
workers and capacity: one process is the driver and all its executors.
"""

from __future__ import annotations

import contextvars
import copy
import gzip
import os
import shlex
import tarfile
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from ministack.core.responses import get_account_id, new_uuid
from ministack.services import iam

from . import emr_serverless as apps
from . import job_logs, patching, processes, sdk, services
from .services import Refused

START_SECONDS = float(os.environ.get("DPC_EMR_SERVERLESS_START_SECONDS", "0.05"))
Record = dict[str, Any]


def _start_job_run(data: Record) -> Record:
    application = apps.application(data)
    token = data.get("clientToken")
    for run in apps.RUNS.values():
        if token and run["_token"] == token:
            return {"applicationId": run["applicationId"], "jobRunId": run["jobRunId"], "arn": run["arn"]}
    if application["state"] not in ("STARTED", "STARTING") and not application["autoStartConfiguration"].get("enabled"):
        raise Refused("ValidationException", f"Application {application['applicationId']} is not started")
    role = data["executionRoleArn"]
    if role.rsplit("/", 1)[-1] not in iam._roles:
        raise Refused("ValidationException", f"Role {role} does not exist")
    if "sparkSubmit" not in data.get("jobDriver", {}):
        raise Refused("ValidationException", "the emulator runs jobDriver.sparkSubmit")
    identifier = f"00f{new_uuid().replace('-', '')[:13]}"
    run = {k: copy.deepcopy(data[k]) for k in ("name", "jobDriver", "configurationOverrides", "tags", "mode", "retryPolicy") if k in data} | {
        "applicationId": application["applicationId"],
        "jobRunId": identifier,
        "arn": apps.arn(f"{application['applicationId']}/jobruns/{identifier}"),
        "createdBy": f"arn:aws:iam::{get_account_id()}:root",
        "createdAt": apps.now(),
        "updatedAt": apps.now(),
        "executionRole": role,
        "state": "SUBMITTED",
        "stateDetails": "",
        "releaseLabel": application["releaseLabel"],
        "executionTimeoutMinutes": data.get("executionTimeoutMinutes", 720),
        "attempt": 1,
        "_token": token,
    }
    apps.RUNS[identifier] = run
    application["state"] = "STARTED"
    threading.Thread(target=contextvars.copy_context().run, args=(_live, run), daemon=True).start()
    return {"applicationId": run["applicationId"], "jobRunId": identifier, "arn": run["arn"]}


def _run_of(data: Record) -> Record:
    apps.application(data)
    run: Record | None = apps.RUNS.get(data["jobRunId"])
    if run is None or run["applicationId"] != data["applicationId"]:
        raise Refused("ResourceNotFoundException", f"JobRun {data['jobRunId']} does not exist")
    return run


def _public(run: Record) -> Record:
    return copy.deepcopy({k: v for k, v in run.items() if not k.startswith("_")})


def _list_job_runs(data: Record) -> Record:
    apps.application(data)
    keys = sdk.models.service("emr-serverless").shape_for("JobRunSummary").members
    begin, size = int(data.get("nextToken") or 0), data.get("maxResults", 50)
    found = [
        {k: v for k, v in _public(run).items() if k in keys} | {"id": run["jobRunId"], "type": "Spark"}
        for run in sorted(apps.RUNS.values(), key=lambda r: -r["createdAt"])
        if run["applicationId"] == data["applicationId"] and (not data.get("states") or run["state"] in data["states"])
    ]
    more = {"nextToken": str(begin + size)} if begin + size < len(found) else {}
    return {"jobRuns": found[begin : begin + size]} | more


def _cancel_job_run(data: Record) -> Record:
    run = _run_of(data)
    if run["state"] in apps.OPEN:
        run.update(state="CANCELLING", updatedAt=apps.now())
    return {"applicationId": run["applicationId"], "jobRunId": run["jobRunId"]}


def _end(run: Record, state: str, details: str) -> None:
    run.update(state=state, stateDetails=details, updatedAt=apps.now(), endedAt=apps.now())
    run["totalExecutionDurationSeconds"] = int(run["endedAt"] - run.get("startedAt", run["endedAt"]))


def _live(run: Record) -> None:
    """Fetches, runs, keeps the logs, writes the end."""
    time.sleep(START_SECONDS)
    with tempfile.TemporaryDirectory(prefix=f"emrs-{run['jobRunId']}-") as folder:
        try:
            state, details = _execute(run, Path(folder))
        except (sdk.ApiError, ValueError, OSError) as problem:
            state, details = "FAILED", f"Job failed, please check complete logs in configured logging destination. {problem}"
            (Path(folder) / "stderr").write_text(f"{problem}\n")
        _keep_logs(run, Path(folder))
    _end(run, state, details)


def _execute(run: Record, folder: Path) -> tuple[str, str]:
    work = folder / "work"
    work.mkdir()
    command = _command(run["jobDriver"]["sparkSubmit"], work, _defaults(run))
    limit = run["executionTimeoutMinutes"] * 60 or float("inf")
    variables = processes.environment(folder) | {"EMR_SERVERLESS_APPLICATION_ID": run["applicationId"], "EMR_SERVERLESS_JOB_RUN_ID": run["jobRunId"]}
    variables |= _driver_environment(command)
    if run["state"] == "CANCELLING":
        return "CANCELLED", "JobRun cancelled by user"
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = processes.start(command, work, variables, out, err)
        run.update(state="RUNNING", startedAt=apps.now(), updatedAt=apps.now())
        while process.poll() is None and run["state"] == "RUNNING" and apps.now() - run["startedAt"] < limit:
            time.sleep(0.02)
        over = process.poll() is None
        if over:
            processes.kill(process)
        processes.ended(process)
    if run["state"] == "CANCELLING":
        return "CANCELLED", "JobRun cancelled by user"
    if over:
        return "FAILED", f"Job run timed out after {run['executionTimeoutMinutes']} minutes"
    if process.returncode != 0:
        return "FAILED", f"Job failed, please check complete logs in configured logging destination. ExitCode: {process.returncode}."
    return "SUCCESS", ""


def _driver_environment(command: list[str]) -> dict[str, str]:
    """Variables that `--conf spark.emr-serverless.driverEnv.NAME=value` sets."""
    prefix = "spark.emr-serverless.driverEnv."
    return dict(part.removeprefix(prefix).split("=", 1) for part in command if part.startswith(prefix) and "=" in part)


def _defaults(run: Record) -> list[str]:
    """The properties of `spark-defaults` that the run overrides, as options; those of the driver win."""
    overrides = run.get("configurationOverrides", {}).get("applicationConfiguration", [])
    given = [c.get("properties", {}) for c in overrides if c["classification"] == "spark-defaults"]
    return [word for properties in given for key, value in properties.items() for word in ("--conf", f"{key}={value}")]


def _command(driver: Record, work: Path, defaults: list[str]) -> list[str]:
    """spark-submit with everything that is in S3 beside it."""
    options = defaults + shlex.split(driver.get("sparkSubmitParameters", ""))
    given: list[str] = []
    while options:
        name, equals, value = options.pop(0).partition("=")
        value = value if equals else (options.pop(0) if options else "")
        key, _, archives = value.partition("=")
        if name in ("--py-files", "--files"):
            value = ",".join(_local(uri, work) for uri in value.split(","))
        elif name == "--archives":
            _unpack(value, work)
            continue
        elif name == "--conf" and key in ("spark.archives", "spark.submit.pyFiles"):
            if key == "spark.archives":
                _unpack(archives, work)
                continue
            name, value = "--py-files", ",".join(_local(uri, work) for uri in archives.split(","))
        given += [name, value]
    return [str(processes.BIN / "spark-submit"), *given, _local(driver["entryPoint"], work), *driver.get("entryPointArguments", [])]


def _local(uri: str, work: Path) -> str:
    if not uri.startswith("s3:"):
        return uri.removeprefix("local://")
    path = work / uri.rsplit("/", 1)[-1]
    path.write_bytes(processes.fetch(uri))
    return str(path)


def _unpack(archives: str, work: Path) -> None:
    for archive in archives.split(","):
        uri, _, alias = archive.partition("#")
        target = work / (alias or uri.rsplit("/", 1)[-1])
        packed = Path(_local(uri, work)).rename(work / f".{new_uuid()}")
        if zipfile.is_zipfile(packed):
            zipfile.ZipFile(packed).extractall(target)
        else:
            with tarfile.open(packed) as tar:
                tar.extractall(target, filter="data")


def _keep_logs(run: Record, folder: Path) -> None:
    """The driver's two logs, where the run's or its application's monitoring says."""
    application = apps.APPLICATIONS.get(run["applicationId"]) or {}
    monitoring = run.get("configurationOverrides", {}).get("monitoringConfiguration") or application.get("monitoringConfiguration") or {}
    name = f"applications/{run['applicationId']}/jobs/{run['jobRunId']}/SPARK_DRIVER"
    uri = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
    watch = monitoring.get("cloudWatchLoggingConfiguration", {})
    for kind in ("stdout", "stderr"):
        path = folder / kind
        content = path.read_bytes() if path.exists() else b""
        if uri:
            try:
                processes.store(f"{uri.rstrip('/')}/{name}/{kind}.gz", gzip.compress(content, mtime=0))
            except sdk.ApiError as problem:
                iam.logger.warning("EMR Serverless log %s: %s", uri, problem)
        if watch.get("enabled"):
            prefix = watch.get("logStreamNamePrefix")
            stream = f"{prefix}/{name}/{kind}" if prefix else f"{name}/{kind}"
            job_logs.write(watch.get("logGroupName", "/aws/emr-serverless"), stream, content.decode(errors="replace").splitlines())


def install() -> None:
    """Serves the API."""
    patching.require(iam, "_roles")
    services.serve(
        "emr-serverless",
        apps.OPERATIONS
        | {
            "StartJobRun": _start_job_run,
            "GetJobRun": lambda data: {"jobRun": _public(_run_of(data))},
            "ListJobRuns": _list_job_runs,
            "CancelJobRun": _cancel_job_run,
        },
    )
