"""What tests of jobs share: a network, a bucket, a machine of one task.

In: an account. Out: names that exist in it. It refuses to know which service runs the job.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .emulated import REGION, Machine, client, role


@cache
def network(account: str) -> tuple[str, str]:
    """A subnet and a security group."""
    ec2 = client("ec2", account)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="jobs", Description="jobs", VpcId=vpc)["GroupId"]
    return str(subnet), str(group)


@cache
def bucket(account: str) -> str:
    """A bucket of the account."""
    name = f"jobs-{account}"
    client("s3", account).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def put(account: str, key: str, text: str) -> str:
    """Writes an object and returns its address."""
    client("s3", account).put_object(Bucket=bucket(account), Key=key, Body=text.encode())
    return f"s3://{bucket(account)}/{key}"


def machine(account: str, resource: str, arguments: dict[str, Any], allowed: tuple[str, ...] = ("*",), **state: Any) -> Machine:
    """A machine of one task; what it catches is its output, with `Error` and `Cause`."""
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "caught", "Output": "{% $states.errorOutput %}"}]
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Arguments": arguments, "Catch": catch, "End": True}
    name = "any" if allowed == ("*",) else "-".join(allowed).replace(":", "-").replace("*", "all")[:60]
    # A machine with `.sync` is not made without the right to make its managed rule: see test_definitions.
    arn = role(account, name, "states.amazonaws.com", (*allowed, "events:PutRule", "events:PutTargets", "events:DescribeRule"))
    return Machine(account, {"do": task | state, "caught": {"Type": "Succeed"}}, "do", roleArn=arn)
