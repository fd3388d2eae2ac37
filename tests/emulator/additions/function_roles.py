"""Lambda: what a function's role would not have allowed.

AWS: a function acts with its role. MiniStack: as the account's root, so a missing permission passes every test.
In: requests of functions, known by the session token that each function gets here. Out: `GET /_dpc/denied` lists function, action
and resource of each call that the role's policies do not allow; the call itself goes on, because resources are read out of
requests by MiniStack, and not always right. With `DPC_FUNCTION_PERMISSIONS=enforce` it is refused. It refuses to know policies
of resources.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from ministack.core import iam_actions, lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import emr
from ministack.services import lambda_svc as functions

from . import http, patching, roles

ENFORCED = os.environ.get("DPC_FUNCTION_PERMISSIONS", "record") == "enforce"
_FREE = ("sts:GetCallerIdentity",)
_DENIED: list[dict[str, str]] = []
_LOCK = threading.Lock()


def _marked(original: Any) -> Any:
    """Each function's own session token: its ARN."""

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        return {**original(config), "AWS_SESSION_TOKEN": config.get("FunctionArn", "")}

    return credentials


def _asked(original: Any) -> Any:
    from ministack import app

    async def dispatch(method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str) -> Any:
        token = headers.get("x-amz-security-token", "")
        if token.startswith("arn:aws:lambda:"):
            params = app._routing_params(method, path, headers, body, query)
            service = app.detect_service(method, path, headers, params)
            missing = denied(token, service, method, path, headers, body, params, query)
            if missing and ENFORCED:
                who = f"{token} as {missing['role']}"
                return iam_actions.access_denied_response(service, missing["action"], who, request_id, headers=headers)
        return await original(method, path, headers, body, query, request_id)

    return dispatch


def denied(
    function: str, service: str, method: str, path: str, headers: Any, body: bytes, params: Any, query: Any
) -> dict[str, str] | None:
    """The call, if the function's role does not allow it; noted."""
    name = function.split(":function:")[1].partition(":")[0]
    role = (functions._functions.get(name) or {}).get("config", {}).get("Role")
    action = iam_actions.extract_iam_action(service, method, path, headers, body, params)
    if not role or not action or action in _FREE:
        return None
    where = (get_region(), get_account_id())
    resource = iam_actions.extract_resource_arn(service, method, path, headers, body, params, *where) or "*"
    keys = _keys(service, action, path, headers, body, params, query, resource)
    # A transaction is as many actions as it has items.
    parts = iam_actions.dynamodb_transaction_checks(action, body, *where) if service == "dynamodb" else []
    refused = [(a, r) for a, r in parts or [(action, resource)] if not roles.allows(role, a, None if r == "*" else r, keys)]
    if not refused:
        return None
    entry = {"function": name, "role": role, "action": refused[0][0], "resource": refused[0][1]}
    with _LOCK:
        if entry not in _DENIED:
            _DENIED.append(entry)
            functions.logger.warning("not allowed to its role: %s", entry)
    return entry


def _keys(
    service: str, action: str, path: str, headers: Any, body: bytes, params: Any, query: Any, resource: str
) -> dict[str, Any]:
    """Condition keys of the request, as far as they can be told."""
    keys: dict[str, Any] = dict(iam_actions.request_tag_context(service, action, body, params))
    if service == "dynamodb":
        keys |= iam_actions.dynamodb_service_context(body)
    elif service == "s3":
        keys |= iam_actions.s3_service_context(action, query, path, headers) or {}
    elif "elasticmapreduce" in (service, action.partition(":")[0]):
        named = iam_actions._safe_json_field(body, "ClusterId") or _job_flow(body)
        cluster = named or str(resource).rpartition("/")[2]
        record = emr._clusters.get(cluster) or {}
        keys |= {f"elasticmapreduce:resourcetag/{t['Key']}".lower(): t["Value"] for t in record.get("Tags", [])}
    return {key.lower(): value for key, value in keys.items() if value is not None}


def _job_flow(body: bytes) -> str | None:
    """The cluster that TerminateJobFlows names, which dpc does one at a time."""
    try:
        flows = json.loads(body).get("JobFlowIds") or [None]
    except (ValueError, AttributeError):
        return None
    return flows[0]


def _clear(_: dict[str, Any]) -> list[dict[str, str]]:
    with _LOCK:
        _DENIED.clear()
    return []


def install() -> None:
    """Marks functions, and asks about each of their calls."""
    from ministack import app

    for module in (lambda_runtime, functions):  # the one imports the other's by name
        patching.replace(module, "execution_credentials", _marked)
    patching.replace(app, "_dispatch_service_request", _asked)
    patching.require(
        iam_actions, "extract_iam_action", "extract_resource_arn", "request_tag_context", "dynamodb_service_context",
        "dynamodb_transaction_checks", "s3_service_context", "_safe_json_field", "access_denied_response",
    )  # fmt: skip
    http.route("GET", "denied", lambda _: list(_DENIED))
    http.route("POST", "denied/clear", _clear)
