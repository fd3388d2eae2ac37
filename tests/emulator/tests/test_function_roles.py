"""What functions do without their role's leave."""

import io
import json
import unittest
import zipfile

from . import jobs
from .emulated import call, client, role

ACCOUNT = "100000000081"
CODE = """
import botocore.session, os
def handler(event, context):
    s3 = botocore.session.get_session().create_client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="eu-central-1")
    return s3.get_object(Bucket=event["bucket"], Key=event["key"])["Body"].read().decode()
"""


class FunctionRoles(unittest.TestCase):
    def test_a_call_beyond_the_role_is_noted(self) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("main.py", CODE)
        arn = role(ACCOUNT, "reader", allowed=())
        bucket = jobs.bucket(ACCOUNT)
        statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/mine/*"}
        document = json.dumps({"Statement": [statement]})
        client("iam", ACCOUNT).put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document)
        functions = client("lambda", ACCOUNT)
        functions.create_function(
            FunctionName="reader", Runtime="python3.12", Handler="main.handler", Role=arn, Code={"ZipFile": packed.getvalue()}
        )
        for key in ("mine/a", "other/a"):
            jobs.put(ACCOUNT, key, "content")
            payload = json.dumps({"bucket": bucket, "key": key}).encode()
            answer = functions.invoke(FunctionName="reader", Payload=payload)
            self.assertEqual(json.load(answer["Payload"]), "content")
        found = [d for d in call("GET", "denied") if d["function"] == "reader"]
        expected = {"function": "reader", "role": arn, "action": "s3:GetObject", "resource": f"arn:aws:s3:::{bucket}/other/a"}
        self.assertEqual(found, [expected])


if __name__ == "__main__":
    unittest.main()
