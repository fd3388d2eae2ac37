"""Who calls: the principal of each request, as policies of resources see it.

AWS: `aws:PrincipalArn` of a request with a role's credentials is the role, `aws:PrincipalOrgID` the organisation of its account,
and a role's session may do what the role's policies allow. MiniStack without keys to check: everybody is the account's root, and
each account an organisation of its own.
In: the headers of a request. Out: the caller's principal, for this request and what it sets off; refusals of calls that the role of
an assumed session does not allow. One organisation, named by `DPC_ORGANIZATION`, holds all accounts but those that
`POST /_dpc/organization {"outsiders": […]}` names. It refuses to know what a policy is for.
"""

from __future__ import annotations

import contextvars
import os
from typing import Any

from ministack.core import iam_actions, router
from ministack.core import iam_evaluator as evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import iam, organizations, sts
from ministack.services import lambda_svc as functions

from . import http, patching, roles

ORGANIZATION = os.environ.get("DPC_ORGANIZATION", "o-emulated00")
_OUTSIDERS: set[str] = set()
_CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="")


def current() -> str:
    """The principal of this request: a role, or the account's root."""
    return _CALLER.get() or f"arn:aws:iam::{get_account_id()}:root"


def organization(account: str) -> str | None:
    """The organisation that an account belongs to."""
    return None if account in _OUTSIDERS else ORGANIZATION


def permits(policy: Any, principal: str, action: str, resource: str, **keys: Any) -> str:
    """What a resource's policy says to a principal: `Allow`, `Deny` or `ImplicitDeny`; keys are written with `__` for `:`."""
    named = {name.replace("__", ":").lower(): value for name, value in keys.items()}
    context = evaluator.EvalContext(
        principal_arn=principal, principal_type="AssumedRole" if ":role/" in principal else "Root",
        principal_account=principal.split(":")[4], action=action, resource_arn=resource, region=get_region(),
        service_context=named,
    )  # fmt: skip
    return str(evaluator.evaluate_resource_policy(policy, context).decision)


def _principal(headers: Any, query: Any) -> tuple[str, str]:
    """The caller's principal, and the role of an assumed session."""
    token = headers.get("x-amz-security-token", "")
    if token.startswith("arn:aws:lambda:"):
        record = functions._functions.get(token.split(":function:")[1].partition(":")[0]) or {}
        return str(record.get("config", {}).get("Role", "")), ""
    session = sts._sessions.get(router.extract_access_key_id(headers, query))
    if session is None or ":assumed-role/" not in session["Arn"]:
        return "", ""
    name, account = session["Arn"].split("/")[1], session["Arn"].split(":")[4]
    record = iam._roles.get_scoped(account, None, name) or {}
    arn = str(record.get("Arn", f"arn:aws:iam::{account}:role/{name}"))
    return arn, arn


def _asked(original: Any) -> Any:
    from ministack import app

    async def dispatch(method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str) -> Any:
        principal, session = _principal(headers, query)
        token = _CALLER.set(principal)
        try:
            params = app._routing_params(method, path, headers, body, query)
            service = app.detect_service(method, path, headers, params)
            if session:
                refused = _beyond(session, service, method, path, headers, body, params)
                if refused:
                    return iam_actions.access_denied_response(service, refused, session, request_id, headers=headers)
            return _untrusted(service, method, path, headers, body, params) or await original(
                method, path, headers, body, query, request_id
            )
        finally:
            _CALLER.reset(token)

    return dispatch


def _beyond(role: str, service: str, method: str, path: str, headers: Any, body: bytes, params: Any) -> str | None:
    """The action, if the session's role does not allow it."""
    action = iam_actions.extract_iam_action(service, method, path, headers, body, params)
    if not action or action == "sts:GetCallerIdentity":
        return None
    where = (get_region(), get_account_id())
    resource = iam_actions.extract_resource_arn(service, method, path, headers, body, params, *where)
    keys = iam_actions.dynamodb_service_context(body) if service == "dynamodb" else {}
    keys = {key.lower(): value for key, value in keys.items() if value is not None}
    return None if roles.allows(role, action, None if resource == "*" else resource, keys) else action


def _untrusted(service: str, method: str, path: str, headers: Any, body: bytes, params: Any) -> Any:
    """The refusal of an AssumeRole that the role's trust policy does not allow."""
    if service != "sts":
        return None
    if iam_actions.extract_iam_action(service, method, path, headers, body, params) != "sts:AssumeRole":
        return None
    arn = iam_actions._param(body, params, "RoleArn")
    parts, caller = arn.split(":"), current()
    role = iam._roles.get_scoped(parts[4], None, arn.rsplit("/", 1)[-1]) if len(parts) == 6 else None
    context = evaluator.EvalContext(
        principal_arn=caller, principal_type="AssumedRole" if ":role/" in caller else "Root",
        principal_account=caller.split(":")[4], action="sts:AssumeRole", resource_arn=arn, region=get_region(),
    )  # fmt: skip
    # A role that is not there is refused in the same words: AWS does not say which it is.
    if role is not None and evaluator.evaluate_trust_policy(role.get("AssumeRolePolicyDocument", "{}"), caller, context):
        return None
    message = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    return sts._error(403, "AccessDenied", message, ns="sts")


# ---- the organisation


def _named(original: Any) -> Any:
    """All members ask about the one organisation."""

    def describe(data: Any) -> Any:
        if organization(get_account_id()) is None:
            message = "Your account is not a member of an organization."
            return error_response_json("AWSOrganizationsNotInUseException", message, 400)
        organizations._ensure_org()
        own = organizations._orgs["self"]
        own["Arn"] = own["Arn"].replace(own["Id"], ORGANIZATION)
        own["Id"] = ORGANIZATION
        return original(data)

    return describe


def _tell(request: dict[str, Any]) -> dict[str, Any]:
    outsiders = request.get("outsiders", [])
    if not isinstance(outsiders, list):
        raise ValueError("outsiders is a list of accounts")
    _OUTSIDERS.clear()
    _OUTSIDERS.update(outsiders)
    return {"id": ORGANIZATION, "outsiders": sorted(_OUTSIDERS)}


def install() -> None:
    """Looks at every request before anybody else does."""
    from ministack import app

    patching.replace(app, "_dispatch_service_request", _asked)
    patching.replace(evaluator, "_principal_org_id", lambda _: organization)
    patching.replace_item(organizations._DISPATCH, "DescribeOrganization", "organizations._DISPATCH", _named)
    patching.require(organizations, "_ensure_org", "_orgs")
    patching.require(evaluator, "evaluate_resource_policy", "evaluate_trust_policy", "EvalContext")
    patching.require(iam_actions, "_param")
    patching.require(router, "extract_access_key_id")
    patching.require(sts, "_sessions", "_error")
    http.route("POST", "organization", _tell)
