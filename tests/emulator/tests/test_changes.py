"""Change sets and templates of stacks: what a difference is made of."""

import json
import unittest
from typing import Any

from .emulated import client, eventually, role

ACCOUNT = "100000000071"


class Changes(unittest.TestCase):
    def setUp(self) -> None:
        self.cloudformation = client("cloudformation", ACCOUNT)

    def body(self, command: str, name: str, queue: int, machine: str = "a") -> str:
        container = {"Name": "main", "Image": "alpine", "Command": [command]}
        task = {"Family": "f", "ContainerDefinitions": [container]}
        definition = {"StartAt": machine, "States": {machine: {"Type": "Succeed"}}}
        resources = {
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task},
            "App": {"Type": "AWS::EMRServerless::Application", "Properties": {"Name": name, "Type": "SPARK", "ReleaseLabel": "emr-7.5.0"}},
            "Queue": {"Type": "AWS::Batch::JobQueue", "Properties": {"JobQueueName": "changed", "Priority": queue, "ComputeEnvironmentOrder": []}},
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"StateMachineName": "changed", "RoleArn": role(ACCOUNT), "Definition": definition},
            },
        }
        return json.dumps({"Resources": resources})

    def change_set(self, stack: str, body: str, kind: str, name: str) -> dict[str, Any]:
        self.cloudformation.create_change_set(StackName=stack, ChangeSetName=name, TemplateBody=body, ChangeSetType=kind)

        def look() -> Any:
            found = self.cloudformation.describe_change_set(StackName=stack, ChangeSetName=name)
            return found["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS") and found

        found: dict[str, Any] = eventually(look)
        return found

    def execute(self, stack: str, name: str, status: str) -> None:
        self.cloudformation.execute_change_set(StackName=stack, ChangeSetName=name)
        eventually(lambda: self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == status)

    def test_replacements_are_told_and_made(self) -> None:
        first = self.body("one", "first", 1)
        self.change_set("changes", first, "CREATE", "c1")
        self.execute("changes", "c1", "CREATE_COMPLETE")
        taken = self.cloudformation.get_template(StackName="changes", TemplateStage="Original")["TemplateBody"]
        self.assertEqual(json.loads(taken) if isinstance(taken, str) else taken, json.loads(first))
        before = self.physical()
        found = self.change_set("changes", self.body("two", "second", 2, "b"), "UPDATE", "c2")
        changes = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in found["Changes"]}
        self.assertEqual(
            {name: change.get("Replacement") for name, change in changes.items()},
            {"Task": "True", "App": "True", "Queue": "False", "Machine": "False"},
        )
        targets = {(d["Target"]["Name"], d["Target"]["RequiresRecreation"]) for d in changes["Task"]["Details"]}
        self.assertEqual(targets, {("ContainerDefinitions", "Always")})
        self.execute("changes", "c2", "UPDATE_COMPLETE")
        after = self.physical()
        self.assertEqual({name for name in before if before[name] != after[name]}, {"Task", "App"})
        states = client("emr-serverless", ACCOUNT).list_applications()["applications"]
        self.assertEqual([a["name"] for a in states], ["second"])

    def physical(self) -> dict[str, str]:
        found = self.cloudformation.describe_stack_resources(StackName="changes")["StackResources"]
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found}


if __name__ == "__main__":
    unittest.main()
