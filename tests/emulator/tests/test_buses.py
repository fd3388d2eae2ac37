"""Buses of other accounts, the organisation, roles of other accounts."""

import json
import unittest
from typing import Any

from .accounts import arn, deploy, function, invoke, seen
from .emulated import call, client, eventually, role

CENTRAL, MEMBER, STRANGER = "100000000091", "100000000092", "100000000093"
BUS = arn("events", CENTRAL, "event-bus/central")


def entry(bus: str = BUS, **detail: Any) -> dict[str, str]:
    return {"EventBusName": bus, "Source": "dpc.account", "DetailType": "said", "Detail": json.dumps(detail)}


class Buses(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        door = function(CENTRAL)
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "events:PutEvents",
            "Resource": BUS,
            "Condition": {
                "StringEquals": {"aws:PrincipalOrgID": "o-emulated00"},
                "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*dpc-account-*"},
            },
        }
        pattern = {"source": ["dpc.account"], "account": [{"anything-but": [STRANGER]}]}
        target = {"Id": "door", "Arn": door, "InputPath": "$.detail"}
        resources = {
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "central"}},
            "Policy": {
                "Type": "AWS::Events::EventBusPolicy",
                "Properties": {"EventBusName": {"Ref": "Bus"}, "StatementId": "members", "Statement": statement},
            },
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {"Name": "r", "EventBusName": {"Ref": "Bus"}, "EventPattern": pattern, "Targets": [target]},
            },
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction", "FunctionName": door, "Principal": "events.amazonaws.com",
                    "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
                },
            },
        }  # fmt: skip
        assert deploy(CENTRAL, "central", resources) == "CREATE_COMPLETE"
        for account in (MEMBER, STRANGER):
            function(account, "told", "dpc-account-eu-central-1")
            function(account, "other", "other")
        call("POST", "organization", {"outsiders": [STRANGER]})

    @classmethod
    def tearDownClass(cls) -> None:
        call("POST", "organization", {"outsiders": []})

    def refused(self, answer: Any) -> str:
        self.assertEqual(answer["FailedEntryCount"], 1, answer)
        self.assertEqual(answer["Entries"][0]["ErrorCode"], "AccessDeniedException")
        return str(answer["Entries"][0]["ErrorMessage"])

    def test_a_member_s_role_gets_through_and_its_account_is_told(self) -> None:
        answer = invoke(MEMBER, "told", {"put": entry(account="nobody", n=1)})
        self.assertEqual(answer["FailedEntryCount"], 0, answer)
        eventually(lambda: {"account": "nobody", "n": 1} in seen(CENTRAL))

    def test_the_policy_names_role_and_organisation(self) -> None:
        said = self.refused(invoke(MEMBER, "other", {"put": entry()}))
        who = f"arn:aws:iam::{MEMBER}:role/other"
        because = "because no resource-based policy allows the events:PutEvents action"
        self.assertEqual(said, f"User: {who} is not authorized to perform: events:PutEvents on resource: {BUS} {because}")
        self.refused(invoke(STRANGER, "told", {"put": entry()}))
        self.refused(client("events", MEMBER).put_events(Entries=[entry()]))  # as root
        self.refused(invoke(MEMBER, "told", {"put": entry(arn("events", CENTRAL, "event-bus/gone"))}))

    def test_an_own_bus_needs_no_policy_and_entries_are_judged_one_by_one(self) -> None:
        good, bad = {**entry(), "EventBusName": "default"}, {**entry(), "Detail": "no JSON"}
        answer = client("events", MEMBER).put_events(Entries=[good, bad, entry()])
        self.assertEqual([e.get("ErrorCode") for e in answer["Entries"]], [None, "MalformedDetail", "AccessDeniedException"])
        self.assertEqual(answer["FailedEntryCount"], 2)

    def test_a_list_of_accounts_admits_them(self) -> None:
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "s", "Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam::{MEMBER}:root"]},
                    "Action": "events:PutEvents", "Resource": arn("events", CENTRAL, "event-bus/listed"),
                }
            ],
        }  # fmt: skip
        bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "listed", "Policy": policy}}
        self.assertEqual(deploy(CENTRAL, "listed", {"Bus": bus}), "CREATE_COMPLETE")
        put = entry(arn("events", CENTRAL, "event-bus/listed"))
        self.assertEqual(invoke(MEMBER, "told", {"put": put})["FailedEntryCount"], 0)
        self.refused(invoke(STRANGER, "told", {"put": put}))

    def test_a_policy_goes_with_its_stack(self) -> None:
        resources = {
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "open"}},
            "Policy": {
                "Type": "AWS::Events::EventBusPolicy",
                "Properties": {"EventBusName": {"Ref": "Bus"}, "StatementId": "s", "Principal": MEMBER, "Action": "events:PutEvents"},
            },
        }
        self.assertEqual(deploy(CENTRAL, "open", resources), "CREATE_COMPLETE")
        events = client("events", CENTRAL)
        self.assertIn(MEMBER, events.describe_event_bus(Name="open")["Policy"])
        client("cloudformation", CENTRAL).delete_stack(StackName="open")
        eventually(lambda: "open" not in [b["Name"] for b in events.list_event_buses()["EventBuses"]])

    def test_a_rule_hands_on_to_a_bus_of_another_account_once(self) -> None:
        events = client("events", MEMBER)
        events.put_rule(Name="on", EventPattern=json.dumps({"source": ["onwards"]}))
        sender = role(MEMBER, "dpc-account-eu-central-1")
        events.put_targets(Rule="on", Targets=[{"Id": "b", "Arn": BUS, "RoleArn": sender}])
        client("events", CENTRAL).put_rule(Name="on", EventBusName="central", EventPattern=json.dumps({"source": ["onwards"]}))
        queue = client("sqs", CENTRAL)
        allowed = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}}]}
        url = queue.create_queue(QueueName="onwards", Attributes={"Policy": json.dumps(allowed)})["QueueUrl"]
        client("events", CENTRAL).put_targets(
            Rule="on", EventBusName="central", Targets=[{"Id": "q", "Arn": arn("sqs", CENTRAL, "onwards")}]
        )
        events.put_events(Entries=[{"Source": "onwards", "DetailType": "t", "Detail": "{}"}])
        message = eventually(lambda: queue.receive_message(QueueUrl=url).get("Messages"))[0]
        self.assertEqual(json.loads(message["Body"])["account"], MEMBER)

    def test_the_organisation_has_one_id(self) -> None:
        found = client("organizations", MEMBER).describe_organization()["Organization"]
        self.assertEqual(found["Id"], "o-emulated00")
        with self.assertRaisesRegex(Exception, "not a member of an organization"):
            client("organizations", STRANGER).describe_organization()

    # ---- faults

    def test_events_are_lost_doubled_and_late(self) -> None:
        for effect, pattern in (("drop", {"detail": {"n": [10]}}), ("double", {"detail": {"n": [11]}}), ("delay", {"detail": {"n": [12]}})):
            call("POST", "faults/events", {"effect": effect, "bus": "central", "account": CENTRAL, "pattern": pattern, "seconds": 1.5})
        for n in (10, 12, 11, 13):
            self.assertEqual(invoke(MEMBER, "told", {"put": entry(n=n)})["FailedEntryCount"], 0)

        def numbers() -> list[int]:
            return [e["n"] for e in seen(CENTRAL) if e.get("n", 0) >= 10]

        self.assertIn("events", call("GET", "busy"))
        eventually(lambda: len(numbers()) == 4)
        eventually(lambda: call("GET", "busy") == {})
        self.assertEqual((sorted(numbers()), numbers()[-1]), ([11, 11, 12, 13], 12))

    def test_one_entry_fails(self) -> None:
        call("POST", "faults/fail-entry", {"code": "ThrottlingException", "detailType": "said"})
        entries = [{"Source": "s", "DetailType": kind, "Detail": "{}"} for kind in ("other", "said", "said")]
        answer = client("events", MEMBER).put_events(Entries=entries)
        self.assertEqual([e.get("ErrorCode") for e in answer["Entries"]], [None, "ThrottlingException", None])

    def test_a_function_fails_before_or_after_its_work(self) -> None:
        for n, after in ((30, False), (31, True)):
            call("POST", "faults/fail-function", {"function": "told", "account": MEMBER, "after": after})
            self.assertEqual(invoke(MEMBER, "told", {"n": n})["errorMessage"], "on purpose")
        self.assertEqual([e["n"] for e in seen(MEMBER) if "n" in e], [31])


