"""Our own judge: the generated roles, put to IAM's policy simulator of the emulator.

In: pipeline templates. Out: actions that a state machine takes and its role refuses, and actions that it must not take
and its role allows. What an integration needs is the word of `needs`; logs and traces, of the guide's pages cw-logs and
xray; the roles' policies are the template's. A role that the template does not make is not asked. It refuses to know dpc's code.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from . import needs
from .documents import ACCOUNT, REGION, Finding, Template, definitions, listed, load, report, states, text_of
from .needs import ANY, CLUSTER, Question

EMULATOR = Path(__file__).resolve().parents[2] / "emulator"
LOGS = ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
        "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")  # fmt: skip
TRACES = ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
_ROLES = ("AWS::IAM::Role", "AWS::IAM::InstanceProfile", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")


def needed(template: Template, roles: dict[str, str]) -> Iterator[Question]:
    """What the template's state machine does."""
    for logical, definition in definitions(template):
        properties = template.body["Resources"][logical]["Properties"]
        machine = needs.Machine(pipeline(template), text_of(properties.get("StateMachineName")), roles)
        for _, state in states(definition):
            yield from needs.of(state, machine)
        if properties.get("LoggingConfiguration", {}).get("Level", "OFF") != "OFF":
            yield from (Question(f"logs:{name}", "*") for name in LOGS)
        if properties.get("TracingConfiguration", {}).get("Enabled"):
            yield from (Question(f"xray:{name}", "*") for name in TRACES)


def pipeline(template: Template) -> str:
    """The pipeline's name, as the template says it."""
    return str(template.body["Metadata"]["dpc"]["pipeline"])


