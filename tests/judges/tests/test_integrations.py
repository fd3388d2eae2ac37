"""The tables of integrations: every one has its parameters and its needs, and says no to what is wrong."""

from __future__ import annotations

import unittest
from typing import Any

from judging import documents, integrations, needs

MACHINE = needs.Machine("p", "dpc-p", {"ComputeRole": "arn:aws:iam::111111111111:role/c"})
# integration -> arguments that fit, and actions that it must ask for
GOOD: dict[str, tuple[dict[str, Any], set[str]]] = {
    "ecs:runTask.sync": (
        {"Cluster": "dpc", "TaskDefinition": "{% $x %}", "LaunchType": "FARGATE", "Tags": [{"Key": "a", "Value": "b"}]},
        {"ecs:RunTask", "iam:PassRole", "ecs:StopTask", "ecs:TagResource", "events:PutRule"},
    ),
    "emr-serverless:startJobRun.sync": (
        {"ApplicationId": "00f", "ExecutionRoleArn": "{% $x %}", "JobDriver": {"SparkSubmit": {"EntryPoint": "s3://b/k"}}},
        {"emr-serverless:StartJobRun", "iam:PassRole", "emr-serverless:CancelJobRun", "events:PutRule"},
    ),
    "glue:startJobRun.sync": ({"JobName": "j", "Arguments": {"--a": "{% $x %}"}}, {"glue:StartJobRun", "glue:BatchStopJobRun"}),
    "batch:submitJob.sync": (
        {"JobName": "j", "JobQueue": "q", "JobDefinition": "d", "ContainerOverrides": {"Command": ["a"]}},
        {"batch:SubmitJob", "batch:TerminateJob", "events:PutRule"},
    ),
    "lambda:invoke": ({"FunctionName": "f", "Payload": {"a": 1}}, {"lambda:InvokeFunction"}),
    "lambda:invoke.waitForTaskToken": ({"FunctionName": "f", "Payload": {"a": 1}}, {"lambda:InvokeFunction"}),
    "states:startExecution.sync:2": ({"StateMachineArn": "{% $x %}", "Input": {}}, {"states:StopExecution", "events:PutRule"}),
    "sns:publish": ({"TopicArn": "{% $x %}", "Message": {"a": 1}}, {"sns:Publish"}),
    "sqs:sendMessage": ({"QueueUrl": "{% $x %}", "MessageBody": {"a": 1}}, {"sqs:SendMessage"}),
    "dynamodb:putItem": ({"TableName": "t", "Item": {"k": {"S": "v"}}}, {"dynamodb:PutItem"}),
    "events:putEvents": ({"Entries": [{"Source": "s", "DetailType": "t", "Detail": {"a": 1}}]}, {"events:PutEvents"}),
    "aws-sdk:s3:getObject": ({"Bucket": "b", "Key": "{% $x %}"}, {"s3:GetObject"}),
    "aws-sdk:emrserverless:listJobRuns": ({"ApplicationId": "a"}, {"emr-serverless:ListJobRuns"}),
}


def task(resource: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Arguments": arguments, "End": True}


def found(state: dict[str, Any]) -> list[str]:
    """Rules that the judge of integrations finds."""
    definition = {"StartAt": "a", "States": {"a": state}}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"Definition": definition}}
    return [f.rule for f in integrations.judge_template(documents.Template("t", {"Resources": {"M": machine}}))]


class Tables(unittest.TestCase):
    def test_good_arguments_are_good(self) -> None:
        for resource, (arguments, _) in GOOD.items():
            with self.subTest(resource):
                self.assertEqual(found(task(resource, arguments)), [])

    def test_needs(self) -> None:
        for resource, (arguments, wanted) in GOOD.items():
            asked = {question.action for question in needs.of(task(resource, arguments), MACHINE)}
            with self.subTest(resource):
                self.assertLessEqual(wanted, asked)

    def test_every_integration_has_needs(self) -> None:
        self.assertLessEqual({*integrations._OWN, *integrations._SAME} - {"elasticmapreduce:cancelStep"}, set(needs._TABLE))

    def test_wrong_arguments_are_found(self) -> None:
        for resource, (arguments, _) in GOOD.items():
            with self.subTest(resource):
                self.assertIn("unknown-parameter", found(task(resource, arguments | {"Misspelt": 1})))
        self.assertIn("unknown-parameter", found(task("ecs:runTask", {"cluster": "c", "TaskDefinition": "t"})))
        self.assertIn("missing-parameter", found(task("batch:submitJob", {"JobName": "j"})))
        self.assertIn("missing-parameter", found(task("emr-serverless:startJobRun", {"ApplicationId": "a"})))
        self.assertEqual(found(task("glue:startJobRun.waitForTaskToken", {"JobName": "j"})), ["unknown-pattern"])
        self.assertEqual(found(task("aws-sdk:s3:getObject.sync", {"Bucket": "b", "Key": "k"})), ["unknown-pattern"])

    def test_a_map_reads_and_starts(self) -> None:
        reader = {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}}
        state: dict[str, Any] = {"Type": "Map", "ItemReader": reader, "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}}}
        self.assertEqual(found(state), [])
        asked = {(q.action, q.resource) for q in needs.of(state, MACHINE)}
        self.assertIn(("states:StartExecution", "arn:aws:states:eu-central-1:111111111111:stateMachine:dpc-p"), asked)
        self.assertIn(("s3:GetObject", needs.ANY), asked)
        reader["Arguments"] = {"Bucket": "b", "Kee": "k"}
        self.assertEqual(sorted(found(state)), ["missing-parameter", "unknown-parameter"])


if __name__ == "__main__":
    unittest.main()
