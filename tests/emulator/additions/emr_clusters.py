"""EMR: clusters that live, in MiniStack's own store.

AWS: a cluster starts, waits, runs steps and ends; times are epoch seconds; ListClusters filters by creation time and
state, newest first; roles, subnet, security groups and log bucket must exist. MiniStack: a cluster that keeps alive is
WAITING at once, any other TERMINATED; times are text that SDKs refuse; filters are ignored; nothing is looked up.
In: arguments of the EMR API. Out: records in MiniStack's store. It refuses to know how a step runs.
"""

from __future__ import annotations

import copy
import json
import os
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlparse

from ministack.core.responses import error_response_json, json_response
from ministack.services import ec2, emr, iam, s3

from . import models, patching

START_SECONDS = float(os.environ.get("DPC_EMR_START_SECONDS", "0.2"))
ACTIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
Response = tuple[int, dict[str, str], bytes]


class Refused(ValueError):
    """EMR says no: the name of its exception and the sentence."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def checked(operation: str, data: dict[str, Any]) -> None:
    """Refuses arguments that the operation's model does not take."""
    shape = models.service("emr").operation_model(operation).input_shape
    found = models.problems(shape, data)
    if found:
        raise Refused("ValidationException", "; ".join(found))


def now() -> float:
    """The time, as EMR writes it."""
    return round(time.time(), 3)


def create(data: dict[str, Any]) -> dict[str, Any]:
    """Makes a cluster from RunJobFlow's arguments and returns its record."""
    checked("RunJobFlow", data)
    _look_up(data)
    status, _, body = _ORIGINAL["RunJobFlow"](data)
    answer = json.loads(body)
    if status >= 400:
        raise Refused(answer.get("__type", "ValidationException"), answer.get("message", ""))
    record: dict[str, Any] = emr._clusters[answer["JobFlowId"]]
    record["Status"] = {"State": "STARTING", "StateChangeReason": {}, "Timeline": {"CreationDateTime": now()}}
    for kept in ("AutoTerminationPolicy", "SecurityConfiguration", "OSReleaseLabel", "ManagedScalingPolicy"):
        if kept in data:
            record[kept] = copy.deepcopy(data[kept])
    attributes, asked = record["Ec2InstanceAttributes"], data.get("Instances", {})
    attributes["ServiceAccessSecurityGroup"] = asked.get("ServiceAccessSecurityGroup", "")
    record["ReadyAt"] = time.monotonic() + START_SECONDS
    return record


def _look_up(data: dict[str, Any]) -> None:
    """What a cluster names must exist, as on AWS."""
    instances = data.get("Instances", {})
    profile, role = data.get("JobFlowRole", ""), data.get("ServiceRole", "")
    name = profile.rsplit("/", 1)[-1]
    # A profile must bear its role's name: https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-iam-role-for-ec2.html
    if name not in iam._instance_profiles.get(name, {}).get("Roles", []):
        raise Refused("ValidationException", f"Invalid InstanceProfile: {profile}.")
    if role.rsplit("/", 1)[-1] not in iam._roles:
        raise Refused("ValidationException", f"Invalid ServiceRole: {role}.")
    subnet = instances.get("Ec2SubnetId")
    if subnet and subnet not in ec2._subnets:
        raise Refused("ValidationException", f"The subnet ID '{subnet}' does not exist")
    for key in ("EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup", "ServiceAccessSecurityGroup"):
        group = instances.get(key)
        if group and group not in ec2._security_groups:
            raise Refused("ValidationException", f"The security group '{group}' does not exist")
    log_uri = data.get("LogUri")
    if log_uri and urlparse(log_uri).netloc not in s3._buckets:
        raise Refused("ValidationException", f"The log bucket of '{log_uri}' does not exist")


def get(cluster_id: str | None) -> dict[str, Any]:
    """The record of a cluster, brought up to date."""
    record: dict[str, Any] | None = emr._clusters.get(cluster_id)
    if record is None:
        raise Refused("InvalidRequestException", f"Cluster id '{cluster_id}' is not valid.")
    if record["Status"]["State"] == "STARTING" and time.monotonic() >= record.get("ReadyAt", 0):
        set_state(record, "WAITING", "", "Cluster ready to run steps.")
        record["Status"]["Timeline"]["ReadyDateTime"] = now()
    return record


def set_state(record: dict[str, Any], state: str, code: str = "", message: str = "") -> None:
    """Moves a cluster to `state`; from an end it never returns."""
    status = record["Status"]
    if status["State"].startswith("TERMINATED"):
        return
    reason = {"Code": code, "Message": message}
    status.update(State=state, StateChangeReason={k: v for k, v in reason.items() if v})
    if state.startswith("TERMINATED"):
        status["Timeline"]["EndDateTime"] = now()


def public(record: dict[str, Any]) -> dict[str, Any]:
    """A cluster as DescribeCluster shows it: members of the API's shape only."""
    shape = models.service("emr").shape_for("Cluster")
    return copy.deepcopy({k: v for k, v in record.items() if k in shape.members})


def _describe(data: dict[str, Any]) -> Any:
    return {"Cluster": public(get(data.get("ClusterId")))}


def _list(data: dict[str, Any]) -> Any:
    states = data.get("ClusterStates") or []
    after, before = _epoch(data.get("CreatedAfter"), 0.0), _epoch(data.get("CreatedBefore"), float("inf"))
    keys = ("Id", "Name", "Status", "NormalizedInstanceHours", "ClusterArn")
    found = [
        {key: record[key] for key in keys}
        for record in (get(cluster_id) for cluster_id in list(emr._clusters))
        if after <= record["Status"]["Timeline"]["CreationDateTime"] <= before
        and (not states or record["Status"]["State"] in states)
    ]
    found.sort(key=lambda c: c["Status"]["Timeline"]["CreationDateTime"], reverse=True)
    return page("Clusters", found, data)


def page(name: str, items: list[Any], data: dict[str, Any], size: int = 50) -> Any:
    """50 a page, as EMR does; the marker is the index."""
    begin = int(data.get("Marker") or 0)
    more = {"Marker": str(begin + size)} if begin + size < len(items) else {}
    return {name: copy.deepcopy(items[begin : begin + size])} | more


def _epoch(value: Any, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, str):
        return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone(UTC).timestamp()
    return float(value)


_ORIGINAL: dict[str, Any] = {}


def handler(operation: str, answer: Any) -> None:
    """Puts `answer(data)` in the place of MiniStack's handler; arguments are checked, refusals become AWS errors."""

    def make(original: Any) -> Any:
        _ORIGINAL[operation] = original

        def handle(data: dict[str, Any]) -> Response:
            try:
                checked(operation, {k: v for k, v in data.items() if not k.startswith("Created")})
                response: Response = json_response(answer(data))
            except Refused as refusal:
                response = error_response_json(refusal.code, refusal.message, 400)
            return response

        return handle

    patching.replace_item(emr._HANDLERS, operation, "ministack.services.emr._HANDLERS", make)


def _run_job_flow(data: dict[str, Any]) -> Any:
    record = create(data)
    return {"JobFlowId": record["Id"], "ClusterArn": record["ClusterArn"]}


def install() -> None:
    """Takes over the cluster operations of the EMR API."""
    handler("RunJobFlow", _run_job_flow)
    handler("DescribeCluster", _describe)
    handler("ListClusters", _list)
    patching.require(emr, "_clusters", "_steps", "_make_step")
    patching.require(iam, "_instance_profiles", "_roles")
    patching.require(ec2, "_subnets", "_security_groups")
    patching.require(s3, "_buckets")