def forbidden(roles: dict[str, str]) -> Iterator[Question]:
    """What no pipeline's state machine may do."""
    bucket = f"arn:aws:s3:::dpc-{ACCOUNT}-{REGION}"
    other = {"elasticmapreduce:ResourceTag/dpc-pipeline": "of-somebody-else"}
    role = f"arn:aws:iam::{ACCOUNT}:role/admin"
    yield Question("elasticmapreduce:RunJobFlow", "*")
    yield Question("elasticmapreduce:RunJobFlow", "*", {"elasticmapreduce:RequestTag/dpc-pipeline": "of-somebody-else"})
    for name in ("TerminateJobFlows", "AddJobFlowSteps", "CancelSteps"):
        yield Question(f"elasticmapreduce:{name}", CLUSTER, other)
        yield Question(f"elasticmapreduce:{name}", CLUSTER)
    yield Question("iam:CreateRole", role)
    yield Question("iam:PassRole", role, {"iam:PassedToService": "elasticmapreduce.amazonaws.com"})
    yield Question("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})
    if "ComputeRole" in roles:
        yield Question("iam:PassRole", roles["ComputeRole"], {"iam:PassedToService": "lambda.amazonaws.com"})
    yield Question("s3:DeleteBucket", bucket)
    yield Question("s3:GetObject", f"{bucket}/artifacts/x")
    yield Question("dynamodb:PutItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/dpc-runs")
    yield Question("states:StartExecution", f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:dpc-x")
    yield Question("kms:ScheduleKeyDeletion", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1")


def compute(template: Template) -> tuple[list[Question], list[Question]]:
    """What the compute role needs and what it must not have."""
    name, bucket = pipeline(template), f"arn:aws:s3:::dpc-{ACCOUNT}-{REGION}"
    mine = {"aws:ResourceAccount": ACCOUNT}
    allowed = [
        Question("s3:GetObject", f"{bucket}/artifacts/{name}/a.tar.gz", mine),
        Question("s3:GetObject", f"{bucket}/runner/a.sh", mine),
        Question("s3:PutObject", f"{bucket}/logs/{name}/j-1/steps/s-1/stdout.gz", mine),
    ]
    if "elasticmapreduce:addStep" in json.dumps(template.body):
        runner = f"arn:aws:s3:::{REGION}.elasticmapreduce/libs/script-runner/script-runner.jar"
        allowed.append(Question("s3:GetObject", runner, {"aws:ResourceAccount": "999999999999"}))
    denied = [
        Question("s3:GetObject", f"{bucket}/artifacts/of-somebody-else/a.tar.gz", mine),
        Question("s3:PutObject", f"{bucket}/artifacts/{name}/a.tar.gz", mine),
        Question("s3:PutObject", f"{bucket}/runner/a.sh", mine),
        Question("s3:PutObject", f"{bucket}/logs/of-somebody-else/x", mine),
        Question("s3:GetObject", f"{bucket}/runner/a.sh", {"aws:ResourceAccount": "999999999999"}),
        Question("s3:DeleteBucket", bucket, mine),
        Question("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
        Question("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
        Question("elasticmapreduce:RunJobFlow", "*", {"elasticmapreduce:RequestTag/dpc-pipeline": name}),
        Question("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/dpc-runs"),
    ]
    return allowed, denied


def stubbed(value: Any, kept: set[str]) -> Any:
    """`value` with an ARN in place of each attribute of a resource that is not deployed with the roles."""
    if isinstance(value, list):
        return [stubbed(inner, kept) for inner in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Fn::GetAtt": [name, _]} if name not in kept:
            return f"arn:aws:any:{REGION}:{ACCOUNT}:{name}"
        case {"Fn::Sub": str(text)}:
            return {"Fn::Sub": re.sub(r"\$\{(\w+)\.\w+\}", lambda m: m[0] if m[1] in kept else f"arn:aws:any:{REGION}:{ACCOUNT}:{m[1]}", text)}
    return {key: stubbed(inner, kept) for key, inner in value.items()}


class Account:
    """An account of the emulator that deploys a template's roles and answers questions about them."""

    def __init__(self, endpoint: str) -> None:
        def client(service: str) -> Any:
            return botocore.session.get_session().create_client(
                service, region_name=REGION, endpoint_url=endpoint, aws_access_key_id=ACCOUNT, aws_secret_access_key="x",
                config=Config(retries={"max_attempts": 1}),
            )  # fmt: skip

        self.iam, self.cloudformation = client("iam"), client("cloudformation")

    def deploy(self, template: Template) -> dict[str, str]:
        """ARNs of the template's roles, by logical id."""
        kept = {n: dict(r) for n, r in template.body["Resources"].items() if r["Type"] in _ROLES}
        for resource in kept.values():
            resource.pop("DependsOn", None)
            # A boundary is the organisation's, and not in this account: without it, the role's own policies answer.
            resource["Properties"] = {k: v for k, v in resource["Properties"].items() if k != "PermissionsBoundary"}
        kept = {name: stubbed(resource, set(kept)) for name, resource in kept.items()}
        stack = "judged-" + re.sub(r"\W", "-", template.name)
        body = json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": kept})
        self.cloudformation.create_stack(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        self.cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        found = self.cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        names = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found if r["ResourceType"] == "AWS::IAM::Role"}
        return {logical: self.iam.get_role(RoleName=name)["Role"]["Arn"] for logical, name in names.items()}

    def allows(self, role: str, question: Question) -> bool:
        """What SimulatePrincipalPolicy says; about ANY, of each resource that the role names for the action."""
        if question.resource == ANY:
            candidates = self.named(role.rpartition("/")[2], question.action)
            return any(self.allows(role, Question(question.action, c, question.keys)) for c in candidates)
        keys = [{"ContextKeyName": k, "ContextKeyValues": [v], "ContextKeyType": "string"} for k, v in question.keys.items()]
        source = re.sub(r":role/.*/", ":role/", role)  # the emulator finds roles by their name, whatever their path
        answer = self.iam.simulate_principal_policy(
            PolicySourceArn=source, ActionNames=[question.action], ResourceArns=[question.resource], ContextEntries=keys
        )
        return bool(answer["EvaluationResults"][0]["EvalDecision"] == "allowed")


    def named(self, role: str, action: str) -> list[str]:
        """The resources of the role's statements that allow an action."""
        found: list[str] = []
        for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for statement in listed(document["Statement"]):
                taken = [a.lower() for a in listed(statement.get("Action", []))]
                if statement["Effect"] == "Allow" and any(fnmatch.fnmatchcase(action.lower(), a) for a in taken):
                    found += [str(r) for r in listed(statement["Resource"])]
        return found


def judge_template(account: Account, template: Template) -> Iterator[Finding]:
    """Both roles of a pipeline."""
    roles = account.deploy(template)
    allowed, denied = compute(template)
    asked = [
        ("StateMachineRole", list(needed(template, roles)), list(forbidden(roles))),
        ("ComputeRole", allowed, denied),
    ]
    for logical, must, must_not in asked:
        if logical not in roles:
            continue
        for question in must:
            if not account.allows(roles[logical], question):
                yield Finding("simulate", template.name, "refused", logical, f"needs {question}")
        for question in must_not:
            if account.allows(roles[logical], question):
                yield Finding("simulate", template.name, "allowed", logical, f"must not {question}")


def judge(paths: list[str]) -> list[Finding]:
    """All templates with a state machine, in one emulator."""
    pipelines = [t for t in load(paths) if any(t.resources("AWS::StepFunctions::StateMachine"))]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([EMULATOR / "start", folder], check=True)
        try:
            account = Account(f"http://127.0.0.1:{Path(folder, 'port').read_text().strip()}")
            return [finding for template in pipelines for finding in judge_template(account, template)]
        finally:
            subprocess.run([EMULATOR / "stop", folder], check=True)


if __name__ == "__main__":
    report(judge([path for path in sys.argv[1:] if path.endswith(".json")]))
