"""Task tokens, limits of time and of size, assignments."""

import json
import time
import unittest
from typing import Any

import botocore.exceptions

from .emulated import Machine, client, eventually

ACCOUNT = "100000000012"


class Callbacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.sqs, cls.sfn = client("sqs", ACCOUNT), client("stepfunctions", ACCOUNT)
        cls.queue = cls.sqs.create_queue(QueueName="tokens")["QueueUrl"]

    def machine(self, **state: Any) -> Machine:
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Arguments": {"QueueUrl": self.queue, "MessageBody": {"token": "{% $states.context.Task.Token %}"}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "caught", "Output": "{% $states.errorOutput %}"}],
            "End": True,
        }
        return Machine(ACCOUNT, {"ask": task | state, "caught": {"Type": "Succeed"}}, "ask")

    def token(self) -> str:
        def look() -> Any:
            found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=1).get("Messages", [])
            for message in found:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            return found and json.loads(found[0]["Body"])["token"]

        return str(eventually(look))

    def refused(self, name: str, **arguments: Any) -> str:
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            getattr(self.sfn, name)(**arguments)
        return str(caught.exception.response["Error"]["Code"])

    def test_the_answer_is_the_result_and_good_once(self) -> None:
        machine = self.machine()
        arn = machine.start()
        token = self.token()
        self.assertEqual(self.refused("send_task_success", taskToken=token, output="no json"), "InvalidOutput")
        self.sfn.send_task_success(taskToken=token, output='{"rows": 3}')
        self.assertEqual(json.loads(machine.end(arn)["output"]), {"rows": 3})
        self.assertEqual(self.refused("send_task_success", taskToken=token, output="1"), "TaskTimedOut")
        self.assertEqual(self.refused("send_task_failure", taskToken="none"), "InvalidToken")
        self.assertIn("TaskSubmitted", [e["type"] for e in machine.history(arn)])

    def test_a_failure_has_its_error_and_cause(self) -> None:
        machine = self.machine()
        arn = machine.start()
        self.sfn.send_task_failure(taskToken=self.token(), error="Mine", cause="so")
        self.assertEqual(json.loads(machine.end(arn)["output"]), {"Error": "Mine", "Cause": "so"})

    def test_a_retry_has_a_token_of_its_own(self) -> None:
        machine = self.machine(Retry=[{"ErrorEquals": ["Mine"], "MaxAttempts": 1, "IntervalSeconds": 1}])
        arn = machine.start()
        first = self.token()
        self.sfn.send_task_failure(taskToken=first, error="Mine")
        second = self.token()
        self.assertNotEqual(first, second)
        self.sfn.send_task_success(taskToken=second, output="2")
        self.assertEqual(machine.end(arn)["output"], "2")

    def test_heartbeats(self) -> None:
        machine = self.machine(HeartbeatSeconds="{% 1 + 1 %}", TimeoutSeconds=60)
        arn = machine.start()
        token = self.token()
        for _ in range(3):
            time.sleep(1)
            self.sfn.send_task_heartbeat(taskToken=token)
        self.assertEqual(machine.sfn.describe_execution(executionArn=arn)["status"], "RUNNING")
        self.assertEqual(json.loads(machine.end(arn)["output"])["Error"], "States.HeartbeatTimeout")
        self.assertEqual(self.refused("send_task_heartbeat", taskToken=token), "TaskTimedOut")

    def test_a_limit_in_jsonata(self) -> None:
        machine = self.machine(TimeoutSeconds="{% 2 - 1 %}")
        self.assertEqual(json.loads(machine.run()["output"])["Error"], "States.Timeout")
        self.token()

    def test_stop_ends_the_token(self) -> None:
        machine = self.machine()
        arn = machine.start()
        token = self.token()
        self.sfn.stop_execution(executionArn=arn)

        def beats() -> bool:
            try:
                return bool(self.sfn.send_task_heartbeat(taskToken=token))
            except self.sfn.exceptions.TaskTimedOut:
                return False

        eventually(lambda: not beats())

    def test_no_token_without_the_pattern(self) -> None:
        machine = self.machine(Resource="arn:aws:states:::sqs:sendMessage")
        self.assertEqual(json.loads(machine.run()["output"])["Error"], "States.QueryEvaluationError")


class Limits(unittest.TestCase):
    def test_a_payload_beyond_256_kib(self) -> None:
        states = {"big": {"Type": "Pass", "Output": "{% $pad('', 270000, 'x') %}", "End": True}}
        done = Machine(ACCOUNT, states, "big").run()
        self.assertEqual((done["status"], done["error"]), ("FAILED", "States.DataLimitExceeded"))

    def test_assignments_of_one_state_do_not_see_each_other(self) -> None:
        states = {
            "one": {"Type": "Pass", "Assign": {"x": 1, "y": 1}, "Next": "two"},
            "two": {"Type": "Pass", "Assign": {"x": "{% $x + 1 %}", "y": "{% $x + 10 %}"}, "Next": "end"},
            "end": {"Type": "Succeed", "Output": "{% [$x, $y] %}"},
        }
        self.assertEqual(Machine(ACCOUNT, states, "one").run()["output"], "[2, 11]")

    def test_the_count_of_retries_is_in_the_context(self) -> None:
        branch = {"StartAt": "no", "States": {"no": {"Type": "Fail", "Error": "Mine", "Cause": "c"}}}
        states = {
            "try": {
                "Type": "Parallel",
                "Branches": [branch],
                "Retry": [{"ErrorEquals": ["Mine"], "MaxAttempts": 2, "IntervalSeconds": 1, "JitterStrategy": "FULL"}],
                "Catch": [{"ErrorEquals": ["Mine"], "Next": "end", "Assign": {"n": "{% $states.context.State.RetryCount %}"}}],
                "End": True,
            },
            "end": {"Type": "Succeed", "Output": "{% $n %}"},
        }
        self.assertEqual(Machine(ACCOUNT, states, "try").run()["output"], "2")


if __name__ == "__main__":
    unittest.main()
