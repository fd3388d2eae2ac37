"""EMR Serverless: applications, by API and by template.

AWS: https://docs.aws.amazon.com/emr-serverless/latest/APIReference/: an application is CREATED, started by its first job run, and
neither stopped nor deleted while one runs. MiniStack: has no such service.
In: the API's arguments, AWS::EMRServerless::Application. Out: records of applications. It refuses to know how a job runs.
"""

from __future__ import annotations

import copy
import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region, new_uuid
from ministack.services import ec2

from . import patching, sdk, services
from . import cloudformation_jobs as cloudformation
from .services import Refused

OPEN = ("SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING", "QUEUED")
APPLICATIONS, RUNS = AccountRegionScopedDict(), AccountRegionScopedDict()
Record = dict[str, Any]


def arn(rest: str) -> str:
    """The ARN of an application, or of what belongs to one."""
    return f"arn:aws:emr-serverless:{get_region()}:{get_account_id()}:/applications/{rest}"


def now() -> float:
    """The time, as the API writes it."""
    return round(time.time(), 3)


# ---- applications


def _create_application(data: Record) -> Record:
    for subnet in data.get("networkConfiguration", {}).get("subnetIds", []):
        if subnet not in ec2._subnets:
            raise Refused("ValidationException", f"Subnet {subnet} does not exist")
    identifier = f"00f{new_uuid().replace('-', '')[:13]}"
    record = {k: v for k, v in data.items() if k != "clientToken"} | {
        "applicationId": identifier,
        "arn": arn(identifier),
        "state": "CREATED",
        "createdAt": now(),
        "updatedAt": now(),
    }
    record.setdefault("architecture", "X86_64")
    record.setdefault("autoStartConfiguration", {"enabled": True})
    record.setdefault("autoStopConfiguration", {"enabled": True, "idleTimeoutMinutes": 15})
    record["type"] = record["type"].capitalize()
    APPLICATIONS[identifier] = record
    return {"applicationId": identifier, "name": record.get("name"), "arn": record["arn"]}


def application(data: Record) -> Record:
    """The record of the application that the arguments name."""
    record: Record | None = APPLICATIONS.get(data["applicationId"])
    if record is None or record["state"] == "TERMINATED":
        raise Refused("ResourceNotFoundException", f"Application {data['applicationId']} does not exist")
    return record


def _state(state: str, *refused: str) -> services.Operation:
    """The operation that moves an application to `state`, unless a job run of it is in one of `refused`."""

    def act(data: Record) -> Record:
        record = application(data)
        if any(run["applicationId"] == record["applicationId"] and run["state"] in OPEN for run in RUNS.values()) and refused:
            raise Refused("ValidationException", f"Application {record['applicationId']} has job runs that have not ended")
        record.update(state=state, updatedAt=now())
        return {}

    return act


def _update_application(data: Record) -> Record:
    record = application(data)
    record.update({k: v for k, v in data.items() if k not in ("applicationId", "clientToken")}, updatedAt=now())
    return {"application": copy.deepcopy(record)}


def _list_applications(data: Record) -> Record:
    keys = ("arn", "name", "releaseLabel", "type", "state", "createdAt", "updatedAt", "architecture")
    wanted = data.get("states")
    return {
        "applications": [
            {k: r[k] for k in keys if k in r} | {"id": r["applicationId"]}
            for r in APPLICATIONS.values()
            if (r["state"] in wanted if wanted else r["state"] != "TERMINATED")
        ]
    }


# ---- templates


def _properties(props: Record) -> Record:
    """CloudFormation's lists of keys and values are the API's maps."""
    made = dict(props)
    for key in ("InitialCapacity", "WorkerTypeSpecifications", "Tags"):
        if isinstance(made.get(key), list):
            made[key] = {entry["Key"]: entry["Value"] for entry in made[key]}
    return made


def _made(logical: str, props: Record, stack: str) -> cloudformation.Made:
    def handler(data: Record) -> services.Response:
        return services.answer("emr-serverless", "CreateApplication", _create_application, data)

    given = _properties({"Name": f"{stack}-{logical}"} | props)
    answer = cloudformation.call("emr-serverless", "CreateApplication", handler, given, "AWS::EMRServerless::Application")
    return answer["applicationId"], {"ApplicationId": answer["applicationId"], "Arn": answer["arn"]}


def _changed(physical: str, _: Record, new: Record, __: str, logical_id: str | None = None) -> cloudformation.Made:
    shape = sdk.operation("emr-serverless", "CreateApplication").input_shape
    record = APPLICATIONS[physical]
    record.update(sdk.to_api(shape, cloudformation.typed(shape, _properties(new))), updatedAt=now())
    return physical, {"ApplicationId": physical, "Arn": record["arn"]}


def _gone(physical: str, _: Record) -> None:
    record = APPLICATIONS.get(physical)
    if record:
        record["state"] = "TERMINATED"


OPERATIONS: dict[str, services.Operation] = {
    "CreateApplication": _create_application,
    "GetApplication": lambda data: {"application": copy.deepcopy(application(data))},
    "UpdateApplication": _update_application,
    "ListApplications": _list_applications,
    "StartApplication": _state("STARTED"),
    "StopApplication": _state("STOPPED", "open runs"),
    "DeleteApplication": _state("TERMINATED", "open runs"),
}


def install() -> None:
    """Adds the resource type; `emr_serverless_runs` serves the API."""
    patching.require(ec2, "_subnets")
    cloudformation.resource("AWS::EMRServerless::Application", _made, _gone, _changed)
    cloudformation.replaces("AWS::EMRServerless::Application", "Name", "Type")
