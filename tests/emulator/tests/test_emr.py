"""EMR: clusters, steps that really run, and Step Functions' integrations for them."""

import gzip
import json
import threading
import time
import unittest
from typing import Any

import botocore.exceptions

from .emulated import REGION, Machine, client, eventually, role

ACCOUNT = "100000000002"
RUNNER_JAR = f"s3://{REGION}.elasticmapreduce/libs/script-runner/script-runner.jar"
BUCKET = "emr-tests"


def cluster_arguments(**more: Any) -> dict[str, Any]:
    """Arguments that EMR accepts."""
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m6g.xlarge", "InstanceCount": 1}]
    return {
        "Name": "run",
        "ReleaseLabel": "emr-7.5.0",
        "LogUri": f"s3://{BUCKET}/logs/",
        "ServiceRole": "service",
        "JobFlowRole": "node",
        "Instances": {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True},
    } | more


def step_arguments(*arguments: str, name: str = "step", action: str = "CONTINUE") -> dict[str, Any]:
    return {"Name": name, "ActionOnFailure": action, "HadoopJarStep": {"Jar": RUNNER_JAR, "Args": list(arguments)}}


class Emr(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.emr, cls.s3 = client("emr", ACCOUNT), client("s3", ACCOUNT)
        iam = client("iam", ACCOUNT)
        role(ACCOUNT, "service", "elasticmapreduce.amazonaws.com")
        role(ACCOUNT, "node", "ec2.amazonaws.com")
        iam.create_instance_profile(InstanceProfileName="node")
        iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
        iam.create_instance_profile(InstanceProfileName="renamed")
        iam.add_role_to_instance_profile(InstanceProfileName="renamed", RoleName="node")
        cls.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def script(self, text: str) -> str:
        key = f"scripts/{abs(hash(text))}.sh"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        return f"s3://{BUCKET}/{key}"

    def cluster(self, **more: Any) -> str:
        return str(self.emr.run_job_flow(**cluster_arguments(**more))["JobFlowId"])

    def state(self, cluster: str) -> str:
        return str(self.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"])

    def step(self, cluster: str, *arguments: str, **more: str) -> str:
        added = self.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step_arguments(*arguments, **more)])
        return str(added["StepIds"][0])

    def ended(self, cluster: str, step: str) -> dict[str, Any]:
        def look() -> Any:
            found = self.emr.describe_step(ClusterId=cluster, StepId=step)["Step"]
            return found["Status"]["State"] not in ("PENDING", "RUNNING") and found

        found: dict[str, Any] = eventually(look)
        return found

    def log(self, cluster: str, step: str, name: str) -> str:
        body = self.s3.get_object(Bucket=BUCKET, Key=f"logs/{cluster}/steps/{step}/{name}.gz")["Body"].read()
        return gzip.decompress(body).decode()

    def test_a_step_runs_and_leaves_its_logs(self) -> None:
        cluster = self.cluster()
        step = self.step(cluster, self.script('echo "out $1 $2"; echo "$AWS_ACCESS_KEY_ID" >&2'), "a b", "$c")
        done = self.ended(cluster, step)
        self.assertEqual(done["Status"]["State"], "COMPLETED")
        self.assertEqual(self.log(cluster, step, "stdout"), "out a b $c\n")
        self.assertEqual(self.log(cluster, step, "stderr"), f"{ACCOUNT}\n")
        self.assertLess(done["Status"]["Timeline"]["StartDateTime"], done["Status"]["Timeline"]["EndDateTime"])
        self.assertEqual(self.state(cluster), "WAITING")

    def test_the_exit_code_fails_the_step(self) -> None:
        cluster = self.cluster()
        done = self.ended(cluster, self.step(cluster, self.script("exit 3")))
        self.assertEqual(done["Status"]["State"], "FAILED")
        self.assertIn("exit code 3", done["Status"]["FailureDetails"]["Message"])
        self.assertTrue(done["Status"]["FailureDetails"]["LogFile"].startswith(f"s3://{BUCKET}/logs/{cluster}/steps/"))

    def test_a_script_that_is_not_there_fails_the_step(self) -> None:
        cluster = self.cluster()
        step = self.step(cluster, f"s3://{BUCKET}/nothing.sh")
        self.assertEqual(self.ended(cluster, step)["Status"]["State"], "FAILED")
        self.assertIn("nothing.sh", self.log(cluster, step, "stderr"))

    def test_aws_s3_cp_works_in_a_step(self) -> None:
        self.s3.put_object(Bucket=BUCKET, Key="in", Body=b"content")
        text = f"set -e; aws s3 cp --only-show-errors s3://{BUCKET}/in here; cat here; echo -n up | aws s3 cp - s3://{BUCKET}/out; aws s3 ls"
        cluster = self.cluster()
        step = self.step(cluster, self.script(text))
        self.assertIn("exit code 252", self.ended(cluster, step)["Status"]["FailureDetails"]["Message"])
        self.assertIn("content", self.log(cluster, step, "stdout"))
        self.assertIn("`aws s3 ls` is not there", self.log(cluster, step, "stderr"))
        self.assertEqual(self.s3.get_object(Bucket=BUCKET, Key="out")["Body"].read(), b"up")

    def test_spark_submit_runs_a_python_file_and_says_how(self) -> None:
        text = "echo 'import sys; print(sys.argv[1:])' > a.py; spark-submit --conf spark.x=1 --deploy-mode cluster a.py 1 2; spark-submit b.jar"
        cluster = self.cluster()
        step = self.step(cluster, self.script(text))
        self.assertEqual(self.ended(cluster, step)["Status"]["State"], "FAILED")
        self.assertEqual(self.log(cluster, step, "stdout"), "['1', '2']\n")
        self.assertIn("plain Python", self.log(cluster, step, "stderr"))
        self.assertIn("b.jar needs a real Spark", self.log(cluster, step, "stderr"))

    def test_concurrency_is_the_clusters(self) -> None:
        script = self.script("sleep 0.5")
        for level in (1, 3):
            cluster = self.cluster(StepConcurrencyLevel=level)
            steps = [self.step(cluster, script) for _ in range(3)]
            times = [self.ended(cluster, step)["Status"]["Timeline"] for step in steps]
            at_once = max(
                sum(o["StartDateTime"] <= t["StartDateTime"] < o["EndDateTime"] for o in times) for t in times
            )
            self.assertEqual(at_once, level)

    def test_only_continue_with_concurrency(self) -> None:
        cluster = self.cluster(StepConcurrencyLevel=2)
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "TERMINATE_CLUSTER is not valid"):
            self.step(cluster, self.script("true"), action="TERMINATE_CLUSTER")

    def test_termination_kills_what_runs(self) -> None:
        cluster = self.cluster()
        step = self.step(cluster, self.script("sleep 600"))
        eventually(lambda: self.state(cluster) == "RUNNING")
        self.emr.terminate_job_flows(JobFlowIds=[cluster])
        self.assertEqual(self.ended(cluster, step)["Status"]["State"], "CANCELLED")
        self.assertEqual(self.state(cluster), "TERMINATED")
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "may not be modified"):
            self.step(cluster, self.script("true"))

    def test_list_clusters_filters(self) -> None:
        before = time.time() - 1
        old, new = self.cluster(Name="old"), self.cluster(Name="new")
        self.emr.terminate_job_flows(JobFlowIds=[old])
        found = self.emr.list_clusters(CreatedAfter=before, ClusterStates=["STARTING", "WAITING", "RUNNING"])["Clusters"]
        ids = [c["Id"] for c in found]
        self.assertIn(new, ids)
        self.assertNotIn(old, ids)
        self.assertEqual(self.emr.list_clusters(CreatedAfter=time.time() + 60)["Clusters"], [])

    def test_what_a_cluster_names_must_exist(self) -> None:
        group = cluster_arguments()["Instances"]["InstanceGroups"]
        cases = {
            "Invalid InstanceProfile: nobody": {"JobFlowRole": "nobody"},
            "Invalid InstanceProfile: renamed": {"JobFlowRole": "renamed"},
            "Invalid ServiceRole": {"ServiceRole": "nobody"},
            "does not exist": {"Instances": {"InstanceGroups": group, "Ec2SubnetId": "subnet-1"}},
            "log bucket": {"LogUri": "s3://nowhere/logs"},
        }
        for sentence, wrong in cases.items():
            with self.subTest(sentence), self.assertRaisesRegex(botocore.exceptions.ClientError, sentence):
                self.cluster(**wrong)

    # ---- through Step Functions

    def machine(self, script: str, **task: Any) -> Machine:
        states = {
            "create": {
                "Type": "Task",
                "Resource": "arn:aws:states:::elasticmapreduce:createCluster.sync",
                "Arguments": cluster_arguments(Name="{% $states.context.Execution.Name %}"),
                "Assign": {"cluster": "{% $states.result.ClusterId %}"},
                "Next": "step",
            },
            "step": {
                "Type": "Task",
                "Resource": "arn:aws:states:::elasticmapreduce:addStep.sync",
                "Arguments": {"ClusterId": "{% $cluster %}", "Step": step_arguments(self.script(script))},
                "Next": "release",
            }
            | task,
            "release": {
                "Type": "Task",
                "Resource": "arn:aws:states:::elasticmapreduce:terminateCluster.sync",
                "Arguments": {"ClusterId": "{% $cluster %}"},
                "Output": "{% $states.input %}",
                "End": True,
            },
        }
        return Machine(ACCOUNT, states, "create")

    def test_a_machine_creates_runs_and_releases(self) -> None:
        machine = self.machine("true")
        arn = machine.start(name="whole")
        self.assertEqual(machine.end(arn)["status"], "SUCCEEDED")
        found = [c for c in self.emr.list_clusters()["Clusters"] if c["Name"] == "whole"]
        self.assertEqual([c["Status"]["State"] for c in found], ["TERMINATED"])
        self.assertIn("TaskSubmitted", [e["type"] for e in machine.history(arn)])

    def test_a_failing_step_is_task_failed_with_its_description(self) -> None:
        catch = [{"ErrorEquals": ["States.TaskFailed"], "Next": "release", "Output": "{% $states.errorOutput %}"}]
        machine = self.machine("exit 7", Catch=catch)
        output = json.loads(machine.run()["output"])
        self.assertEqual(output["Error"], "States.TaskFailed")
        cause = json.loads(output["Cause"])
        self.assertEqual(cause["Step"]["Status"]["State"], "FAILED")
        self.assertIn("exit code 7", cause["Step"]["Status"]["FailureDetails"]["Message"])

    def test_a_task_timeout_kills_the_step(self) -> None:
        machine = self.machine("sleep 600", TimeoutSeconds=1)
        done = machine.run(name="late")
        self.assertEqual((done["status"], done["error"]), ("FAILED", "States.Timeout"))
        cluster = next(c["Id"] for c in self.emr.list_clusters()["Clusters"] if c["Name"] == "late")

        def states() -> list[str]:
            return [s["Status"]["State"] for s in self.emr.list_steps(ClusterId=cluster)["Steps"]]

        eventually(lambda: states() == ["CANCELLED"])  # the execution does not wait for what it cancels
        eventually(lambda: self.state(cluster) == "WAITING")  # nothing in the machine released it

    def test_stop_execution_kills_the_step_and_leaves_the_cluster(self) -> None:
        machine = self.machine("sleep 600")
        arn = machine.start(name="stopped")

        def cluster() -> Any:
            return next((c for c in self.emr.list_clusters()["Clusters"] if c["Name"] == "stopped"), None)

        eventually(lambda: (c := cluster()) and c["Status"]["State"] == "RUNNING")
        machine.sfn.stop_execution(executionArn=arn)
        eventually(lambda: cluster()["Status"]["State"] == "WAITING")

    def test_wrong_arguments_are_a_runtime_error(self) -> None:
        wrong = cluster_arguments()
        wrong["Instances"]["KeepAlive"] = True
        task = {"Type": "Task", "Resource": "arn:aws:states:::elasticmapreduce:createCluster.sync", "Arguments": wrong, "End": True}
        done = Machine(ACCOUNT, {"create": task}, "create").run()
        self.assertEqual(done["error"], "States.Runtime")
        self.assertIn('The field "KeepAlive" in Instances is not supported', done["cause"])

    def test_many_steps_at_once_all_end(self) -> None:
        cluster = self.cluster(StepConcurrencyLevel=8)
        script = self.script("true")
        steps: list[str] = []
        threads = [threading.Thread(target=lambda: steps.append(self.step(cluster, script))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({self.ended(cluster, s)["Status"]["State"] for s in steps}, {"COMPLETED"})


if __name__ == "__main__":
    unittest.main()
