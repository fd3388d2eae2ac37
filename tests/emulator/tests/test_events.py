"""Objects of S3 as events, and rules of templates that hand them to a function."""

import io
import json
import unittest
import zipfile
from typing import Any

from .emulated import REGION, client, eventually, role

ACCOUNT = "100000000061"
CODE = """
import botocore.session, json, os
def handler(event, context):
    client = botocore.session.get_session().create_client("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="eu-central-1")
    client.put_item(TableName="seen", Item={"k": {"S": event["key"]}, "e": {"S": json.dumps(event)}})
"""


class Events(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("main.py", CODE)
        made = client("lambda", ACCOUNT).create_function(
            FunctionName="door", Runtime="python3.12", Handler="main.handler", Role=role(ACCOUNT), Code={"ZipFile": packed.getvalue()}
        )
        cls.arn = made["FunctionArn"]
        cls.table = client("dynamodb", ACCOUNT)
        cls.table.create_table(
            TableName="seen", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        )  # fmt: skip
        cls.sqs = client("sqs", ACCOUNT)
        cls.dead = cls.sqs.create_queue(QueueName="dead")["QueueUrl"]
        pattern = {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {
                "bucket": {"name": ["incoming-61"]},
                "object": {"key": [{"wildcard": "in/*.csv"}, {"prefix": "other/"}]},
            },
        }
        transformer = {
            "InputPathsMap": {"id": "$.id", "time": "$.time"},
            "InputTemplate": '{"version": 1, "source": "event", "key": "<id>", "eventTime": "<time>", "event": <aws.events.event.json>}',
        }
        target = {"Id": "door", "Arn": cls.arn, "InputTransformer": transformer, "DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"}}
        resources = {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {"BucketName": "incoming-61", "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}},
            },
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {"Name": "dpc-x-1", "EventPattern": pattern, "Targets": [target]}},
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": cls.arn,
                    "Principal": "events.amazonaws.com",
                    "SourceArn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/dpc-*",
                },
            },
        }
        cloudformation = client("cloudformation", ACCOUNT)
        cloudformation.create_stack(StackName="events", TemplateBody=json.dumps({"Resources": resources}))

        def look() -> Any:
            found = cloudformation.describe_stacks(StackName="events")["Stacks"][0]["StackStatus"]
            return found != "CREATE_IN_PROGRESS" and found

        assert eventually(look) == "CREATE_COMPLETE"

    def seen(self) -> list[Any]:
        return [json.loads(i["e"]["S"]) for i in self.table.scan(TableName="seen")["Items"]]

    def test_a_matching_object_reaches_the_function_transformed(self) -> None:
        s3 = client("s3", ACCOUNT)
        for key in ("in/a.csv", "in/a.txt", "elsewhere/a.csv", "other/x"):
            s3.put_object(Bucket="incoming-61", Key=key, Body=b"x")
        found = eventually(lambda: len(f := self.seen()) >= 2 and f)
        self.assertEqual(sorted(f["event"]["detail"]["object"]["key"] for f in found), ["in/a.csv", "other/x"])
        one = found[0]
        self.assertEqual((one["source"], one["version"]), ("event", 1))
        self.assertEqual((one["key"], one["eventTime"]), (one["event"]["id"], one["event"]["time"]))
        self.assertEqual(one["event"]["detail"]["bucket"]["name"], "incoming-61")
        self.assertEqual(len(self.seen()), 2)


if __name__ == "__main__":
    unittest.main()
