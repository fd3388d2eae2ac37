"""Step Functions: what an execution's role may do.

AWS: a task acts with the machine's role; what its policies do not allow is refused. MiniStack: everybody may everything.
In: the execution of this thread, an action, the resource it touches, condition keys. Out: nothing, or `Denied`. Roles without
any policy are refused everything; a resource of None means that this file does not know it: then any resource that a
statement names will do. It refuses to know policies of resources. `DPC_STATES_PERMISSIONS=off` turns it off.
"""

from __future__ import annotations

import os
from typing import Any

from ministack.core import iam_evaluator as evaluator
from ministack.services import iam
from ministack.services import stepfunctions as sfn

from . import patching, scope as scopes

ENFORCED = os.environ.get("DPC_STATES_PERMISSIONS", "on") != "off"


class Denied(Exception):
    """The role may not."""

    def __init__(self, role: str, action: str, resource: str) -> None:
        account, name = role.split(":")[4], role.rsplit("/", 1)[-1]
        self.message = (
            f"User: arn:aws:sts::{account}:assumed-role/{name}/states is not authorized to perform: {action} "
            f"on resource: {resource} because no identity-based policy allows the {action} action"
        )
        super().__init__(self.message)


def role() -> str | None:
    """The role of the execution that this thread works for."""
    scope = scopes.current()
    if scope is None:
        return None
    execution = scope.execution
    while "_parent" in execution:
        execution = execution["_parent"]
    machine = sfn._state_machines.get(execution["stateMachineArn"])
    return machine["roleArn"] if machine else None


def require(action: str, resource: str | None = None, **keys: Any) -> None:
    """Raises `Denied` unless the role of this thread's execution may; keys are written with `__` for `:`."""
    arn = role()
    if arn is None or not ENFORCED:
        return
    named = {name.replace("__", ":").lower(): value for name, value in keys.items()}
    if not allows(arn, action, resource, named):
        raise Denied(arn, action, resource or "*")


def allows(role_arn: str, action: str, resource: str | None, keys: dict[str, Any]) -> bool:
    """True when the role's policies and its boundary allow the action."""
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    policies = evaluator._gather_role_policies(name, account)
    record = iam._roles.get_scoped(account, None, name) or {}
    limits = []
    boundary = record.get("PermissionsBoundary")
    if boundary:
        text = boundary.get("PermissionsBoundaryArn") if isinstance(boundary, dict) else boundary
        limits = [[evaluator.parse_policy_document(evaluator._resolve_managed_policy_document(text, account) or {})]]
    candidates = [resource] if resource is not None else _named(policies, action)
    return any(
        evaluator.evaluate(
            evaluator.EvalContext(
                principal_arn=role_arn, principal_type="AssumedRole", principal_account=account, action=action,
                resource_arn=candidate, region=role_arn.split(":")[3], service_context=keys,
            ),
            policies, *limits,
        ).decision == "Allow"
        for candidate in candidates
    )  # fmt: skip


def _named(policies: list[Any], action: str) -> list[str]:
    found = [
        resource
        for statements in policies
        for statement in statements
        if statement.effect == "Allow" and any(evaluator.fnmatch_iam(action, a) for a in statement.actions)
        for resource in statement.resources
    ]
    return found or ["*"]


def install() -> None:
    """Notes what it uses of MiniStack."""
    patching.require(
        evaluator, "_gather_role_policies", "_resolve_managed_policy_document", "parse_policy_document", "fnmatch_iam",
        "EvalContext", "evaluate",
    )  # fmt: skip
    patching.require(iam, "_roles")
