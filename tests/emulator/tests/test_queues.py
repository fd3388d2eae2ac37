"""FIFO queues behind rules and in front of functions."""

import json
import time
import unittest
from typing import Any

from .accounts import arn, deploy, function, seen
from .emulated import call, client, eventually

ACCOUNT = "100000000096"


def queue(name: str, dead: str | None = None, seconds: int = 5) -> dict[str, Any]:
    """A FIFO queue whose messages are hidden for so long."""
    properties: dict[str, Any] = {
        "QueueName": name, "FifoQueue": True, "ContentBasedDeduplication": True, "VisibilityTimeout": seconds,
    }  # fmt: skip
    if dead:
        properties["RedrivePolicy"] = {"deadLetterTargetArn": arn("sqs", ACCOUNT, dead), "maxReceiveCount": 2}
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


class Queues(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        door = function(ACCOUNT)
        let_in = {
            "Statement": [
                {
                    "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
                    "Resource": arn("sqs", ACCOUNT, "in.fifo"),
                    "Condition": {"ArnEquals": {"aws:SourceArn": ["arn:aws:none", {"Fn::GetAtt": ["Rule", "Arn"]}]}},
                }
            ]
        }  # fmt: skip
        target = {"Id": "q", "Arn": arn("sqs", ACCOUNT, "in.fifo"), "SqsParameters": {"MessageGroupId": "all"}}
        rule = {"Name": "r", "EventBusName": {"Ref": "Bus"}, "EventPattern": {"source": ["s"]}, "Targets": [target]}
        cls.resources = {
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "in"}},
            "Dead": queue("dead.fifo"),
            "In": queue("in.fifo", "dead.fifo") | {"DependsOn": "Dead"},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": rule, "DependsOn": "In"},
            "Policy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {"Queues": [{"Ref": "In"}], "PolicyDocument": let_in},
            },
            "Mapping": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": {"Fn::GetAtt": ["In", "Arn"]}, "FunctionName": door, "BatchSize": 10,
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                },
            },
        }  # fmt: skip
        assert deploy(ACCOUNT, "queues", cls.resources) == "CREATE_COMPLETE"
        cls.sqs = client("sqs", ACCOUNT)

    def put(self, run: str, *details: dict[str, Any]) -> None:
        for detail in details:
            said = {"Source": "s", "DetailType": "t", "Detail": json.dumps({"run": run, **detail}), "EventBusName": "in"}
            client("events", ACCOUNT).put_events(Entries=[said])

    def numbers(self, run: str) -> list[int]:
        return [e["detail"]["n"] for e in seen(ACCOUNT) if e.get("detail", {}).get("run") == run]

    def dead(self) -> list[int]:
        url = self.sqs.get_queue_url(QueueName="dead.fifo")["QueueUrl"]
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return [json.loads(m["Body"])["detail"]["n"] for m in found]

    def test_events_reach_the_function_in_their_order(self) -> None:
        self.put("order", *({"n": n} for n in range(25)))
        eventually(lambda: len(self.numbers("order")) == 25)
        self.assertEqual(self.numbers("order"), list(range(25)))

    def test_the_trace_tells_the_way(self) -> None:
        self.put("warm-too", {"n": 0})
        eventually(lambda: self.numbers("warm-too") and call("GET", "busy") == {})
        call("POST", "trace/clear")
        self.put("traced", {"n": 0})
        eventually(lambda: call("GET", "busy") == {})
        mine = [line for line in call("GET", "trace") if line["account"] == ACCOUNT]
        told = [(line["what"], line["name"], line["detail"]) for line in mine]
        expected = [("event", "in", "t"), ("message", "in.fifo", ""), ("invocation", "door", "begin"), ("invocation", "door", "end")]
        self.assertEqual(told, expected)

    def test_quickly(self) -> None:
        self.put("warm", {"n": 0})
        eventually(lambda: self.numbers("warm"))
        took = []
        for n in range(5):
            began = time.monotonic()
            self.put("quick", {"n": n})
            eventually(lambda: len(self.numbers("quick")) > n)  # noqa: B023: it is called at once
            took.append(time.monotonic() - began)
        self.assertLess(sorted(took)[2], 0.3, took)

    def test_one_that_fails_holds_up_its_group_comes_again_and_dies(self) -> None:
        self.put("poison", {"n": 1, "fail": True})
        eventually(lambda: self.numbers("poison") == [1])
        self.put("poison", {"n": 2})
        eventually(lambda: self.numbers("poison") == [1, 1, 2])
        eventually(lambda: self.dead() == [1])

    def test_a_batch_of_a_function_that_dies_comes_again(self) -> None:
        call("POST", "faults/fail-function", {"function": "door", "account": ACCOUNT})
        self.put("dying", {"n": 1})
        eventually(lambda: self.numbers("dying") == [1])
        self.assertEqual(len(self.numbers("dying")), 1)

    def test_an_event_that_is_delivered_twice_is_there_once(self) -> None:
        call("POST", "faults/events", {"effect": "double", "bus": "in", "account": ACCOUNT})
        self.put("twice", {"n": 1}, {"n": 2})
        eventually(lambda: 2 in self.numbers("twice"))
        self.assertEqual(self.numbers("twice"), [1, 2])

    def test_what_aws_refuses(self) -> None:
        function(ACCOUNT, "nobody", "nobody", allowed=("dynamodb:*",))
        function(ACCOUNT, "slow", seconds=60)
        mapping = {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": arn("sqs", ACCOUNT, "in.fifo"), "FunctionName": "nobody"},
        }
        self.assertIn("does not have permissions to call ReceiveMessage on SQS", deploy(ACCOUNT, "refused-1", {"M": mapping}))
        mapping["Properties"]["FunctionName"] = "slow"  # type: ignore[index]
        said = "Queue visibility timeout: 5 seconds is less than Function timeout: 60 seconds"
        self.assertIn(said, deploy(ACCOUNT, "refused-2", {"M": mapping}))
        plain = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "plain"}}
        fifo = queue("mixed.fifo", "plain") | {"DependsOn": "Plain"}
        self.assertIn("must be same type of queue", deploy(ACCOUNT, "refused-3", {"Plain": plain, "Q": fifo}))
        target = {"Id": "q", "Arn": arn("sqs", ACCOUNT, "in.fifo")}
        rule = {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {"source": ["x"]}, "Targets": [target]}}
        self.assertIn("SqsParameters must be specified for target: q", deploy(ACCOUNT, "refused-4", {"R": rule}))

    def test_a_rule_that_the_queue_does_not_admit_uses_its_dead_letter_queue(self) -> None:
        events = client("events", ACCOUNT)
        url = self.sqs.create_queue(QueueName="letters")["QueueUrl"]
        events.put_rule(Name="uninvited", EventPattern=json.dumps({"source": ["uninvited"]}))
        target = {
            "Id": "q", "Arn": arn("sqs", ACCOUNT, "in.fifo"), "SqsParameters": {"MessageGroupId": "all"},
            "DeadLetterConfig": {"Arn": arn("sqs", ACCOUNT, "letters")},
        }  # fmt: skip
        events.put_targets(Rule="uninvited", Targets=[target])
        events.put_events(Entries=[{"Source": "uninvited", "DetailType": "t", "Detail": "{}"}])
        message = eventually(
            lambda: self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
        )[0]
        self.assertEqual(message["MessageAttributes"]["ERROR_CODE"]["StringValue"], "NO_PERMISSIONS")


if __name__ == "__main__":
    unittest.main()
