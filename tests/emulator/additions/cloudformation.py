"""CloudFormation: resource types that are missing, properties that are dropped, Delete after a refused Create.

AWS: security group rules are resources of their own; a table's encryption, recovery and expiry, a bucket's encryption, a
topic's key, a schedule's time zone and dates are properties like any other; a custom resource whose Create answered FAILED gets a
Delete with the PhysicalResourceId of that answer. MiniStack: refuses, drops, sends none.
In: properties. Out: records in MiniStack's stores. It refuses to know what a template is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import dynamodb, ec2, s3, scheduler, sns
from ministack.services.cloudformation import custom_resource
from ministack.services.cloudformation import provisioners as cfn

from . import patching

Properties = dict[str, Any]
_TABLE = "ministack.services.cloudformation.provisioners._RESOURCE_HANDLERS"


def _rule_resource(direction: str) -> dict[str, Any]:
    """AWS::EC2::SecurityGroupIngress or …Egress: one rule added to a group that exists."""
    key = "IpPermissions" if direction == "in" else "IpPermissionsEgress"

    def create(_logical: str, props: Properties, _stack: str) -> tuple[str, dict[str, str]]:
        group = ec2._security_groups.get(props.get("GroupId"))
        if group is None:
            raise ValueError(f"The security group '{props.get('GroupId')}' does not exist")
        other = props.get("SourceSecurityGroupId") or props.get("DestinationSecurityGroupId")
        if other and other not in ec2._security_groups:
            raise ValueError(f"The security group '{other}' does not exist")
        rules = cfn._ec2_sg_permissions([props])
        group[key] += rules
        identifier = f"sgr-{new_uuid().replace('-', '')[:17]}"
        return identifier, {"Id": identifier}

    def delete(_physical: str, props: Properties) -> None:
        group = ec2._security_groups.get(props.get("GroupId"))
        for rule in cfn._ec2_sg_permissions([props]):
            if group is not None and rule in group[key]:
                group[key].remove(rule)

    return {"create": create, "delete": delete}


def after(resource_type: str, apply: Callable[[str, Properties], None]) -> None:
    """Applies the dropped properties of a type after MiniStack's create and update."""
    handler = cfn._RESOURCE_HANDLERS[resource_type]

    def create(original: Any) -> Any:
        def made(logical: str, props: Properties, stack: str) -> Any:
            result = original(logical, props, stack)
            apply(result[0], props)
            return result

        return made

    def update(original: Any) -> Any:
        def changed(physical: str, old: Properties, new: Properties, *rest: Any, **more: Any) -> Any:
            result = original(physical, old, new, *rest, **more)
            apply(result[0], new)
            return result

        return changed

    patching.replace_item(handler, "create", f"{_TABLE}[{resource_type!r}]", create)
    patching.replace_item(handler, "update", f"{_TABLE}[{resource_type!r}]", update)


def _table(name: str, props: Properties) -> None:
    if props.get("TimeToLiveSpecification"):
        dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": props["TimeToLiveSpecification"]})
    recovery = props.get("PointInTimeRecoverySpecification")
    if recovery:
        dynamodb._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": recovery})
    encryption = props.get("SSESpecification")
    if encryption:
        dynamodb._tables[name]["SSEDescription"] = {
            "Status": "ENABLED",
            "SSEType": encryption.get("SSEType", "KMS"),
            "KMSMasterKeyArn": encryption.get("KMSMasterKeyId"),
        }


def _topic(arn: str, props: Properties) -> None:
    attributes = sns._topics[arn]["attributes"]
    if props.get("KmsMasterKeyId"):
        attributes["KmsMasterKeyId"] = props["KmsMasterKeyId"]
    else:
        attributes.pop("KmsMasterKeyId", None)


def _bucket(name: str, props: Properties) -> None:
    rules = (props.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration") or []
    given = [rule.get("ServerSideEncryptionByDefault") or {} for rule in rules]
    if not given:
        return
    texts = [
        f"<SSEAlgorithm>{one.get('SSEAlgorithm')}</SSEAlgorithm>"
        + (f"<KMSMasterKeyID>{one['KMSMasterKeyID']}</KMSMasterKeyID>" if one.get("KMSMasterKeyID") else "")
        for one in given
    ]
    inside = "".join(
        f"<Rule><ApplyServerSideEncryptionByDefault>{text}</ApplyServerSideEncryptionByDefault></Rule>" for text in texts
    )
    body = f'<ServerSideEncryptionConfiguration xmlns="{s3.S3_NS}">{inside}</ServerSideEncryptionConfiguration>'
    s3._bucket_encryption[name] = body.encode()


def _schedule(name: str, props: Properties) -> None:
    record = scheduler._schedules[f"{props.get('GroupName', 'default')}/{name}"]
    record["ScheduleExpressionTimezone"] = props.get("ScheduleExpressionTimezone", "UTC")
    for key in ("StartDate", "EndDate", "KmsKeyArn"):
        record[key] = props.get(key)


# ---- custom resources

_ANSWERS: dict[tuple[str, str], dict[str, Any]] = {}


def _remember(original: Any) -> Any:
    def deliver(token: str, response: dict[str, Any]) -> bool:
        _ANSWERS[response.get("LogicalResourceId", ""), response.get("StackId", "")] = response
        return bool(original(token, response))

    return deliver


def _delete_after_refusal(original: Any) -> Any:
    def invoke(
        request_type: str, logical: str, props: Properties, stack: str, stack_id: str, kind: str, *rest: Any, **more: Any
    ) -> Any:
        try:
            return original(request_type, logical, props, stack, stack_id, kind, *rest, **more)
        except RuntimeError:
            if request_type == "Create":
                refused = _ANSWERS.get((logical, stack_id), {})
                physical = refused.get("PhysicalResourceId")
                try:
                    original("Delete", logical, props, stack, stack_id, kind, physical)
                except (RuntimeError, TimeoutError) as problem:
                    custom_resource.logger.warning("Delete after the refused Create of %s: %s", logical, problem)
            raise

    return invoke


def install() -> None:
    """Adds the types, the properties and the Delete."""
    patching.require(cfn, "_RESOURCE_HANDLERS", "_ec2_sg_permissions")
    patching.require(dynamodb, "_update_ttl", "_update_continuous_backups", "_tables")
    patching.require(sns, "_topics")
    patching.require(s3, "_bucket_encryption", "S3_NS")
    patching.require(scheduler, "_schedules")
    cfn._RESOURCE_HANDLERS.setdefault("AWS::EC2::SecurityGroupIngress", _rule_resource("in"))
    cfn._RESOURCE_HANDLERS.setdefault("AWS::EC2::SecurityGroupEgress", _rule_resource("out"))
    after("AWS::DynamoDB::Table", _table)
    after("AWS::S3::Bucket", _bucket)
    after("AWS::SNS::Topic", _topic)
    after("AWS::Scheduler::Schedule", _schedule)
    patching.replace(custom_resource, "deliver_response", _remember)
    patching.replace(custom_resource, "invoke_custom_resource", _delete_after_refusal)
