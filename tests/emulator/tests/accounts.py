"""Stacks and functions of several accounts, for the tests of what goes between them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from .emulated import REGION, client, eventually, role

# A function that keeps what it is called with, and does what its event asks for.
CODE = """
import botocore.session, functools, json, os, time
session = botocore.session.get_session()
@functools.cache
def make(service, **more):
    return session.create_client(
        service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="eu-central-1", **more)
def handler(event, context):
    failures = []
    for record in event.get("Records", [event]):
        body = json.loads(record["body"]) if "body" in record else record
        said = body.get("detail", body)
        key = f"{time.time():.6f} {record.get('messageId', '')}"
        make("dynamodb").put_item(TableName="seen", Item={"k": {"S": key}, "e": {"S": json.dumps(body)}})
        if said.get("raise"):
            raise ValueError("as asked")
        if said.get("fail"):
            failures.append({"itemIdentifier": record["messageId"]})
        if "put" in said:
            return make("events").put_events(Entries=[said["put"]])
        if "read" in said:
            taken = make("sts").assume_role(RoleArn=said["read"]["role"], RoleSessionName="some")["Credentials"]
            table = make("dynamodb", aws_access_key_id=taken["AccessKeyId"], aws_secret_access_key=taken["SecretAccessKey"],
                         aws_session_token=taken["SessionToken"])
            return getattr(table, said["read"].get("call", "get_item"))(TableName=said["read"]["table"], **said["read"]["more"])
    return {"batchItemFailures": failures}
"""


def arn(service: str, account: str, resource: str) -> str:
    """An ARN of the one region."""
    return f"arn:aws:{service}:{REGION}:{account}:{resource}"


def deploy(account: str, name: str, resources: dict[str, Any]) -> str:
    """Creates a stack; the state that it ends in, with the reason."""
    stacks = client("cloudformation", account)
    body = json.dumps({"Resources": resources})
    stacks.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])

    def look() -> Any:
        found = stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return not found.endswith("IN_PROGRESS") and found

    state = str(eventually(look))
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    return " ".join([state, *reasons])


def function(account: str, name: str = "door", role_name: str = "any", allowed: tuple[str, ...] = ("*",), seconds: int = 3) -> str:
    """The function above, in an account, and the table of what it has seen."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", CODE)
    made = client("lambda", account).create_function(
        FunctionName=name, Runtime="python3.12", Handler="main.handler", Role=role(account, role_name, allowed=allowed),
        Timeout=seconds, Code={"ZipFile": packed.getvalue()},
    )  # fmt: skip
    table = client("dynamodb", account)
    if "seen" not in table.list_tables()["TableNames"]:
        table.create_table(
            TableName="seen", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        )  # fmt: skip
    return str(made["FunctionArn"])


def invoke(account: str, name: str, payload: Any) -> Any:
    """What a function answers."""
    answer = client("lambda", account).invoke(FunctionName=name, Payload=json.dumps(payload).encode())
    return json.load(answer["Payload"])


def seen(account: str) -> list[Any]:
    """What the functions of an account have been called with, in that order."""
    rows = client("dynamodb", account).scan(TableName="seen", ConsistentRead=True)["Items"]
    return [json.loads(row["e"]["S"]) for row in sorted(rows, key=lambda row: str(row["k"]["S"]))]
