"""CloudFormation and faults on purpose."""

import json
import unittest
from typing import Any

import botocore.exceptions

from .emulated import REGION, Machine, call, client, eventually

OPEN = json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}}]})
ACCOUNT = "100000000004"


class Stacks(unittest.TestCase):
    made = 0

    def deploy(self, resources: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        """Status and events of a new stack."""
        Stacks.made += 1
        name, cloudformation = f"stack{Stacks.made}", client("cloudformation", ACCOUNT)
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))

        def look() -> Any:
            status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            return not status.endswith("IN_PROGRESS") and status

        status = eventually(look)
        return status, cloudformation.describe_stack_events(StackName=name)["StackEvents"]

    def test_security_group_rules(self) -> None:
        group = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "g", "GroupName": "rules"}}
        rule = {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {"GroupId": {"Fn::GetAtt": ["G", "GroupId"]}, "IpProtocol": "tcp", "FromPort": 8443, "ToPort": 8443, "CidrIp": "10.0.0.0/8"},
        }
        self.assertEqual(self.deploy({"G": group, "R": rule})[0], "CREATE_COMPLETE")
        groups = client("ec2", ACCOUNT).describe_security_groups()["SecurityGroups"]
        found = next(g for g in groups if g["GroupName"] == "rules")
        self.assertEqual([p["FromPort"] for p in found["IpPermissions"]], [8443])
        lost = {"Type": "AWS::EC2::SecurityGroupEgress", "Properties": {"GroupId": "sg-0", "IpProtocol": "-1"}}
        self.assertEqual(self.deploy({"R": lost})[0], "ROLLBACK_COMPLETE")

    def test_properties_that_would_be_dropped(self) -> None:
        table = {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "t",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": "key"},
                "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
            },
        }
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "t", "KmsMasterKeyId": "alias/dpc"}}
        target = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}
        schedule = {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "Name": "s", "ScheduleExpression": "cron(0 3 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin",
                "FlexibleTimeWindow": {"Mode": "OFF"}, "KmsKeyArn": "key", "Target": target,
            },
        }  # fmt: skip
        self.assertEqual(self.deploy({"T": table, "N": topic, "S": schedule})[0], "CREATE_COMPLETE")
        dynamodb = client("dynamodb", ACCOUNT)
        self.assertEqual(dynamodb.describe_table(TableName="t")["Table"]["SSEDescription"]["KMSMasterKeyArn"], "key")
        recovery = dynamodb.describe_continuous_backups(TableName="t")["ContinuousBackupsDescription"]
        self.assertEqual(recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"], "ENABLED")
        expiry = dynamodb.describe_time_to_live(TableName="t")["TimeToLiveDescription"]
        self.assertEqual(expiry["AttributeName"], "expires")
        attributes = client("sns", ACCOUNT).get_topic_attributes(TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:t")["Attributes"]
        self.assertEqual(attributes["KmsMasterKeyId"], "alias/dpc")
        found = client("scheduler", ACCOUNT).get_schedule(Name="s")
        self.assertEqual((found["ScheduleExpressionTimezone"], found["KmsKeyArn"]), ("Europe/Berlin", "key"))

    def test_a_resource_fails_when_asked_to(self) -> None:
        call("POST", "faults/fail-resource", {"logicalId": "Bad", "reason": "no capacity"})
        status, events = self.deploy({"Bad": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "bad"}}})
        self.assertEqual(status, "ROLLBACK_COMPLETE")
        reasons = [e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
        self.assertTrue(any("no capacity" in r for r in reasons), reasons)
        again = self.deploy({"Bad": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "bad"}}})
        self.assertEqual(again[0], "CREATE_COMPLETE")

    def test_an_update_speaks_of_what_changes_only(self) -> None:
        resources: dict[str, Any] = {
            "One": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "one"}},
            "Two": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "two"}},
        }
        _, before = self.deploy(resources)
        name, cloudformation = before[0]["StackName"], client("cloudformation", ACCOUNT)
        resources["Two"]["Properties"]["VisibilityTimeout"] = 60
        cloudformation.update_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))

        def look() -> Any:
            return cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"

        eventually(look)
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        told = [(e["LogicalResourceId"], e["ResourceStatus"]) for e in reversed(events[: len(events) - len(before)])]
        resource = [entry for entry in told if entry[0] != name]
        self.assertEqual(resource, [("Two", "UPDATE_IN_PROGRESS"), ("Two", "UPDATE_COMPLETE")])
        visible = client("sqs", ACCOUNT).get_queue_attributes(
            QueueUrl=client("sqs", ACCOUNT).get_queue_url(QueueName="two")["QueueUrl"], AttributeNames=["All"]
        )
        self.assertEqual(visible["Attributes"]["VisibilityTimeout"], "60")


