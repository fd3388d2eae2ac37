"""EventBridge: event buses of other accounts.

AWS: PutEvents takes the ARN of a bus in another account, where the bus's policy must allow the caller; `account` of the event is
the caller's, whatever the event says. A rule may hand on to such a bus, once; CloudFormation knows the policies as
AWS::Events::EventBusPolicy and as a property of the bus. MiniStack: an entry for such a bus fails as not found, a target is dropped
with a line in the log, the resource type is refused, the property ignored.
In: entries, targets, properties. Out: events on the other account's bus, or AccessDeniedException in the entry's place. It refuses
to know what the events say.
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import get_account_id, get_region, json_response, new_uuid, request_scope
from ministack.services import eventbridge as events
from ministack.services.cloudformation import provisioners as cfn

from . import callers, cloudformation, faults, patching, roles

Entry = dict[str, Any]
Properties = dict[str, Any]


def foreign(bus: str) -> tuple[str, str, str] | None:
    """Account, region and name of a bus that is given as an ARN and not this account's and region's."""
    parts = bus.split(":")
    if len(parts) != 6 or not parts[5].startswith("event-bus/"):
        return None
    found = (parts[4], parts[3], parts[5].removeprefix("event-bus/"))
    return None if found[:2] == (get_account_id(), get_region()) else found


def refusal(bus: str, place: tuple[str, str, str], principal: str, entry: Entry) -> str | None:
    """Why the bus does not take an entry of this principal, or `None`."""
    account, region, name = place
    with request_scope(account, region):
        events._ensure_default_bus()
        policy = events._event_bus_policies.get(name) if name in events._event_buses else None
    keys = {"events__source": entry.get("Source"), "events__detail-type": entry.get("DetailType")}
    said = callers.permits(policy or {}, principal, "events:PutEvents", bus, **keys)
    # One account's own callers need no leave of the bus in another region; only other accounts' do.
    if said == "Allow" or (said == "ImplicitDeny" and account == principal.split(":")[4] and policy is None):
        return None
    reason = "with an explicit deny in a resource-based policy"
    if said != "Deny":
        reason = "because no resource-based policy allows the events:PutEvents action"
    return f"User: {principal} is not authorized to perform: events:PutEvents on resource: {bus} {reason}"


def deliver(place: tuple[str, str, str], entry: Entry) -> str:
    """Puts an entry onto the bus of another account, as an event of this one."""
    account, region, name = place
    record = {
        "EventId": new_uuid(),
        "Source": entry.get("Source", ""),
        "DetailType": entry.get("DetailType", ""),
        "Detail": entry.get("Detail", "{}"),
        "EventBusName": name,
        "Time": int(events._now_ts()),
        "Resources": entry.get("Resources", []),
        "Account": get_account_id(),
        "Region": get_region(),
    }
    _take(account, region, record)
    return str(record["EventId"])


def _take(account: str, region: str, record: dict[str, Any]) -> None:
    with request_scope(account, region):
        events._events_log_list().append(record)
        view = events._pattern_event_view(record)
        events._dispatch_event(record, view)
        events._archive_event(record, view)


def _malformed(entry: Entry) -> dict[str, str] | None:
    """What is wrong with an entry by itself."""
    for field in ("Source", "DetailType", "Detail"):
        if not entry.get(field):
            message = f"Parameter {field} is not valid. Reason: {field} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    try:
        sound = isinstance(json.loads(entry["Detail"]), dict)
    except ValueError:
        sound = False
    return None if sound else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def _answer(entry: Entry) -> dict[str, str] | None:
    """The result of an entry that this addition answers for; `None` leaves it to MiniStack."""
    fault = faults.failing_entry(entry)
    if fault:
        return {"ErrorCode": fault["code"], "ErrorMessage": fault.get("message", "on purpose")}
    wrong = _malformed(entry)
    if wrong:
        return wrong
    bus = entry.get("EventBusName") or ""
    place = foreign(bus)
    if place is None:
        return None
    if str(entry["Source"]).startswith("aws."):
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    refused = refusal(bus, place, callers.current(), entry)
    if refused:
        return {"ErrorCode": "AccessDeniedException", "ErrorMessage": refused}
    return {"EventId": deliver(place, entry)}


def _put(original: Any) -> Any:
    def put(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
        entries = data.get("Entries", [])
        if allow_aws_source or len(entries) > 10:
            return original(data, allow_aws_source)
        results = []
        for entry in entries:
            found = _answer(entry)
            if found is None:
                status, headers, body = original({"Entries": [entry]}, allow_aws_source)
                if status >= 400:
                    return status, headers, body
                found = json.loads(body)["Entries"][0]
            results.append(found)
        return json_response({"FailedEntryCount": sum("ErrorCode" in r for r in results), "Entries": results})

    return put


def _onwards(original: Any) -> Any:
    def dispatch(spec: Any, event: dict[str, Any], rule: dict[str, Any], path: Any, payload: str | None = None) -> None:
        place = foreign(str(spec))
        if place is None:
            original(spec, event, rule, path, payload)
            return
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html: an event crosses once.
        if event.get("_Crossed"):
            events.logger.warning("%s: the event has crossed accounts before", spec)
            return
        targets = events._targets.get(events._rule_key(rule.get("Name"), rule.get("EventBusName", "default")), [])
        role = next((t.get("RoleArn") for t in targets if t.get("Arn") == str(spec)), None) or ""
        entry = {"Source": event.get("Source"), "DetailType": event.get("DetailType")}
        if not role or not roles.allows(role, "events:PutEvents", str(spec), {}) or refusal(str(spec), place, role, entry):
            events.logger.warning("%s: not permitted to the role %r of the target", spec, role)
            return
        record = {**event, "EventBusName": place[2], "_Crossed": True}
        if payload is not None:
            record["Detail"] = payload
        _take(place[0], place[1], record)

    return dispatch


# ---- CloudFormation


def _named_bus(props: Properties) -> str:
    bus = str(props.get("EventBusName") or "default").rsplit("/", 1)[-1]
    events._ensure_default_bus()
    if bus not in events._event_buses:
        raise ValueError(f"Event bus {bus} does not exist.")
    return bus


def _create_policy(_logical: str, props: Properties, _stack: str) -> tuple[str, dict[str, str]]:
    bus, identifier = _named_bus(props), str(props["StatementId"])
    statement = props.get("Statement")
    if isinstance(statement, str):
        statement = json.loads(statement)
    if not isinstance(statement, dict):
        statement = {"Effect": "Allow", "Principal": props.get("Principal"), "Action": props.get("Action")}
        statement["Resource"] = f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{bus}"
        if props.get("Condition"):
            statement["Condition"] = props["Condition"]
    policy = events._event_bus_policies.get(bus) or {"Version": "2012-10-17", "Statement": []}
    kept = [s for s in policy["Statement"] if s.get("Sid") != identifier]
    events._event_bus_policies[bus] = {**policy, "Statement": [*kept, {**statement, "Sid": identifier}]}
    return f"{bus}|{identifier}", {}


def _delete_policy(physical: str, _props: Properties) -> None:
    bus, _, identifier = physical.partition("|")
    events._remove_permission({"EventBusName": bus, "StatementId": identifier})


def _update_policy(physical: str, _old: Properties, new: Properties, stack: str, *_rest: Any) -> tuple[str, dict[str, str]]:
    made = _create_policy("", new, stack)
    if made[0] != physical:
        _delete_policy(physical, new)
    return made


def _bus(name: str, props: Properties) -> None:
    record = events._event_buses[name]
    for key in ("DeadLetterConfig", "KmsKeyIdentifier", "LogConfig"):
        if props.get(key):
            record[key] = props[key]
    policy = props.get("Policy")
    if policy:
        events._event_bus_policies[name] = json.loads(policy) if isinstance(policy, str) else policy


def install() -> None:
    """Takes over entries and targets for other accounts' buses, and adds the policies' types."""
    patching.replace(events, "_put_events", _put)
    patching.replace(events, "_dispatch_to_event_bus", _onwards)
    patching.require(
        events, "_ensure_default_bus", "_event_buses", "_event_bus_policies", "_events_log_list", "_pattern_event_view",
        "_dispatch_event", "_archive_event", "_rule_key", "_targets", "_now_ts", "_remove_permission",
    )  # fmt: skip
    handlers = {"create": _create_policy, "update": _update_policy, "delete": _delete_policy}
    cfn._RESOURCE_HANDLERS.setdefault("AWS::Events::EventBusPolicy", handlers)
    cloudformation.after("AWS::Events::EventBus", _bus)
