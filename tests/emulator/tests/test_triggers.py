"""EventBridge, Scheduler, SNS: deliveries, retries, dead letters, mails."""

import io
import json
import sys
import unittest
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .emulated import REGION, call, client, eventually, role

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

ACCOUNT = "100000000003"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"


class Triggers(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.sqs, cls.events, cls.functions = client("sqs", ACCOUNT), client("events", ACCOUNT), client("lambda", ACCOUNT)
        cls.scheduler = client("scheduler", ACCOUNT)
        cls.made = 0

    def queue(self) -> tuple[str, str]:
        type(self).made += 1
        name = f"q{self.made}"
        return self.sqs.create_queue(QueueName=name)["QueueUrl"], QUEUE_ARN + name

    def received(self, url: str) -> dict[str, Any]:
        def look() -> Any:
            answer = self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])
            return (answer.get("Messages") or [None])[0]

        message: dict[str, Any] = eventually(look)
        return message

    def function(self, dead_letters: str | None = None) -> str:
        type(self).made += 1
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("f.py", "def handler(event, context):\n    raise ValueError('as asked')\n")
        more = {"DeadLetterConfig": {"TargetArn": dead_letters}} if dead_letters else {}
        made = self.functions.create_function(
            FunctionName=f"f{self.made}", Runtime="python3.11", Handler="f.handler", Role=role(ACCOUNT),
            Code={"ZipFile": packed.getvalue()}, **more,
        )  # fmt: skip
        return str(made["FunctionArn"])

    def rule(self, target: dict[str, Any]) -> tuple[str, str]:
        type(self).made += 1
        name = f"r{self.made}"
        arn = self.events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
        self.events.put_targets(Rule=name, Targets=[{"Id": "t"} | target])
        return name, arn

    def emit(self, source: str) -> None:
        entry = {"Source": source, "DetailType": "d", "Detail": json.dumps({"a": 1})}
        self.events.put_events(Entries=[entry])

    def test_an_event_for_nobody_reaches_the_targets_dead_letter_queue(self) -> None:
        url, arn = self.queue()
        gone = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:gone"
        name, rule = self.rule({"Arn": gone, "DeadLetterConfig": {"Arn": arn}})
        self.emit(name)
        message = self.received(url)
        self.assertEqual(json.loads(message["Body"])["detail"], {"a": 1})
        found = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
        self.assertEqual(found, {"RULE_ARN": rule, "TARGET_ARN": gone, "ERROR_CODE": "NO_RESOURCE"})

    def test_a_rule_needs_a_permission(self) -> None:
        url, arn = self.queue()
        name, _ = self.rule({"Arn": self.function(), "DeadLetterConfig": {"Arn": arn}})
        self.emit(name)
        self.assertEqual(self.received(url)["MessageAttributes"]["ERROR_CODE"]["StringValue"], "NO_PERMISSIONS")

    def test_a_failing_function_is_retried_and_its_event_kept_bare(self) -> None:
        url, arn = self.queue()
        function = self.function(dead_letters=arn)
        name, rule = self.rule({"Arn": function})
        self.functions.add_permission(
            FunctionName=function, StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com",
            SourceArn=rule.rsplit("/", 1)[0] + "/*",
        )  # fmt: skip
        self.emit(name)
        message = self.received(url)
        self.assertEqual(json.loads(message["Body"])["detail"], {"a": 1})
        self.assertIn("as asked", message["MessageAttributes"]["ErrorMessage"]["StringValue"])

    # ---- schedules

    def schedule(self, target: str, expression: str, **more: Any) -> str:
        type(self).made += 1
        name = f"s{self.made}"
        words = {"t": "<aws.scheduler.scheduled-time>", "n": "<aws.scheduler.attempt-number>"}
        details = {"Arn": target, "RoleArn": role(ACCOUNT, "schedules", "scheduler.amazonaws.com"), "Input": json.dumps(words)}
        details |= more.pop("Target", {})
        self.scheduler.create_schedule(
            Name=name, ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"}, Target=details, **more
        )
        return name

    def test_fire_now_replaces_the_variables_as_often_as_asked(self) -> None:
        url, arn = self.queue()
        name = self.schedule(arn, "cron(0 3 * * ? *)")
        for _ in range(2):
            call("POST", "fire", {"name": name, "scheduledTime": "2026-11-22T02:00:00Z"})
        for _ in range(2):
            self.assertEqual(json.loads(self.received(url)["Body"]), {"t": "2026-11-22T02:00:00Z", "n": "1"})
        with self.assertRaisesRegex(ValueError, "0 schedules are named 'nobody'; there are "):
            call("POST", "fire", {"name": "nobody"})

    def test_the_targets_of_a_rule_are_called_at_once(self) -> None:
        url, arn = self.queue()
        let_in = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}}]}
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(let_in)})
        self.events.put_rule(Name="sweeping", ScheduleExpression="rate(5 minutes)")
        self.events.put_targets(Rule="sweeping", Targets=[{"Id": "q", "Arn": arn, "Input": '{"dpc": "sweep"}'}])
        call("POST", "fire", {"rule": "sweeping", "account": ACCOUNT})
        self.assertEqual(json.loads(self.received(url)["Body"]), {"dpc": "sweep"})
        with self.assertRaisesRegex(ValueError, "no rule with a schedule is named 'nobody'"):
            call("POST", "fire", {"rule": "nobody"})

    def test_a_schedule_whose_target_is_gone_uses_its_dead_letter_queue(self) -> None:
        url, arn = self.queue()
        gone = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:gone"
        name = self.schedule(gone, "rate(1 hour)", Target={"DeadLetterConfig": {"Arn": arn}})
        call("POST", "fire", {"name": name, "scheduledTime": "2026-11-22T02:00:00Z"})
        self.assertEqual(json.loads(self.received(url)["Body"])["t"], "2026-11-22T02:00:00Z")

    def test_at_in_a_zone_fires_by_itself(self) -> None:
        url, arn = self.queue()
        self.schedule(arn, "at(2026-01-01T03:00:00)", ScheduleExpressionTimezone="Europe/Berlin")
        self.assertEqual(json.loads(self.received(url)["Body"])["t"], "2026-01-01T02:00:00Z")

    def test_due_reads_cron_in_its_zone_across_the_clock_change(self) -> None:
        from additions.schedules import due, within_dates

        def at(text: str) -> float:
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

        berlin = {"ScheduleExpression": "cron(30 3 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin"}
        self.assertEqual(due(berlin, at("2026-10-24T12:00"), at("2026-10-26T00:00")), at("2026-10-25T02:30"))
        self.assertEqual(due(berlin, at("2026-10-23T12:00"), at("2026-10-24T12:00")), at("2026-10-24T01:30"))
        self.assertIsNone(due(berlin, at("2026-10-24T12:00"), at("2026-10-25T02:29")))
        bounded = {"StartDate": "2026-10-25T00:00:00Z", "EndDate": "2026-10-26T00:00:00Z"}
        self.assertTrue(within_dates(bounded, at("2026-10-25T02:30")))
        self.assertFalse(within_dates(bounded, at("2026-10-24T02:30")))

    # ---- mails

    def test_mails_are_kept_and_filtered(self) -> None:
        sns = client("sns", ACCOUNT)
        topic = sns.create_topic(Name="dpc-mails")["TopicArn"]
        policy = json.dumps({"status": ["FAILED"]})
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com", Attributes={"FilterPolicy": policy})
        for status in ("SUCCEEDED", "FAILED"):
            attributes = {"status": {"DataType": "String", "StringValue": status}}
            sns.publish(TopicArn=topic, Subject=f"it {status}", Message="words", MessageAttributes=attributes)
        mails = [m for m in call("GET", "mails") if m["account"] == ACCOUNT]
        found = [(m["to"], m["subject"], m["message"], m["topic"]) for m in mails]
        self.assertEqual(found, [("a@example.com", "it FAILED", "words", "dpc-mails")])


if __name__ == "__main__":
    unittest.main()
