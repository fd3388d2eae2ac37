"""Our own judge: every IAM statement against the service authorization reference, as policy_sentry has it.

In: policies of roles. Out: actions that do not exist, resources and condition keys that an action does not take, and
`Resource: "*"` where the action takes one and nobody gave a reason (`Metadata.dpc.reasons.<Sid>`, or a condition).
It refuses to know whether a permission is needed: `simulate` asks that.
"""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from policy_sentry.querying.actions import get_action_data, get_actions_for_service
from policy_sentry.querying.conditions import get_condition_keys_for_service

from .documents import Finding, Template, listed, load, report, statements, text_of

Problem = tuple[str, str]
_UNKNOWN = "<unknown>"


@cache
def actions(pattern: str) -> tuple[str, ...]:
    """The actions that `service:Action*` means."""
    service, _, name = pattern.partition(":")
    known = get_actions_for_service(service)
    return tuple(a for a in known if fnmatch.fnmatchcase(a.split(":")[1].lower(), name.lower()))


@cache
def rows(action: str) -> tuple[dict[str, Any], ...]:
    """What the reference says about an action: one row a resource type, `*` for none."""
    service, name = action.split(":")
    data = get_action_data(service, name)
    return tuple(data[service]) if data else ()


def covers(resource: str, form: str) -> bool:
    """True when an ARN of a policy can name a resource of the form `arn:${Partition}:s3:::${BucketName}/${ObjectName}`."""
    wanted, given = form.split(":", 5), resource.split(":", 5)
    if len(wanted) < 6 or len(given) < 6 or wanted[2] != given[2]:
        return False
    return meet(given[5], re.sub(r"\$\{[^}]*\}", "*", wanted[5]))


@cache
def meet(one: str, other: str) -> bool:
    """True when some text matches both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return meet(one[1:], other) or meet(one, other[1:])
    if other[0] == "*":
        return meet(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and meet(one[1:], other[1:])


def _forms(action: str) -> set[str]:
    return {row["resource_arn_format"] for row in rows(action)}


def _resources(names: list[str], resources: list[str], limited: bool) -> Iterator[Problem]:
    """Each action must find a resource that it takes, and each resource an action that takes it."""
    if "*" in resources:
        for action in names:
            named = _forms(action) - {"*"}
            if named and not limited:
                yield "wide-resource", f"`{action}` takes a resource: {', '.join(sorted(named))}"
        return
    for action in names:
        if not any(covers(resource, form) for resource in resources for form in _forms(action)):
            yield "resource-type", f"`{action}` takes {', '.join(sorted(_forms(action)))}, not {', '.join(resources)}"
    for resource in resources:
        if not any(covers(resource, form) for action in names for form in _forms(action)):
            yield "resource-type", f"no action of the statement takes {resource}"


def _keys(action: str, keys: set[str]) -> Iterator[Problem]:
    known = {key.lower() for row in rows(action) for key in row["condition_keys"]}
    general = {key.lower() for key in get_condition_keys_for_service(action.split(":")[0])}
    for key in sorted(keys):
        if not _known_key(key.lower(), known, general):
            yield "condition-key", f"`{action}` has no condition key `{key}`"


def _known_key(key: str, of_action: set[str], of_service: set[str]) -> bool:
    def among(names: set[str]) -> bool:
        return any(fnmatch.fnmatchcase(key, re.sub(r"\$\{[^}]*\}", "*", name)) for name in names)

    # Global keys are on every request, but those about tags are the action's; the reference misses some of the service's
    # own that belong to a resource type, so a key of the service counts when the action takes a resource.
    if key.startswith("aws:") and not key.startswith(("aws:requesttag", "aws:resourcetag", "aws:tagkeys")):
        return True
    return among(of_action) or (not key.startswith("aws:") and among(of_service))


def _statement(statement: dict[str, Any], reasons: dict[str, str]) -> Iterator[Problem]:
    keys = {key for operator in statement.get("Condition", {}).values() for key in operator}
    names: list[str] = []
    for pattern in listed(statement.get("Action", [])):
        found = actions(pattern)
        if not found:
            yield "unknown-action", f"there is no action `{pattern}`"
        elif pattern == "*" or pattern.endswith(":*"):
            yield "wide-action", f"`{pattern}` allows everything"
        else:
            names += found
    for action in names:
        yield from _keys(action, keys)
    resources = [text_of(resource, _UNKNOWN) for resource in listed(statement.get("Resource", []))]
    # A reference, to a resource or to a parameter: only a deployment knows its ARN.
    if not any(_UNKNOWN in resource or resource.startswith("{{resolve:") for resource in resources):
        yield from _resources(names, resources, bool(keys) or statement.get("Sid") in reasons)


def judge_template(template: Template) -> Iterator[Finding]:
    """All policies of a template."""
    for logical, resource, statement in statements(template):
        if statement.get("Effect") != "Allow":
            continue
        reasons = resource.get("Metadata", {}).get("dpc", {}).get("reasons", {})
        for rule, message in _statement(statement, reasons):
            where = f"{logical}/{statement.get('Sid', '-')}"
            yield Finding("permissions", template.name, rule, where, message)


def judge(paths: list[str]) -> list[Finding]:
    """All templates."""
    return [finding for template in load(paths) for finding in judge_template(template)]


if __name__ == "__main__":
    report(judge(sys.argv[1:]))
