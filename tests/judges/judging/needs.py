"""What each integration needs of the machine's role, after the Step Functions developer guide.

In: a Task or a Map, as the template has it. Out: actions, resources and the keys that their requests carry. A resource of
ANY is one that only a run knows: then any that the role names for the action will do. The pages: emr-iam, ecs-iam, emr-serverless-iam,
lambda-iam, glue-iam, batch-iam, sns-iam, sqs-iam, dynamo-iam, eventbridge-iam, stepfunctions-iam, and iam-policies-eg-dist-map.
It refuses to know dpc's code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .documents import ACCOUNT, REGION

ANY = "?"
CLUSTER = f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/j-0123456789ABC"
State = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """May the role take `action` on `resource` when the request carries these keys?"""

    action: str
    resource: str
    keys: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        carried = ", ".join(f"{k}={v}" for k, v in sorted(self.keys.items()))
        return f"{self.action} on {'some resource' if self.resource == ANY else self.resource}" + (f" with {carried}" if carried else "")


@dataclass(frozen=True)
class Machine:
    """What a machine's questions have in common: its pipeline, its name, the ARNs of the template's roles."""

    pipeline: str
    name: str
    roles: dict[str, str]


Needs = Iterator[Question]
_WAITS = (".sync", ".sync:2")


def arn(service: str, rest: str) -> str:
    """An ARN in the judged account."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def literal(value: Any, form: str) -> str:
    """The ARN that `form` makes of a name in the template; ANY for what only a run knows."""
    if not isinstance(value, str) or "{%" in value or "${" in value or value == "any":
        return ANY
    return value if value.startswith("arn:") else form.format(value)


def of(state: State, machine: Machine) -> Needs:
    """What a state needs."""
    if state.get("Type") == "Map":
        yield from _map(state, machine)
    if state.get("Type") != "Task":
        return
    action, pattern = _split(state.get("Resource", ""))
    arguments = state.get("Arguments", {})
    if not isinstance(arguments, dict):
        arguments = {}
    if action.startswith("aws-sdk:"):
        yield from _sdk(action, arguments)
    elif action in _TABLE:
        yield from _TABLE[action](arguments, pattern in _WAITS, machine)
    else:
        raise SystemExit(f"simulate: nobody has said what {action} needs; add it to needs.py")


def _split(resource: str) -> tuple[str, str]:
    action = resource.rpartition(":::")[2]
    for pattern in (".sync:2", ".sync", ".waitForTaskToken"):
        if action.endswith(pattern):
            return action.removesuffix(pattern), pattern
    return action, ""


def managed_rule(name: str) -> Needs:
    """The rule by which Step Functions learns of the end of jobs: service-integration-iam-templates."""
    for action in ("PutTargets", "PutRule", "DescribeRule"):
        yield Question(f"events:{action}", arn("events", f"rule/{name}"))


def passed(role: Any, service: str) -> Question:
    """A role that the integration hands on."""
    return Question("iam:PassRole", literal(role, f"arn:aws:iam::{ACCOUNT}:role/{{}}"), {"iam:PassedToService": service})


# ---- one function an integration


