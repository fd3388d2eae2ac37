"""Step Functions: `emr-serverless:startJobRun`, `glue:startJobRun` and `batch:submitJob`, with `.sync`.

AWS: the pages connect-emr-serverless, connect-glue and connect-batch of the developer guide, and their IAM pages: `.sync` ends with
the job's description in PascalCase, a job that ended badly is States.TaskFailed with that description as cause, an abort ends
the job. That `emr-serverless:startJobRun.sync` yields the whole job run is a guess: the guide says no difference to the API's answer.
MiniStack: has none of them.
In: arguments. Out: descriptions. It refuses to know how a job runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import batch as batch_store
from ministack.services import glue as glue_store

from . import integrations, sdk
from .integrations import Integration, Needs, register
from .integrations_simple import managed_rule
from .scope import Scope

Record = dict[str, Any]


def _where(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{rest}"


def _ended(look: Callable[[Record], Record], state: str, good: str, bad: set[str]) -> Any:
    """A wait for the end of what `look` describes."""

    def wait(submitted: Any, scope: Scope, given: Record, _: str) -> Any:
        def done() -> Any:
            found = look(submitted | {k: v for k, v in given.items() if k not in submitted})
            return found if found[state] in {good} | bad else None

        description = integrations.until(scope, done)
        if description[state] != good:
            raise integrations.task_failed(description)
        return description

    return wait


def _tags(action: str, resource: str, given: Record) -> Needs:
    for key, value in (given.get("Tags") or {}).items():
        yield action, resource, {f"aws__RequestTag/{key}": value}


# ---- emr-serverless


def _serverless_needs(given: Record, pattern: str) -> Needs:
    application = _where("emr-serverless", f"/applications/{given['ApplicationId']}")
    yield "emr-serverless:StartJobRun", application, {}
    yield "iam:PassRole", given["ExecutionRoleArn"], {"iam__PassedToService": "emr-serverless.amazonaws.com"}
    yield from _tags("emr-serverless:TagResource", f"{application}/jobruns/0", given)
    if pattern == ".sync":
        yield "emr-serverless:GetJobRun", f"{application}/jobruns/0", {}
        yield "emr-serverless:CancelJobRun", f"{application}/jobruns/0", {}
        yield from managed_rule("StepFunctionsGetEventsForEMRServerlessJobRule")


def _serverless_run(found: Record) -> Record:
    named = {"ApplicationId": found["ApplicationId"], "JobRunId": found["JobRunId"]}
    run: Record = sdk.call("emr-serverless", "GetJobRun", named, millis=True)["JobRun"]
    return run


def _serverless_cancel(submitted: Any, _: Record) -> None:
    sdk.call("emr-serverless", "CancelJobRun", {"ApplicationId": submitted["ApplicationId"], "JobRunId": submitted["JobRunId"]})


# ---- glue


def _glue_needs(given: Record, pattern: str) -> Needs:
    job = _where("glue", f"job/{given['JobName']}")
    yield "glue:StartJobRun", job, {}
    if pattern == ".sync":
        for action in ("GetJobRun", "GetJobRuns", "BatchStopJobRun"):
            yield f"glue:{action}", job, {}


def _glue_run(found: Record) -> Record:
    run: Record = sdk.call("glue", "GetJobRun", {"JobName": found["JobName"], "RunId": found["JobRunId"]}, millis=True)["JobRun"]
    return run


def _glue_cancel(submitted: Any, given: Record) -> None:
    if submitted["JobRunId"] in {r["Id"] for r in glue_store._job_runs.get(given["JobName"], [])}:
        sdk.call("glue", "BatchStopJobRun", {"JobName": given["JobName"], "JobRunIds": [submitted["JobRunId"]]})


# ---- batch


def _batch_needs(given: Record, pattern: str) -> Needs:
    queue, definition = given["JobQueue"], given["JobDefinition"]
    queue_arn = queue if queue.startswith("arn:") else _where("batch", f"job-queue/{queue}")
    revisions = batch_store._job_definitions.get(definition.partition(":")[0], [])
    newest = f"{definition}:{len(revisions)}" if ":" not in definition else definition
    definition_arn = definition if definition.startswith("arn:") else _where("batch", f"job-definition/{newest}")
    yield "batch:SubmitJob", queue_arn, {}
    yield "batch:SubmitJob", definition_arn, {}
    yield from _tags("batch:TagResource", _where("batch", "job/0"), given)
    if pattern == ".sync":
        yield "batch:DescribeJobs", "*", {}
        yield "batch:TerminateJob", _where("batch", "job/0"), {}
        yield from managed_rule("StepFunctionsGetEventsForBatchJobsRule")


def _batch_job(found: Record) -> Record:
    job: Record = sdk.call("batch", "DescribeJobs", {"Jobs": [found["JobId"]]}, millis=True)["Jobs"][0]
    return job


def _marked(given: Record) -> Record:
    """Step Functions says in a job's environment who started it."""
    overrides = given.get("ContainerOverrides", {})
    mine = {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
    if not isinstance(overrides, dict) or not isinstance(overrides.get("Environment", []), list):
        return given
    return given | {"ContainerOverrides": overrides | {"Environment": [mine, *overrides.get("Environment", [])]}}


def _batch_cancel(submitted: Any, _: Record) -> None:
    sdk.call("batch", "TerminateJob", {"JobId": submitted["JobId"], "Reason": "The execution or the state was stopped"})


def install() -> None:
    """Registers the three."""
    register(
        Integration(
            "emr-serverless:startJobRun", "emr-serverless", "StartJobRun", "EMRServerless", "AWSEMRServerlessException",
            patterns=("", ".sync"), token=False, needs=_serverless_needs, cancel=_serverless_cancel,
            wait=_ended(_serverless_run, "State", "SUCCESS", {"FAILED", "CANCELLED"}),
        )
    )  # fmt: skip
    register(
        Integration(
            "glue:startJobRun", "glue", "StartJobRun", "Glue", "AWSGlueException", patterns=("", ".sync"), token=False,
            needs=_glue_needs, cancel=_glue_cancel,
            wait=_ended(_glue_run, "JobRunState", "SUCCEEDED", {"FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}),
        )
    )  # fmt: skip
    register(
        Integration(
            "batch:submitJob", "batch", "SubmitJob", "Batch", "AWSBatchException", patterns=("", ".sync"), token=False,
            needs=_batch_needs, before=_marked, cancel=_batch_cancel,
            wait=_ended(_batch_job, "Status", "SUCCEEDED", {"FAILED"}),
        )
    )  # fmt: skip
