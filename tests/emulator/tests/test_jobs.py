"""EMR Serverless, Glue and Batch: resources of templates, jobs that really run, and Step Functions' integrations."""

import gzip
import json
import unittest
from typing import Any

import botocore.exceptions

from . import jobs
from .emulated import client, eventually, role

ACCOUNT = "100000000031"


def stack(name: str, resources: dict[str, Any]) -> dict[str, str]:
    """Deploys resources; their physical ids."""
    cloudformation = client("cloudformation", ACCOUNT)
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))

    def look() -> Any:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return found != "CREATE_IN_PROGRESS" and found

    status = eventually(look)
    if status != "CREATE_COMPLETE":
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        raise AssertionError([e.get("ResourceStatusReason") for e in events])
    found = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found}


def output(resource: str, arguments: dict[str, Any], allowed: tuple[str, ...] = ("*",), **state: Any) -> Any:
    """What the machine of one task yields, or `Error` and `Cause`."""
    done = jobs.machine(ACCOUNT, resource, arguments, allowed, **state).run()
    return json.loads(done["output"]) if done["status"] == "SUCCEEDED" else {"Error": done["error"], "Cause": done["cause"]}


class EmrServerless(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.api = client("emr-serverless", ACCOUNT)
        properties = {"Type": "SPARK", "ReleaseLabel": "emr-7.5.0", "Tags": [{"Key": "a", "Value": "b"}], "MaximumCapacity": {"Cpu": "4vCPU", "Memory": "16GB"}}
        cls.app = stack("serverless", {"App": {"Type": "AWS::EMRServerless::Application", "Properties": properties}})["App"]
        cls.role = role(ACCOUNT, "job", "emr-serverless.amazonaws.com")

    def arguments(self, text: str, name: str, **more: Any) -> dict[str, Any]:
        entry = jobs.put(ACCOUNT, f"{name}.py", text)
        monitoring = {"S3MonitoringConfiguration": {"LogUri": f"s3://{jobs.bucket(ACCOUNT)}/logs/"}}
        driver = {"EntryPoint": entry, "EntryPointArguments": ["a b", "2"], "SparkSubmitParameters": "--conf spark.x=1"}
        return {
            "ApplicationId": self.app,
            "ExecutionRoleArn": self.role,
            "Name": name,
            "JobDriver": {"SparkSubmit": driver},
            "ConfigurationOverrides": {"MonitoringConfiguration": monitoring},
        } | more

    def log(self, run: str, kind: str) -> str:
        key = f"logs/applications/{self.app}/jobs/{run}/SPARK_DRIVER/{kind}.gz"
        return gzip.decompress(client("s3", ACCOUNT).get_object(Bucket=jobs.bucket(ACCOUNT), Key=key)["Body"].read()).decode()

    def test_a_run_runs_and_leaves_its_logs(self) -> None:
        run = output("emr-serverless:startJobRun.sync", self.arguments("import sys; print(sys.argv[1:])", "runs"))
        self.assertEqual(run.get("State"), "SUCCESS", run)
        self.assertEqual(self.log(run["JobRunId"], "stdout"), "['a b', '2']\n")
        self.assertIn("plain Python", self.log(run["JobRunId"], "stderr"))

    def test_a_failing_run_is_task_failed(self) -> None:
        found = output("emr-serverless:startJobRun.sync", self.arguments("raise SystemExit(4)", "fails"))
        self.assertEqual(found["Error"], "States.TaskFailed")
        run = json.loads(found["Cause"])
        self.assertEqual(run["State"], "FAILED")
        self.assertIn("ExitCode: 4", run["StateDetails"])

    def test_an_entry_point_that_is_not_there(self) -> None:
        arguments = self.arguments("", "none")
        arguments["JobDriver"]["SparkSubmit"]["EntryPoint"] = f"s3://{jobs.bucket(ACCOUNT)}/nothing.py"
        found = output("emr-serverless:startJobRun.sync", arguments)
        self.assertEqual(json.loads(found["Cause"])["State"], "FAILED")

    def test_py_files_and_variables(self) -> None:
        module = jobs.put(ACCOUNT, "lib/helper.py", "VALUE = 41")
        arguments = self.arguments("import helper, os; print(helper.VALUE + int(os.environ['PLUS']))", "modules")
        arguments["JobDriver"]["SparkSubmit"]["SparkSubmitParameters"] = (
            f"--py-files {module} --conf spark.emr-serverless.driverEnv.PLUS=1"
        )
        run = output("emr-serverless:startJobRun.sync", arguments)
        self.assertEqual(self.log(run["JobRunId"], "stdout"), "42\n", run)

    def test_an_abort_cancels_and_runs_are_listed(self) -> None:
        machine = jobs.machine(ACCOUNT, "emr-serverless:startJobRun.sync", self.arguments("import time; time.sleep(600)", "long"))
        execution = machine.start()

        def state(wanted: str) -> Any:
            found = self.api.list_job_runs(applicationId=self.app, states=[wanted])["jobRuns"]
            return any(run["name"] == "long" for run in found)

        eventually(lambda: state("RUNNING"))
        machine.sfn.stop_execution(executionArn=execution)
        eventually(lambda: state("CANCELLED"))

    def test_the_api_cancels(self) -> None:
        answer = output("emr-serverless:startJobRun", self.arguments("import time; time.sleep(600)", "cancelled"))
        self.assertEqual(sorted(answer), ["ApplicationId", "Arn", "JobRunId"])
        identity = {"applicationId": self.app, "jobRunId": answer["JobRunId"]}
        self.api.cancel_job_run(**identity)
        eventually(lambda: self.api.get_job_run(**identity)["jobRun"]["state"] == "CANCELLED")

    def test_refusals(self) -> None:
        arguments = self.arguments("", "refused")
        resource = "emr-serverless:startJobRun.sync"
        self.assertEqual(output(resource, arguments | {"ApplicationId": "00fnothing"})["Error"], "EMRServerless.ResourceNotFoundException")
        self.assertEqual(output(resource, arguments | {"ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/none"})["Error"], "EMRServerless.ValidationException")
        wrong = output(resource, arguments | {"EntryPoint": "x"})
        self.assertEqual(wrong["Error"], "States.Runtime")
        self.assertIn('The field "EntryPoint" is not supported', wrong["Cause"])
        denied = output(resource, arguments, ("emr-serverless:StartJobRun",))
        self.assertIn("not authorized to perform: iam:PassRole", denied["Cause"])


class Glue(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.api = client("glue", ACCOUNT)
        cls.role = role(ACCOUNT, "glue", "glue.amazonaws.com")

    def job(self, name: str, text: str, **more: Any) -> str:
        script = jobs.put(ACCOUNT, f"glue/{name}.py", text)
        properties = {
            "Name": name,
            "Role": self.role,
            "Command": {"Name": "pythonshell", "PythonVersion": "3.9", "ScriptLocation": script},
            "DefaultArguments": {"--base": "1"},
        } | more
        stack(f"glue-{name}", {"Job": {"Type": "AWS::Glue::Job", "Properties": properties}})
        return name

    def test_a_run_gets_its_arguments_and_logs(self) -> None:
        name = self.job("runs", "import sys; print(sys.argv[1:])")
        run = output("glue:startJobRun.sync", {"JobName": name, "Arguments": {"--more": "x y"}})
        self.assertEqual(run.get("JobRunState"), "SUCCEEDED", run)
        logs = client("logs", ACCOUNT).get_log_events(logGroupName="/aws-glue/python-jobs/output", logStreamName=run["Id"])["events"]
        self.assertEqual(logs[0]["message"], "['--base', '1', '--more', 'x y']")

    def test_a_failing_script_is_task_failed(self) -> None:
        name = self.job("fails", "raise ValueError('no rows')")
        found = output("glue:startJobRun.sync", {"JobName": name})
        self.assertEqual(found["Error"], "States.TaskFailed")
        run = json.loads(found["Cause"])
        self.assertEqual(run["JobRunState"], "FAILED")
        self.assertIn("ValueError: no rows", run["ErrorMessage"])

    def test_one_at_a_time_unless_said(self) -> None:
        name = self.job("long", "import time; time.sleep(600)")
        first = output("glue:startJobRun", {"JobName": name})
        self.assertEqual(output("glue:startJobRun.sync", {"JobName": name})["Error"], "Glue.ConcurrentRunsExceededException")
        stopped = self.api.batch_stop_job_run(JobName=name, JobRunIds=[first["JobRunId"]])
        self.assertEqual(stopped["SuccessfulSubmissions"], [{"JobName": name, "JobRunId": first["JobRunId"]}])

        def state() -> str:
            return str(self.api.get_job_run(JobName=name, RunId=first["JobRunId"])["JobRun"]["JobRunState"])

        eventually(lambda: state() == "STOPPED")
        machine = jobs.machine(ACCOUNT, "glue:startJobRun.sync", {"JobName": name}, TimeoutSeconds=1)
        self.assertEqual(json.loads(machine.run()["output"])["Error"], "States.Timeout")
        eventually(lambda: {r["JobRunState"] for r in self.api.get_job_runs(JobName=name)["JobRuns"]} == {"STOPPED"})

    def test_refusals(self) -> None:
        self.assertEqual(output("glue:startJobRun.sync", {"JobName": "none"})["Error"], "Glue.EntityNotFoundException")
        self.assertIn('"Argument"', output("glue:startJobRun.sync", {"JobName": "x", "Argument": {}})["Cause"])
        denied = output("glue:startJobRun.sync", {"JobName": "x"}, ("glue:StartJobRun",))
        self.assertEqual(denied["Error"], "Glue.AccessDeniedException")


class Batch(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.api = client("batch", ACCOUNT)
        cls.role = role(ACCOUNT, "batch", "ecs-tasks.amazonaws.com")
        subnet, group = jobs.network(ACCOUNT)
        resources = {"Type": "FARGATE", "MaxvCpus": 4, "Subnets": [subnet], "SecurityGroupIds": [group]}
        container = {
            "Image": "alpine",
            "Command": ["sh", "-c", "Ref::script"],
            "ExecutionRoleArn": cls.role,
            "Environment": [{"Name": "A", "Value": "a"}],
            "ResourceRequirements": [{"Type": "VCPU", "Value": "0.25"}, {"Type": "MEMORY", "Value": "512"}],
        }
        definition = {"Type": "container", "ContainerProperties": container, "Parameters": {"script": "true"}, "PlatformCapabilities": ["FARGATE"]}
        order = [{"Order": 1, "ComputeEnvironment": {"Ref": "Environment"}}]
        made = stack(
            "batch",
            {
                "Environment": {"Type": "AWS::Batch::ComputeEnvironment", "Properties": {"Type": "MANAGED", "ComputeResources": resources}},
                "Queue": {"Type": "AWS::Batch::JobQueue", "Properties": {"Priority": 1, "ComputeEnvironmentOrder": order, "JobQueueName": "q"}},
                "Definition": {"Type": "AWS::Batch::JobDefinition", "Properties": definition | {"JobDefinitionName": "d"}},
            },
        )
        cls.names = {"JobQueue": made["Queue"], "JobDefinition": made["Definition"]}

    def job(self, script: str, name: str = "job", **more: Any) -> Any:
        return output("batch:submitJob.sync", self.arguments(script, name, **more))

    def arguments(self, script: str, name: str, **more: Any) -> dict[str, Any]:
        return self.names | {"JobName": name, "Parameters": {"script": script}} | more

    def test_a_job_runs_with_parameters_and_logs(self) -> None:
        overrides = {"Environment": [{"Name": "B", "Value": "b"}]}
        job = self.job('echo "$A $B $MANAGED_BY_AWS"', ContainerOverrides=overrides)
        self.assertEqual((job.get("Status"), job["Container"]["ExitCode"]), ("SUCCEEDED", 0), job)
        stream = job["Container"]["LogStreamName"]
        events = client("logs", ACCOUNT).get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)["events"]
        self.assertEqual([e["message"] for e in events], ["a b STARTED_BY_STEP_FUNCTIONS"])

    def test_attempts_and_the_exit_code(self) -> None:
        found = self.job("exit 5", RetryStrategy={"Attempts": 2})
        self.assertEqual(found["Error"], "States.TaskFailed")
        job = json.loads(found["Cause"])
        self.assertEqual((job["Status"], job["Container"]["ExitCode"], len(job["Attempts"])), ("FAILED", 5, 2))

    def test_an_array(self) -> None:
        job = self.job('test "$AWS_BATCH_JOB_ARRAY_INDEX" -lt 3', ArrayProperties={"Size": 3})
        self.assertEqual(job.get("ArrayProperties"), {"Size": 3, "StatusSummary": {"SUCCEEDED": 3}}, job)
        children = self.api.list_jobs(arrayJobId=job["JobId"], jobStatus="SUCCEEDED")["jobSummaryList"]
        self.assertEqual(sorted(c["jobId"] for c in children), [f"{job['JobId']}:{i}" for i in range(3)])
        failed = self.job('test "$AWS_BATCH_JOB_ARRAY_INDEX" != 1', ArrayProperties={"Size": 3})
        self.assertEqual(json.loads(failed["Cause"])["ArrayProperties"]["StatusSummary"], {"SUCCEEDED": 2, "FAILED": 1})

    def test_an_abort_and_the_api_terminate(self) -> None:
        machine = jobs.machine(ACCOUNT, "batch:submitJob.sync", self.arguments("sleep 600", "long"))
        execution = machine.start()

        def status() -> Any:
            named = [{"name": "JOB_NAME", "values": ["lo*"]}]
            return {j["status"] for j in self.api.list_jobs(jobQueue="q", filters=named)["jobSummaryList"]}

        eventually(lambda: status() == {"RUNNING"})
        machine.sfn.stop_execution(executionArn=execution)
        eventually(lambda: status() == {"FAILED"})
        answer = output("batch:submitJob", self.arguments("sleep 600", "other"))
        self.api.terminate_job(jobId=answer["JobId"], reason="enough")
        job = eventually(lambda: (j := self.api.describe_jobs(jobs=[answer["JobId"]])["jobs"][0])["status"] == "FAILED" and j)
        self.assertEqual(job["statusReason"], "enough")

    def test_a_timeout_of_the_job(self) -> None:
        found = self.job("sleep 600", Timeout={"AttemptDurationSeconds": 1})
        self.assertIn("timeout", json.loads(found["Cause"])["StatusReason"])

    def test_refusals(self) -> None:
        arguments = self.arguments("true", "x")
        self.assertEqual(output("batch:submitJob.sync", arguments | {"JobQueue": "none"})["Error"], "Batch.ClientException")
        self.assertEqual(output("batch:submitJob.sync", arguments | {"JobDefinition": "none:3"})["Error"], "Batch.ClientException")
        self.assertIn('"Command"', output("batch:submitJob.sync", arguments | {"Command": []})["Cause"])
        denied = output("batch:submitJob.sync", arguments, ("batch:SubmitJob",))
        self.assertEqual(denied["Error"], "Batch.AWSBatchException")
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "required"):
            self.api.list_jobs()


if __name__ == "__main__":
    unittest.main()