class Reading(unittest.TestCase):
    """A role of another account, taken on and held to its policies."""

    OWNER, READER = "100000000094", "100000000095"

    @classmethod
    def setUpClass(cls) -> None:
        function(cls.READER, "reader", "dpc-account-eu-central-1")
        function(cls.READER, "other", "other")
        iam, table = client("iam", cls.OWNER), client("dynamodb", cls.OWNER)
        trust = {
            "Statement": [
                {
                    "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"},
                    "Condition": {
                        "StringEquals": {"aws:PrincipalOrgID": "o-emulated00"},
                        "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/dpc-account-*"},
                    },
                }
            ]
        }  # fmt: skip
        cls.role = iam.create_role(RoleName="reading", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": arn("dynamodb", cls.OWNER, "table/facts")}
        iam.put_role_policy(RoleName="reading", PolicyName="p", PolicyDocument=json.dumps({"Statement": [allowed]}))
        for name in ("facts", "secrets"):
            table.create_table(
                TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            )  # fmt: skip
            table.put_item(TableName=name, Item={"k": {"S": "a"}, "v": {"S": name}})

    def read(self, name: str, table: str, **more: Any) -> Any:
        asked = {"role": self.role, "table": table, "more": {"Key": {"k": {"S": "a"}}}}
        return invoke(self.READER, name, {"read": asked | more})

    def test_the_trusted_reads_what_the_role_may(self) -> None:
        self.assertEqual(self.read("reader", "facts")["Item"]["v"], {"S": "facts"})

    def test_others_are_not_let_in_and_nobody_gets_further(self) -> None:
        self.assertIn("is not authorized to perform: sts:AssumeRole", self.read("other", "facts")["errorMessage"])
        self.assertIn("dynamodb:GetItem", self.read("reader", "secrets")["errorMessage"])
        self.assertIn("dynamodb:DeleteItem", self.read("reader", "facts", call="delete_item")["errorMessage"])
        missing = self.role.replace("reading", "missing")
        self.assertIn("sts:AssumeRole", self.read("reader", "facts", role=missing)["errorMessage"])

    def test_root_is_let_in_only_by_name(self) -> None:
        with self.assertRaisesRegex(Exception, "AccessDenied"):
            client("sts", self.READER).assume_role(RoleArn=self.role, RoleSessionName="some")


if __name__ == "__main__":
    unittest.main()
