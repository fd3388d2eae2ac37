"""What CreateStateMachine and CloudFormation refuse, and calls that fail on purpose."""

import json
import unittest
from typing import Any

import botocore.exceptions

from . import jobs
from .emulated import Machine, call, client, eventually, role

ACCOUNT = "100000000051"


def states(**more: Any) -> dict[str, Any]:
    return {"one": {"Type": "Pass", "Next": "two"}, "two": {"Type": "Succeed"}} | more


class Definitions(unittest.TestCase):
    def test_what_is_refused(self) -> None:
        branch = {"StartAt": "two", "States": {"two": {"Type": "Succeed"}}}
        item = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "i", "States": {"i": {"Type": "Succeed"}}}
        far = {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "StartAt": "i", "States": {"i": {"Type": "Succeed"}}}
        cases = {
            "DUPLICATE_STATE_NAME: Duplicate State name: two": states(three={"Type": "Parallel", "Branches": [branch], "End": True}),
            "Missing 'Next' target: nowhere": states(one={"Type": "Pass", "Next": "nowhere"}),
            "exactly one of 'Next' and 'End'": states(one={"Type": "Pass"}),
            "Missing 'StartAt' target": {"three": {"Type": "Succeed"}},
            "exceeds 80 characters": states(**{"x" * 81: {"Type": "Succeed"}}),
            "'ToleratedFailureCount' is not supported": states(three={"Type": "Map", "ItemProcessor": item, "ToleratedFailureCount": 1, "End": True}),
            "'ExecutionType' is required": states(three={"Type": "Map", "ItemProcessor": far, "End": True}),
        }
        for sentence, wrong in cases.items():
            with self.subTest(sentence), self.assertRaisesRegex(botocore.exceptions.ClientError, sentence):
                Machine(ACCOUNT, wrong, "one")

    def test_managed_rules_need_their_permission(self) -> None:
        task = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Arguments": {"StateMachineArn": "x"}, "End": True}
        without = role(ACCOUNT, "without", "states.amazonaws.com", allowed=("states:*",))
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "is not authorized to create managed-rule"):
            Machine(ACCOUNT, {"one": task}, "one", roleArn=without)

    def test_a_template_is_refused_as_well(self) -> None:
        cloudformation = client("cloudformation", ACCOUNT)
        definition = {"StartAt": "a", "States": {"a": {"Type": "Pass", "Next": "b"}}}
        properties = {"RoleArn": role(ACCOUNT), "Definition": definition}
        body = {"Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
        cloudformation.create_stack(StackName="bad", TemplateBody=json.dumps(body))

        def reason() -> Any:
            events = cloudformation.describe_stack_events(StackName="bad")["StackEvents"]
            return next((e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED" and e["LogicalResourceId"] == "M"), None)

        self.assertIn("Missing 'Next' target: b", eventually(reason))


class Failures(unittest.TestCase):
    def tearDown(self) -> None:
        call("POST", "faults/clear", {})

    def test_a_call_fails_as_often_as_asked(self) -> None:
        topic = client("sns", ACCOUNT).create_topic(Name="t")["TopicArn"]
        retry = [{"ErrorEquals": ["SNS.ThrottledException"], "MaxAttempts": 2, "IntervalSeconds": 1}]
        for count, ends in ((2, "MessageId"), (3, "Error")):
            call("POST", "faults/fail-call", {"action": "sns:Publish", "code": "Throttled", "count": count})
            machine = jobs.machine(ACCOUNT, "sns:publish", {"TopicArn": topic, "Message": "m"}, Retry=retry)
            self.assertIn(ends, json.loads(machine.run()["output"]))

    def test_a_rest_api_and_a_json_api_fail_too(self) -> None:
        call("POST", "faults/fail-call", {"action": "emr-serverless:ListApplications", "code": "ConflictException", "status": 409})
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "ConflictException"):
            client("emr-serverless", ACCOUNT).list_applications()
        call("POST", "faults/fail-call", {"action": "ecs:ListClusters", "code": "ServerException", "message": "busy"})
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "ServerException.*busy"):
            client("ecs", ACCOUNT).list_clusters()


if __name__ == "__main__":
    unittest.main()
