"""Step Functions' integrations that answer at once, nested executions, `aws-sdk:*`, and the role that they act with."""

import io
import json
import unittest
import zipfile
from typing import Any

from . import jobs
from .emulated import REGION, Machine, client, eventually, role

ACCOUNT = "100000000041"
CODE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError(event["fail"])
    return {"got": event}
"""


def output(resource: str, arguments: dict[str, Any], allowed: tuple[str, ...] = ("*",), **state: Any) -> Any:
    """What the machine of one task yields, or `Error` and `Cause`."""
    done = jobs.machine(ACCOUNT, resource, arguments, allowed, **state).run()
    return json.loads(done["output"]) if done["status"] == "SUCCEEDED" else {"Error": done["error"], "Cause": done["cause"]}


class Integrations(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("main.py", CODE)
        client("lambda", ACCOUNT).create_function(
            FunctionName="f", Runtime="python3.12", Handler="main.handler", Role=role(ACCOUNT), Code={"ZipFile": packed.getvalue()}
        )
        cls.sqs = client("sqs", ACCOUNT)
        cls.queue = cls.sqs.create_queue(QueueName="q")["QueueUrl"]
        cls.topic = client("sns", ACCOUNT).create_topic(Name="t")["TopicArn"]
        client("dynamodb", ACCOUNT).create_table(
            TableName="table", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        )  # fmt: skip

    def test_lambda(self) -> None:
        done = output("lambda:invoke", {"FunctionName": "f", "Payload": {"a": "{% 1 + 1 %}"}})
        self.assertEqual((done["StatusCode"], done["Payload"]), (200, {"got": {"a": 2}}))
        failed = output("lambda:invoke", {"FunctionName": "f", "Payload": {"fail": "no rows"}})
        self.assertEqual(failed["Error"], "ValueError")
        self.assertEqual(json.loads(failed["Cause"])["errorMessage"], "no rows")
        self.assertEqual(output("lambda:invoke", {"FunctionName": "none"})["Error"], "Lambda.ResourceNotFoundException")
        self.assertIn('"Payloadd"', output("lambda:invoke", {"FunctionName": "f", "Payloadd": 1})["Cause"])
        self.assertEqual(output("lambda:invoke", {"FunctionName": "f", "Payload": {}, "InvocationType": "Event"})["StatusCode"], 202)
        self.assertEqual(output("lambda:invoke", {"FunctionName": "f"}, ("sns:*",))["Error"], "Lambda.AWSLambdaException")

    def test_a_function_that_fails_with_a_token(self) -> None:
        arguments = {"FunctionName": "f", "Payload": {"fail": "early", "token": "{% $states.context.Task.Token %}"}}
        self.assertEqual(output("lambda:invoke.waitForTaskToken", arguments)["Error"], "ValueError")

    def test_messages(self) -> None:
        self.assertIn("MessageId", output("sns:publish", {"TopicArn": self.topic, "Message": {"a": 1}, "Subject": "s"}))
        self.assertEqual(output("sns:publish", {"TopicArn": self.topic + "x", "Message": "m"})["Error"], "SNS.NotFoundException")
        self.assertIn("MessageId", output("sqs:sendMessage", {"QueueUrl": self.queue, "MessageBody": {"a": 1}}))
        body = eventually(lambda: self.sqs.receive_message(QueueUrl=self.queue).get("Messages"))[0]["Body"]
        self.assertEqual(json.loads(body), {"a": 1})
        self.assertIn("Missing required", output("sqs:sendMessage", {"MessageBody": "x"})["Cause"])
        denied = output("sns:publish", {"TopicArn": self.topic, "Message": "m"}, ("sqs:*",))
        self.assertIn(f"sns:Publish on resource: {self.topic}", denied["Cause"])

    def test_items(self) -> None:
        put = output("dynamodb:putItem", {"TableName": "table", "Item": {"k": {"S": "{% 'a' & 'b' %}"}, "n": {"N": "1"}}})
        self.assertNotIn("Error", put)
        self.assertEqual(output("dynamodb:getItem", {"TableName": "table", "Key": {"k": {"S": "ab"}}})["Item"]["n"], {"N": "1"})
        again = {"TableName": "table", "Item": {"k": {"S": "ab"}}, "ConditionExpression": "attribute_not_exists(k)"}
        self.assertEqual(output("dynamodb:putItem", again)["Error"], "DynamoDB.ConditionalCheckFailedException")
        self.assertEqual(output("aws-sdk:dynamodb:putItem", again)["Error"], "DynamoDb.ConditionalCheckFailedException")

    def test_events(self) -> None:
        entry = {"Source": "mine", "DetailType": "t", "Detail": {"a": 1}}
        self.assertEqual(output("events:putEvents", {"Entries": [entry]})["FailedEntryCount"], 0)
        nowhere = f"arn:aws:events:{REGION}:999999999999:event-bus/none"
        elsewhere = output("events:putEvents", {"Entries": [entry | {"EventBusName": nowhere}]})
        self.assertEqual(elsewhere["Error"], "EventBridge.FailedEntry")
        denied = output("events:putEvents", {"Entries": [entry]}, ("sns:*",))
        self.assertIn("events:PutEvents", denied["Cause"])

    def test_objects(self) -> None:
        jobs.put(ACCOUNT, "a.json", '{"rows": 3}')
        bucket = jobs.bucket(ACCOUNT)
        arguments = {"Bucket": bucket, "Key": "a.json"}
        read = output("aws-sdk:s3:getObject", arguments, Output="{% $parse($states.result.Body).rows %}")
        self.assertEqual(read, 3)
        self.assertEqual(output("aws-sdk:s3:getObject", arguments | {"Key": "none"})["Error"], "S3.NoSuchKeyException")
        self.assertEqual(output("aws-sdk:s3:getObject", arguments | {"Bucket": "no-such-bucket"})["Error"], "S3.NoSuchBucketException")
        self.assertIn('"bucket"', output("aws-sdk:s3:getObject", {"bucket": bucket, "Key": "k"})["Cause"])
        self.assertEqual(output("aws-sdk:s3:putObject", {"Bucket": bucket, "Key": "b", "Body": {"x": 1}}).get("Error"), None)
        denied = output("aws-sdk:s3:getObject", arguments, ("s3:PutObject",))
        self.assertEqual(denied["Error"], "S3.S3Exception")
        self.assertIn(f"s3:GetObject on resource: arn:aws:s3:::{bucket}/a.json", denied["Cause"])

    def test_any_service_of_the_sdk(self) -> None:
        self.assertEqual(output("aws-sdk:sts:getCallerIdentity", {})["Account"], ACCOUNT)
        self.assertEqual(output("aws-sdk:emrserverless:listApplications", {})["Applications"], [])
        self.assertEqual(output("aws-sdk:emr:describeCluster", {"ClusterId": "j-1"})["Error"], "Emr.InvalidRequestException")
        self.assertEqual(output("aws-sdk:nothing:here", {})["Error"], "States.Runtime")
        self.assertEqual(output("aws-sdk:s3:getObjects", {})["Error"], "States.Runtime")

    def child(self, states: dict[str, Any]) -> str:
        return Machine(ACCOUNT, states, "one").arn

    def test_nested_executions(self) -> None:
        good = self.child({"one": {"Type": "Pass", "Output": {"n": "{% $states.input.x + 1 %}"}, "End": True}})
        done = output("states:startExecution.sync:2", {"StateMachineArn": good, "Input": {"x": "{% 1 %}"}, "Name": "named"})
        self.assertEqual((done["Status"], done["Output"], done["Name"]), ("SUCCEEDED", {"n": 2}, "named"))
        self.assertEqual(output("states:startExecution.sync", {"StateMachineArn": good, "Input": {"x": 1}})["Output"], '{"n": 2}')
        again = output("states:startExecution", {"StateMachineArn": good, "Name": "named", "Input": {"x": 5}})
        self.assertEqual(again["Error"], "StepFunctions.ExecutionAlreadyExistsException")
        bad = self.child({"one": {"Type": "Fail", "Error": "Mine", "Cause": "so"}})
        failed = output("states:startExecution.sync:2", {"StateMachineArn": bad})
        self.assertEqual(failed["Error"], "States.TaskFailed")
        self.assertEqual(json.loads(failed["Cause"])["Error"], "Mine")
        nobody = output("states:startExecution", {"StateMachineArn": good + "x"})
        self.assertEqual(nobody["Error"], "StepFunctions.StateMachineDoesNotExistException")

    def test_an_abort_stops_the_child(self) -> None:
        child = self.child({"one": {"Type": "Wait", "Seconds": 5000, "End": True}})
        machine = jobs.machine(ACCOUNT, "states:startExecution.sync:2", {"StateMachineArn": child})
        execution = machine.start()

        def states() -> set[str]:
            return {e["status"] for e in machine.sfn.list_executions(stateMachineArn=child)["executions"]}

        eventually(lambda: states() == {"RUNNING"})
        machine.sfn.stop_execution(executionArn=execution)
        eventually(lambda: states() == {"ABORTED"})


class Roles(unittest.TestCase):
    def test_resources_and_conditions_of_a_policy_count(self) -> None:
        iam = client("iam", ACCOUNT)
        arn = role(ACCOUNT, "narrow", "states.amazonaws.com", allowed=())
        statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{jobs.bucket(ACCOUNT)}/mine/*"}
        iam.put_role_policy(RoleName="narrow", PolicyName="p", PolicyDocument=json.dumps({"Statement": [statement]}))
        jobs.put(ACCOUNT, "mine/a", "1")
        jobs.put(ACCOUNT, "other/a", "1")
        for key, status in (("mine/a", "SUCCEEDED"), ("other/a", "FAILED")):
            task = {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
                "Arguments": {"Bucket": jobs.bucket(ACCOUNT), "Key": key},
                "End": True,
            }
            self.assertEqual(Machine(ACCOUNT, {"one": task}, "one", roleArn=arn).run()["status"], status)

    def test_the_region(self) -> None:
        self.assertEqual(output("aws-sdk:s3:getBucketLocation", {"Bucket": jobs.bucket(ACCOUNT)})["LocationConstraint"], REGION)


if __name__ == "__main__":
    unittest.main()