def _create_cluster(arguments: State, _: bool, machine: Machine) -> Needs:
    asked = {"elasticmapreduce:RequestTag/dpc-pipeline": machine.pipeline}
    own = {"elasticmapreduce:ResourceTag/dpc-pipeline": machine.pipeline}
    yield Question("elasticmapreduce:RunJobFlow", "*", asked)
    yield Question("elasticmapreduce:AddTags", CLUSTER, asked)
    yield Question("elasticmapreduce:DescribeCluster", CLUSTER, own)
    yield Question("elasticmapreduce:TerminateJobFlows", CLUSTER, own)
    for key, action in (("AutoTerminationPolicy", "PutAutoTerminationPolicy"), ("ManagedScalingPolicy", "PutManagedScalingPolicy")):
        if key in arguments:
            yield Question(f"elasticmapreduce:{action}", CLUSTER, own | asked)
    yield passed(arguments.get("ServiceRole"), "elasticmapreduce.amazonaws.com")
    role = machine.roles.get("ComputeRole", ANY)
    yield Question("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})


def _cluster(*actions: str) -> Callable[[State, bool, Machine], Needs]:
    def needs(_: State, __: bool, machine: Machine) -> Needs:
        for action in actions:
            yield Question(f"elasticmapreduce:{action}", CLUSTER, {"elasticmapreduce:ResourceTag/dpc-pipeline": machine.pipeline})

    return needs


def _run_task(arguments: State, waits: bool, _: Machine) -> Needs:
    cluster = literal(arguments.get("Cluster", "default"), arn("ecs", "cluster/{}"))
    keys = {} if cluster == ANY else {"ecs:cluster": cluster}
    name = "c" if cluster == ANY else cluster.rpartition("/")[2]
    yield Question("ecs:RunTask", literal(arguments.get("TaskDefinition"), arn("ecs", "task-definition/{}")), keys)
    yield Question("iam:PassRole", ANY, {"iam:PassedToService": "ecs-tasks.amazonaws.com"})
    task = ANY if cluster == ANY else arn("ecs", f"task/{name}/0123456789abcdef0123456789abcdef")
    if "Tags" in arguments or "PropagateTags" in arguments:
        yield Question("ecs:TagResource", task, {"ecs:CreateAction": "RunTask"} | _request_tags(arguments.get("Tags")))
    if waits:
        yield Question("ecs:DescribeTasks", task, keys)
        yield Question("ecs:StopTask", task, keys)
        yield from managed_rule("StepFunctionsGetEventsForECSTaskRule")


def _request_tags(tags: Any) -> dict[str, str]:
    pairs = [(t.get("Key"), t.get("Value")) for t in tags if isinstance(t, dict)] if isinstance(tags, list) else []
    pairs += list(tags.items()) if isinstance(tags, dict) else []
    return {f"aws:RequestTag/{key}": str(value) for key, value in pairs}


def _job_run(arguments: State, waits: bool, _: Machine) -> Needs:
    application = literal(arguments.get("ApplicationId"), arn("emr-serverless", "/applications/{}"))
    run = ANY if application == ANY else f"{application}/jobruns/00f0"
    yield Question("emr-serverless:StartJobRun", application)
    yield passed(arguments.get("ExecutionRoleArn"), "emr-serverless.amazonaws.com")
    if arguments.get("Tags"):
        yield Question("emr-serverless:TagResource", run, _request_tags(arguments["Tags"]))
    if waits:
        yield Question("emr-serverless:GetJobRun", run)
        yield Question("emr-serverless:CancelJobRun", run)
        yield from managed_rule("StepFunctionsGetEventsForEMRServerlessJobRule")


def _glue(arguments: State, waits: bool, _: Machine) -> Needs:
    for action in ("StartJobRun", *(("GetJobRun", "GetJobRuns", "BatchStopJobRun") if waits else ())):
        yield Question(f"glue:{action}", literal(arguments.get("JobName"), arn("glue", "job/{}")))


def _batch(arguments: State, waits: bool, _: Machine) -> Needs:
    queue = literal(arguments.get("JobQueue"), arn("batch", "job-queue/{}"))
    definition = literal(arguments.get("JobDefinition"), arn("batch", "job-definition/{}"))
    for resource in (queue, definition if definition == ANY or definition.count(":") > 5 else f"{definition}:7"):
        yield Question("batch:SubmitJob", resource)
    if arguments.get("Tags"):
        yield Question("batch:TagResource", arn("batch", "job/01234567"), _request_tags(arguments["Tags"]))
    if waits:
        yield Question("batch:DescribeJobs", "*")
        yield Question("batch:TerminateJob", arn("batch", "job/01234567-89ab-cdef-0123-456789abcdef"))
        yield from managed_rule("StepFunctionsGetEventsForBatchJobsRule")


def _start_execution(arguments: State, waits: bool, _: Machine) -> Needs:
    machine = literal(arguments.get("StateMachineArn"), arn("states", "stateMachine:{}"))
    yield Question("states:StartExecution", machine)
    if waits:
        execution = ANY if machine == ANY else machine.replace(":stateMachine:", ":execution:") + ":any"
        yield Question("states:DescribeExecution", execution)
        yield Question("states:StopExecution", execution)
        yield from managed_rule("StepFunctionsGetEventsForStepFunctionsExecutionRule")


def _one(action: str, argument: str, form: str) -> Callable[[State, bool, Machine], Needs]:
    """An integration that needs one action, on what one argument names."""

    def needs(arguments: State, _: bool, __: Machine) -> Needs:
        yield Question(action, literal(arguments.get(argument), form))

    return needs


def _put_events(arguments: State, _: bool, __: Machine) -> Needs:
    for entry in arguments.get("Entries", []):
        yield Question("events:PutEvents", literal(entry.get("EventBusName", "default"), arn("events", "event-bus/{}")))


_SDK_ACTIONS = {"s3:ListObjectsV2": "s3:ListBucket", "s3:HeadObject": "s3:GetObject", "lambda:Invoke": "lambda:InvokeFunction"}
_SDK_PREFIXES = {"sfn": "states", "eventbridge": "events", "cloudwatchlogs": "logs", "emr": "elasticmapreduce", "emrserverless": "emr-serverless"}


def _sdk(action: str, arguments: State) -> Needs:
    _, service, name = action.split(":")
    taken = f"{_SDK_PREFIXES.get(service, service)}:{name[0].upper()}{name[1:]}"
    taken = _SDK_ACTIONS.get(taken, taken)
    bucket, key = arguments.get("Bucket"), arguments.get("Key")
    resource = ANY
    if service == "s3" and literal(bucket, "{}") != ANY:
        whole = key is None or literal(key, "{}") != ANY
        resource = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "") if whole else ANY
    yield Question(taken, resource, {"aws:ResourceAccount": ACCOUNT} if service == "s3" else {})


