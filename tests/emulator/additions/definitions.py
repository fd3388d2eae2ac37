"""Step Functions: what CreateStateMachine refuses.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html: names of states are unique in the whole
machine and have 80 characters at most, StartAt and Next name states beside them, each state ends or goes on, some fields are a
distributed Map's alone; the definition has 1,048,576 characters at most; `.sync` of ECS, Batch and nested executions needs a
role that may make the rule which tells about their end. MiniStack: takes anything.
In: a definition. Out: InvalidDefinition or AccessDeniedException, as the API and as CloudFormation say it. It refuses to know
what states do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import stepfunctions as sfn
from ministack.services.cloudformation import provisioners

from . import patching, roles

LONGEST, LARGEST = 80, 1_048_576
_ENDS = ("Succeed", "Fail", "Choice")
_DISTRIBUTED = ("ItemReader", "ItemBatcher", "ResultWriter", "ToleratedFailureCount", "ToleratedFailurePercentage", "Label")
_RULES = {
    "ecs:runTask.sync": "StepFunctionsGetEventsForECSTaskRule",
    "batch:submitJob.sync": "StepFunctionsGetEventsForBatchJobsRule",
    "states:startExecution.sync": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
    "emr-serverless:startJobRun.sync": "StepFunctionsGetEventsForEMRServerlessJobRule",
}


def problems(machine: dict[str, Any], path: str = "", seen: set[str] | None = None) -> Iterator[str]:
    """Code and place of each mistake, in the API's words."""
    seen = set() if seen is None else seen
    states = machine.get("States")
    if not isinstance(states, dict) or not states:
        yield f"SCHEMA_VALIDATION_FAILED: The field 'States' is required at {path or '/'}"
        return
    if machine.get("StartAt") not in states:
        yield f"MISSING_TRANSITION_TARGET: Missing 'StartAt' target: {machine.get('StartAt')} at {path}/StartAt"
    for name, state in states.items():
        here = f"{path}/States/{name}"
        if len(name) > LONGEST:
            yield f"INVALID_STATE_NAME: State name exceeds {LONGEST} characters at {here}"
        if name in seen:
            yield f"DUPLICATE_STATE_NAME: Duplicate State name: {name} at {here}"
        seen.add(name)
        yield from _transitions(state, states, here)
        yield from _map(state, here)
        inside = [(f"{here}/Branches[{i}]", branch) for i, branch in enumerate(state.get("Branches", []))]
        inside += [(f"{here}/ItemProcessor", state["ItemProcessor"])] if "ItemProcessor" in state else []
        for below, branch in inside:
            yield from problems(branch, below, seen)


def _transitions(state: dict[str, Any], states: dict[str, Any], here: str) -> Iterator[str]:
    targets = [state.get("Next"), state.get("Default")]
    targets += [rule.get("Next") for rule in [*state.get("Choices", []), *state.get("Catch", [])]]
    for target in targets:
        if target is not None and target not in states:
            yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {target} at {here}/Next"
    if state.get("Type") not in _ENDS and ("Next" in state) == bool(state.get("End")):
        yield f"SCHEMA_VALIDATION_FAILED: exactly one of 'Next' and 'End' is required at {here}"
    if state.get("Type") == "Task" and "Resource" not in state:
        yield f"SCHEMA_VALIDATION_FAILED: The field 'Resource' is required at {here}"


def _map(state: dict[str, Any], here: str) -> Iterator[str]:
    if state.get("Type") != "Map":
        return
    config = state.get("ItemProcessor", {}).get("ProcessorConfig", {})
    if config.get("Mode") == "DISTRIBUTED":
        if config.get("ExecutionType") not in ("STANDARD", "EXPRESS"):
            yield f"SCHEMA_VALIDATION_FAILED: 'ExecutionType' is required in ProcessorConfig at {here}/ItemProcessor"
        if len(state.get("Label", "")) > 40:
            yield f"SCHEMA_VALIDATION_FAILED: 'Label' has 40 characters at most at {here}"
        return
    for field in _DISTRIBUTED:
        if field in state:
            yield f"SCHEMA_VALIDATION_FAILED: The field '{field}' is not supported for a Map with mode INLINE at {here}"


def refusal(definition: str, role: str) -> tuple[str, str] | None:
    """The API's code and sentence; None for a definition that it takes."""
    if len(definition) > LARGEST:
        return "ValidationException", f"1 validation error detected: Value at 'definition' failed to satisfy constraint: Member must have length less than or equal to {LARGEST}"
    try:
        machine = json.loads(definition)
    except ValueError as problem:
        return "InvalidDefinition", f"Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: {problem}'"
    found = list(problems(machine))
    if found:
        return "InvalidDefinition", f"Invalid State Machine Definition: '{', '.join(found)}'"
    if not roles.ENFORCED:
        return None
    for suffix, rule in _RULES.items():
        arn = f"arn:aws:events:{get_region()}:{get_account_id()}:rule/{rule}"
        used = f'"arn:aws:states:::{suffix}' in definition
        if used and not all(roles.allows(role, f"events:{a}", arn, {}) for a in ("PutTargets", "PutRule", "DescribeRule")):
            return "AccessDeniedException", f"'{role}' is not authorized to create managed-rule."
    return None


def _api(original: Any) -> Any:
    def handle(data: dict[str, Any]) -> Any:
        known = sfn._state_machines.get(data.get("stateMachineArn"), {})
        definition, role = data.get("definition"), data.get("roleArn") or known.get("roleArn", "")
        refused = refusal(definition, role) if definition else None
        return error_response_json(*refused, 400) if refused else original(data)

    return handle


def _template(original: Any) -> Any:
    """CloudFormation puts the same question, with the substitutions made."""

    def definition(props: dict[str, Any]) -> Any:
        made = original(props)
        text = made if isinstance(made, str) else json.dumps(made)
        refused = refusal(text, props.get("RoleArn", ""))
        if refused:
            raise ValueError(f"Resource handler returned message: \"{refused[1]} (Service: Sfn, Status Code: 400)\" ({refused[0]})")
        return made

    return definition


def install() -> None:
    """Asks before a machine is made or changed."""
    patching.replace(sfn, "_create_state_machine", _api)
    patching.replace(sfn, "_update_state_machine", _api)
    patching.replace(provisioners, "_sfn_definition", _template)
