"""The yardstick of `benches/latency`: the same case study without dpc, as people write it by hand.

In: a function that gives a client for an account. Out: three pipelines in three accounts and a state machine in a fourth that keeps a
set of who is done, and tells everybody once the set is complete. It refuses what dpc is about: partitions, reruns, duplicates, owners.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

REGION = "eu-central-1"
CENTRAL, ACCOUNTS = "900000000000", {"one": "900000000001", "two": "900000000002", "last": "900000000003"}
BUS = f"arn:aws:events:{REGION}:{CENTRAL}:event-bus/chain"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
STATUS = "Step Functions Execution Status Change"

Resources = dict[str, Any]
Clients = Callable[[str, str], Any]


def _role(name: str) -> Resources:
    services = {"Service": ["states.amazonaws.com", "events.amazonaws.com"]}
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": services, "Action": "sts:AssumeRole"}]}
    policy = {"PolicyName": "p", "PolicyDocument": EVERYTHING}
    return {"Type": "AWS::IAM::Role", "Properties": {"RoleName": name, "AssumeRolePolicyDocument": trust, "Policies": [policy]}}


def _machine(name: str, start: str, states: Resources) -> Resources:
    definition = {"QueryLanguage": "JSONata", "StartAt": start, "States": states}
    properties = {"StateMachineName": name, "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "Definition": definition}
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}


def _rule(pattern: Resources, target: Any, bus: str = "default") -> Resources:
    targets = [{"Id": "t", "Arn": target, "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}]
    properties = {"EventBusName": bus, "EventPattern": pattern, "Targets": targets}
    return {"Type": "AWS::Events::Rule", "Properties": properties}


def _open(bus: str, account: str, accounts: list[str]) -> Resources:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{a}:root" for a in accounts]},
        "Action": "events:PutEvents",
        "Resource": f"arn:aws:events:{REGION}:{account}:event-bus/{bus}",
    }
    properties = {"EventBusName": bus, "StatementId": "chain", "Statement": statement}
    return {"Type": "AWS::Events::EventBusPolicy", "Properties": properties}


def _pipeline(name: str) -> Resources:
    work = {
        "work": {"Type": "Pass", "Output": {"in": "{% $states.input %}"}, "Next": "more"},
        "more": {"Type": "Pass", "Output": {"by": "{% $states.context.StateMachine.Name %}"}, "End": True},
    }
    pattern = {"source": ["aws.states"], "detail-type": [STATUS], "detail": {"stateMachineArn": [{"Ref": "Machine"}]}}
    told = {"source": ["chain.central"], "detail": {"pipeline": [name]}}
    return {
        "Role": _role(f"chain-{name}"),
        "Machine": _machine(f"chain-{name}", "work", work),
        "Tell": _rule(pattern, BUS),
        "Start": _rule(told, {"Ref": "Machine"}),
        "Policy": _open("default", ACCOUNTS[name], [CENTRAL]),
    }


def _orchestrator() -> Resources:
    put = {
        "TableName": "chain-runs",
        "Item": {"id": {"S": "{% $states.input.detail.executionArn %}"}, "status": {"S": "{% $states.input.detail.status %}"}},
    }
    add = {
        "TableName": "chain-done",
        "Key": {"id": {"S": "last"}},
        "UpdateExpression": "ADD done :d",
        "ExpressionAttributeValues": {":d": {"SS": ["{% $pipeline %}"]}},
        "ReturnValues": "ALL_NEW",
    }
    forget = {"TableName": "chain-done", "Key": {"id": {"S": "last"}}, "UpdateExpression": "REMOVE done"}
    entry = {"Source": "chain.central", "DetailType": "complete", "EventBusName": "chain", "Detail": {"pipeline": "last"}}
    name = "{% $split($states.input.detail.stateMachineArn, ':')[-1] %}"
    complete = {"Condition": "{% $count($done) = 2 %}", "Next": "forget"}
    return {
        "log": {
            "Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "Arguments": put, "Assign": {"pipeline": name},
            "Next": "mark",
        },
        "mark": {
            "Type": "Task", "Resource": "arn:aws:states:::dynamodb:updateItem", "Arguments": add,
            "Assign": {"done": "{% [$states.result.Attributes.done.SS] %}"}, "Next": "complete?",
        },
        "complete?": {"Type": "Choice", "Choices": [complete], "Default": "wait"},
        "forget": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:updateItem", "Arguments": forget, "Next": "tell"},
        "tell": {"Type": "Task", "Resource": "arn:aws:states:::events:putEvents", "Arguments": {"Entries": [entry]}, "End": True},
        "wait": {"Type": "Succeed"},
    }  # fmt: skip


def _table(name: str) -> Resources:
    properties = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    }
    return {"Type": "AWS::DynamoDB::Table", "Properties": properties}


def _central() -> Resources:
    finished = {"source": ["aws.states"], "detail-type": [STATUS], "detail": {"status": ["SUCCEEDED"]}}
    last = f"arn:aws:events:{REGION}:{ACCOUNTS['last']}:event-bus/default"
    return {
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "chain"}},
        "Policy": _open("chain", CENTRAL, list(ACCOUNTS.values())) | {"DependsOn": "Bus"},
        "Runs": _table("chain-runs"),
        "Done": _table("chain-done"),
        "Role": _role("chain-central"),
        "Machine": _machine("chain-central", "log", _orchestrator()),
        "Finished": _rule(finished | {"account": [ACCOUNTS["one"], ACCOUNTS["two"]]}, {"Ref": "Machine"}, "chain") | {"DependsOn": "Bus"},
        "Broadcast": _rule({"source": ["chain.central"]}, last, "chain") | {"DependsOn": "Bus"},
    }


def deploy(client: Clients) -> None:
    """Makes all stacks."""
    stacks = [(CENTRAL, _central()), *((account, _pipeline(name)) for name, account in ACCOUNTS.items())]
    for account, resources in stacks:
        cloudformation = client("cloudformation", account)
        body = json.dumps({"Resources": resources})
        cloudformation.create_stack(StackName="chain", TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        while (state := cloudformation.describe_stacks(StackName="chain")["Stacks"][0]["StackStatus"]) == "CREATE_IN_PROGRESS":
            time.sleep(0.02)
        if state != "CREATE_COMPLETE":
            raise RuntimeError(f"the chain in {account} is {state}")


def _ended(sfn: Any, arn: str) -> dict[str, Any]:
    while (found := sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.005)
    return dict(found)


def measure(client: Clients) -> dict[str, float]:
    """One round: the first pipeline, then the second; when the last one has started, in seconds."""
    began, ends = time.time(), []
    for name in ("one", "two"):
        sfn = client("stepfunctions", ACCOUNTS[name])
        machine = f"arn:aws:states:{REGION}:{ACCOUNTS[name]}:stateMachine:chain-{name}"
        ends.append(_ended(sfn, sfn.start_execution(stateMachineArn=machine)["executionArn"]))
    sfn = client("stepfunctions", ACCOUNTS["last"])
    machine = f"arn:aws:states:{REGION}:{ACCOUNTS['last']}:stateMachine:chain-last"
    while True:
        started = [e["startDate"].timestamp() for e in sfn.list_executions(stateMachineArn=machine)["executions"]]
        if started and max(started) > began:
            break
        time.sleep(0.005)
    last = ends[-1]
    return {
        "total": max(started) - began,
        "from the start of the last upstream run": max(started) - last["startDate"].timestamp(),
        "from its end": max(started) - last["stopDate"].timestamp(),
    }