def _map(state: State, machine: Machine) -> Needs:
    """A distributed Map starts executions of its own machine, and reads what its reader names."""
    if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED":
        return
    yield Question("states:StartExecution", arn("states", f"stateMachine:{machine.name}"))
    for action in ("DescribeExecution", "StopExecution"):
        yield Question(f"states:{action}", arn("states", f"execution:{machine.name}/any:any"))
    reader = state.get("ItemReader")
    if reader:
        taken = "ListBucket" if reader["Resource"].endswith("listObjectsV2") else "GetObject"
        yield Question(f"s3:{taken}", ANY, {"aws:ResourceAccount": ACCOUNT})
    if "ResultWriter" in state:
        yield Question("s3:PutObject", ANY, {"aws:ResourceAccount": ACCOUNT})


_TABLE: dict[str, Callable[[State, bool, Machine], Needs]] = {
    "elasticmapreduce:createCluster": _create_cluster,
    "elasticmapreduce:addStep": _cluster("AddJobFlowSteps", "DescribeStep", "CancelSteps"),
    "elasticmapreduce:terminateCluster": _cluster("TerminateJobFlows", "DescribeCluster"),
    "ecs:runTask": _run_task,
    "emr-serverless:startJobRun": _job_run,
    "glue:startJobRun": _glue,
    "batch:submitJob": _batch,
    "states:startExecution": _start_execution,
    "lambda:invoke": _one("lambda:InvokeFunction", "FunctionName", arn("lambda", "function:{}")),
    "sns:publish": _one("sns:Publish", "TopicArn", "{}"),
    "sqs:sendMessage": _one("sqs:SendMessage", "QueueUrl", "?"),
    "dynamodb:getItem": _one("dynamodb:GetItem", "TableName", arn("dynamodb", "table/{}")),
    "dynamodb:putItem": _one("dynamodb:PutItem", "TableName", arn("dynamodb", "table/{}")),
    "dynamodb:updateItem": _one("dynamodb:UpdateItem", "TableName", arn("dynamodb", "table/{}")),
    "dynamodb:deleteItem": _one("dynamodb:DeleteItem", "TableName", arn("dynamodb", "table/{}")),
    "events:putEvents": _put_events,
}