class Faults(unittest.TestCase):
    def tearDown(self) -> None:
        call("POST", "faults/clear", {})

    def test_a_denied_call_is_denied_so_often(self) -> None:
        call("POST", "faults/deny", {"action": "states:ListStateMachines", "count": 2})
        sfn = client("stepfunctions", ACCOUNT)
        for _ in range(2):
            with self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied.*states:ListStateMachines"):
                sfn.list_state_machines()
        sfn.list_state_machines()

    def test_denials_speak_each_protocol(self) -> None:
        calls = {
            "s3:ListAllMyBuckets": lambda: client("s3", ACCOUNT).list_buckets(),
            "cloudformation:ListStacks": lambda: client("cloudformation", ACCOUNT).list_stacks(),
            "dynamodb:ListTables": lambda: client("dynamodb", ACCOUNT).list_tables(),
            "lambda:ListFunctions": lambda: client("lambda", ACCOUNT).list_functions(),
        }
        for action, make in calls.items():
            call("POST", "faults/deny", {"action": action})
            with self.subTest(action), self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied"):
                make()

    def test_a_status_event_is_lost_on_purpose(self) -> None:
        machine = Machine(ACCOUNT, {"p": {"Type": "Pass", "End": True}}, "p")
        sqs, events = client("sqs", ACCOUNT), client("events", ACCOUNT)
        url = sqs.create_queue(QueueName="statuses", Attributes={"Policy": OPEN})["QueueUrl"]
        pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [machine.arn]}}
        events.put_rule(Name="statuses", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="statuses", Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:statuses"}])
        call("POST", "faults/drop-status-events", {"stateMachine": machine.name, "statuses": ["SUCCEEDED"]})
        machine.run()
        machine.run()
        seen: list[str] = []

        def look() -> Any:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                seen.append(json.loads(message["Body"])["detail"]["status"])
            return len(seen) == 3

        eventually(look)
        self.assertEqual(sorted(seen), ["RUNNING", "RUNNING", "SUCCEEDED"])

    def test_a_misspelt_fault_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "takes"):
            call("POST", "faults/deny", {"acton": "x"})
        with self.assertRaisesRegex(ValueError, "there is no POST"):
            call("POST", "faults/nothing", {})


class Starts(unittest.TestCase):
    def test_names(self) -> None:
        machine = Machine(ACCOUNT, {"w": {"Type": "Wait", "Seconds": 500, "End": True}}, "w")
        for bad in ("x" * 81, "a:b", "a b", "a/b"):
            with self.subTest(bad), self.assertRaisesRegex(botocore.exceptions.ClientError, "InvalidName"):
                machine.start(name=bad)
        first = machine.start({"a": 1}, name="x" * 80)
        self.assertEqual(machine.start({"a": 1}, name="x" * 80), first)
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "ExecutionAlreadyExists"):
            machine.start({"a": 2}, name="x" * 80)
        machine.sfn.stop_execution(executionArn=first)
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "ExecutionAlreadyExists"):
            machine.start({"a": 1}, name="x" * 80)


class Simulator(unittest.TestCase):
    def test_context_entries_count(self) -> None:
        iam = client("iam", ACCOUNT)
        document = {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Action": "elasticmapreduce:RunJobFlow", "Resource": "*",
                "Condition": {"StringEquals": {"elasticmapreduce:RequestTag/dpc-pipeline": "listings"}},
            }],
        }  # fmt: skip

        def decide(value: str | None) -> str:
            keys = [] if value is None else [
                {"ContextKeyName": "elasticmapreduce:RequestTag/dpc-pipeline", "ContextKeyValues": [value], "ContextKeyType": "string"}
            ]  # fmt: skip
            answer = iam.simulate_custom_policy(
                PolicyInputList=[json.dumps(document)], ActionNames=["elasticmapreduce:RunJobFlow"], ContextEntries=keys
            )
            return str(answer["EvaluationResults"][0]["EvalDecision"])

        self.assertEqual([decide("listings"), decide("other"), decide(None)], ["allowed", "implicitDeny", "implicitDeny"])


if __name__ == "__main__":
    unittest.main()
