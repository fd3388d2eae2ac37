"""ECS: task definitions from templates, tasks that really run, and Step Functions' integration."""

import json
import unittest
from typing import Any

import botocore.exceptions

from . import jobs
from .emulated import client, eventually, role

ACCOUNT = "100000000021"


class Ecs(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.ecs, cls.logs = client("ecs", ACCOUNT), client("logs", ACCOUNT)
        cls.ecs.create_cluster(clusterName="c", capacityProviders=["FARGATE", "FARGATE_SPOT"])
        cls.logs.create_log_group(logGroupName="/tasks")
        cls.secret = client("secretsmanager", ACCOUNT).create_secret(Name="s", SecretString='{"k": "hidden"}')["ARN"]
        subnet, group = jobs.network(ACCOUNT)
        cls.vpc = {"AwsvpcConfiguration": {"Subnets": [subnet], "SecurityGroups": [group], "AssignPublicIp": "DISABLED"}}
        cls.role = role(ACCOUNT, "task", "ecs-tasks.amazonaws.com")

    def definition(self, family: str, command: list[str], **more: Any) -> str:
        """A task definition, made by a template."""
        options = {"awslogs-group": "/tasks", "awslogs-stream-prefix": "p", "awslogs-region": "eu-central-1"}
        container = {
            "Name": "main",
            "Image": "alpine",
            "Command": command,
            "Environment": [{"Name": "A", "Value": "a"}],
            "Secrets": [{"Name": "S", "ValueFrom": f"{self.secret}:k::"}],
            "LogConfiguration": {"LogDriver": "awslogs", "Options": options},
        } | more
        properties = {
            "Family": family,
            "Cpu": "256",
            "Memory": "512",
            "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "ExecutionRoleArn": self.role,
            "TaskRoleArn": self.role,
            "RuntimePlatform": {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"},
            "ContainerDefinitions": [container],
        }
        cloudformation = client("cloudformation", ACCOUNT)
        body = json.dumps({"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}}})
        cloudformation.create_stack(StackName=family, TemplateBody=body)

        def look() -> Any:
            stack = cloudformation.describe_stacks(StackName=family)["Stacks"][0]
            return stack["StackStatus"] != "CREATE_IN_PROGRESS" and stack["StackStatus"]

        self.assertEqual(eventually(look), "CREATE_COMPLETE")
        resources = cloudformation.describe_stack_resources(StackName=family)["StackResources"]
        return str(resources[0]["PhysicalResourceId"])

    def arguments(self, definition: str, **more: Any) -> dict[str, Any]:
        return {"Cluster": "c", "TaskDefinition": definition, "LaunchType": "FARGATE", "NetworkConfiguration": self.vpc} | more

    def output(self, definition: str, resource: str = "ecs:runTask.sync", **more: Any) -> Any:
        return json.loads(jobs.machine(ACCOUNT, resource, self.arguments(definition, **more)).run()["output"])

    def test_a_task_runs_with_its_environment_and_logs(self) -> None:
        arn = self.definition("runs", ["sh", "-c", 'echo "$A $B $S $AWS_ACCESS_KEY_ID"; echo err >&2'])
        overrides = {"ContainerOverrides": [{"Name": "main", "Environment": [{"Name": "B", "Value": "{% 'b' & 1 %}"}]}]}
        task = self.output(arn, Overrides=overrides)
        self.assertEqual((task["LastStatus"], task["Containers"][0]["ExitCode"]), ("STOPPED", 0), task)
        self.assertEqual(task["StartedBy"], "AWS Step Functions")
        self.assertIsInstance(task["StoppedAt"], int)
        stream = f"p/main/{task['TaskArn'].rsplit('/', 1)[-1]}"
        lines = [e["message"] for e in self.logs.get_log_events(logGroupName="/tasks", logStreamName=stream)["events"]]
        self.assertEqual(sorted(lines), [f"a b1 hidden {ACCOUNT}", "err"])

    def test_the_exit_code_fails_the_state(self) -> None:
        found = self.output(self.definition("fails", ["sh", "-c", "exit 3"]))
        self.assertEqual(found["Error"], "States.TaskFailed")
        task = json.loads(found["Cause"])
        self.assertEqual((task["Containers"][0]["ExitCode"], task["StopCode"]), (3, "EssentialContainerExited"))
        self.assertEqual(task["StoppedReason"], "Essential container in task exited")

    def test_what_cannot_start(self) -> None:
        missing = {"Secrets": [{"Name": "S", "ValueFrom": self.secret.replace(":secret:s", ":secret:none")}]}
        options = {"awslogs-group": "/nothing", "awslogs-stream-prefix": "p", "awslogs-region": "eu-central-1"}
        cases = {
            "no-command": (["/no/such/file"], {}, "Task failed to start"),
            "no-secret": (["true"], missing, "unable to pull secrets"),
            "no-group": (["true"], {"LogConfiguration": {"LogDriver": "awslogs", "Options": options}}, "logger args"),
        }
        for family, (command, more, sentence) in cases.items():
            found = self.output(self.definition(family, command, **more))
            self.assertEqual(found["Error"], "States.TaskFailed", family)
            cause = json.loads(found["Cause"])
            self.assertEqual(cause["StopCode"], "TaskFailedToStart")
            self.assertIn(sentence, cause["StoppedReason"])

    def test_without_sync_the_tasks_are_returned_at_once(self) -> None:
        found = self.output(self.definition("later", ["sleep", "600"]), "ecs:runTask", Count=2)
        self.assertEqual((len(found["Tasks"]), found["Failures"]), (2, []))
        listed = self.ecs.list_tasks(cluster="c", family="later")["taskArns"]
        self.assertEqual(sorted(listed), sorted(t["TaskArn"] for t in found["Tasks"]))
        for task in found["Tasks"]:
            self.ecs.stop_task(cluster="c", task=task["TaskArn"], reason="enough")
        arns = [t["TaskArn"] for t in found["Tasks"]]

        def stopped() -> Any:
            tasks = self.ecs.describe_tasks(cluster="c", tasks=arns)["tasks"]
            return all(t["lastStatus"] == "STOPPED" for t in tasks) and tasks

        tasks = eventually(stopped)
        self.assertEqual({(t["stoppedReason"], t["stopCode"]) for t in tasks}, {("enough", "UserInitiated")})
        self.assertEqual({t["containers"][0].get("exitCode") for t in tasks} - {143, None}, set())

    def test_a_timeout_and_an_abort_stop_the_task(self) -> None:
        arn = self.definition("long", ["sleep", "600"])
        machine = jobs.machine(ACCOUNT, "ecs:runTask.sync", self.arguments(arn), TimeoutSeconds=1)
        self.assertEqual(json.loads(machine.run()["output"])["Error"], "States.Timeout")
        arns = eventually(lambda: self.ecs.list_tasks(cluster="c", family="long", desiredStatus="STOPPED")["taskArns"])
        eventually(lambda: self.ecs.describe_tasks(cluster="c", tasks=arns)["tasks"][0]["lastStatus"] == "STOPPED")
        machine = jobs.machine(ACCOUNT, "ecs:runTask.sync", self.arguments(arn))
        execution = machine.start()
        eventually(lambda: self.ecs.list_tasks(cluster="c", family="long")["taskArns"])
        machine.sfn.stop_execution(executionArn=execution)
        eventually(lambda: not self.ecs.list_tasks(cluster="c", family="long")["taskArns"])

    def test_a_failing_sibling_stops_the_task(self) -> None:
        arn = self.definition("sibling", ["sleep", "600"])
        task = {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Arguments": self.arguments(arn), "End": True}
        wait = {"Type": "Wait", "Seconds": 50, "Next": "no"}
        branches = [
            {"StartAt": "long", "States": {"long": task}},
            {"StartAt": "wait", "States": {"wait": wait, "no": {"Type": "Fail", "Error": "Mine", "Cause": "c"}}},
        ]
        both = {"Type": "Parallel", "Branches": branches, "End": True}
        done = jobs.Machine(ACCOUNT, {"both": both}, "both").run()
        self.assertEqual(done["error"], "Mine")
        eventually(lambda: not self.ecs.list_tasks(cluster="c", family="sibling")["taskArns"])

    def test_refusals_have_the_apis_names(self) -> None:
        arn = self.definition("refused", ["true"])
        self.assertEqual(self.output(arn, Cluster="nowhere")["Error"], "ECS.ClusterNotFoundException")
        self.assertEqual(self.output("nothing")["Error"], "ECS.ClientException")
        other = {"ContainerOverrides": [{"Name": "other", "Environment": []}]}
        self.assertEqual(self.output(arn, Overrides=other)["Error"], "ECS.InvalidParameterException")
        for wrong, sentence in (({"Clutser": "c"}, '"Clutser"'), ({"cluster": "c"}, '"cluster"'), ({"Count": "1"}, "count")):
            done = jobs.machine(ACCOUNT, "ecs:runTask.sync", self.arguments(arn) | wrong).run()
            self.assertEqual(done["error"], "States.Runtime", wrong)
            self.assertIn(sentence, done["cause"])
        done = jobs.machine(ACCOUNT, "ecs:runTask.sync", {"Cluster": "c"}).run()
        self.assertIn('Missing required parameter in input: "TaskDefinition"', done["cause"])

    def test_the_role_must_be_allowed(self) -> None:
        arn = self.definition("denied", ["true"])
        steps = [
            ("ecs:RunTask", "iam:PassRole"),
            ("ecs:RunTask", "ecs:DescribeTasks", "ecs:StopTask"),
        ]
        missing = ["ecs:DescribeTasks", "iam:PassRole"]
        for allowed, action in zip(steps, missing, strict=True):
            machine = jobs.machine(ACCOUNT, "ecs:runTask.sync", self.arguments(arn), allowed)
            found = json.loads(machine.run()["output"])
            self.assertEqual(found["Error"], "ECS.AccessDeniedException")
            self.assertIn(f"not authorized to perform: {action}", found["Cause"])

    def test_fargate_takes_some_sizes(self) -> None:
        container = [{"name": "main", "image": "alpine"}]
        fargate: dict[str, Any] = {"family": "size", "requiresCompatibilities": ["FARGATE"], "containerDefinitions": container}
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "No Fargate configuration"):
            self.ecs.register_task_definition(**fargate, networkMode="awsvpc", cpu="256", memory="4096")
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "network mode"):
            self.ecs.register_task_definition(**fargate, networkMode="bridge", cpu="256", memory="512")


if __name__ == "__main__":
    unittest.main()
