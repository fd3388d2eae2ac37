"""EventBridge Scheduler: when a schedule fires, and with which input.

AWS: cron and at() are read in the schedule's time zone, StartDate and EndDate bound it, `<aws.scheduler.…>` in the
input is replaced, scheduled-time is the time that was due. MiniStack: everything is UTC, nothing is replaced, one
sweep in ten seconds. `POST /_dpc/fire {"name", "scheduledTime"?, "account"?}` fires a schedule now, as often as asked:
deliveries can be doubled without waiting (the name may hold `*`); with `"rule"` in place of `"name"`, the targets of a rule with a schedule.
In: MiniStack's schedules. Out: invocations of their targets. It refuses to know who made a schedule.
"""

from __future__ import annotations

import fnmatch
import os
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import new_uuid, request_scope
from ministack.services import eventbridge as events
from ministack.services import scheduler

from . import http, patching

Schedule = dict[str, Any]
_LAST: dict[Any, float] = {}


def due(schedule: Schedule, last: float, now: float) -> float | None:
    """The time between `last` (excluded) and `now` at which the schedule fires next, if there is one."""
    expression = schedule.get("ScheduleExpression", "")
    zone = ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
    if expression.startswith("at("):
        moment = datetime.fromisoformat(expression[3:-1]).replace(tzinfo=zone).timestamp()
    elif expression.startswith("cron("):
        fields = events._parse_cron_fields(expression)
        # MiniStack's walk knows no zones, so it walks the wall clock of the zone under the name of UTC.
        wall = datetime.fromtimestamp(last, zone).replace(tzinfo=UTC)
        following = fields and events._cron_next_fire(fields, wall)
        if following is None:
            return None
        moment = following.replace(tzinfo=zone).timestamp()
    else:
        seconds = events._parse_rate_seconds(expression)
        if seconds is None:
            return None
        moment = last + seconds
    return moment if last < moment <= now else None


def within_dates(schedule: Schedule, moment: float) -> bool:
    """True when `moment` lies between StartDate and EndDate."""
    start, end = scheduler._to_epoch(schedule.get("StartDate")), scheduler._to_epoch(schedule.get("EndDate"))
    return (start is None or moment >= start) and (end is None or moment <= end)


def fire(key: tuple[str, str, str], schedule: Schedule, moment: float) -> None:
    """Invokes the schedule's target for the time that was due."""
    account, region, _ = key
    target = dict(schedule.get("Target") or {})
    execution = new_uuid()
    stamp = datetime.fromtimestamp(round(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = {"scheduled-time": stamp, "schedule-arn": schedule["Arn"], "execution-id": execution, "attempt-number": "1"}
    if isinstance(target.get("Input"), str):
        for name, value in values.items():
            target["Input"] = target["Input"].replace(f"<aws.scheduler.{name}>", value)
    event = {
        "EventId": execution,
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": moment,
        "Resources": [schedule["Arn"]],
        "Account": account,
        "Region": region,
    }
    with request_scope(account, region):
        events._invoke_target(target, event, schedule)


def tick(now: float | None = None) -> None:
    """Fires what has become due since the last tick."""
    moment = time.time() if now is None else now
    for key, schedule in list(scheduler._schedules._data.items()):
        # An at() in the past still fires once; a cron or rate counts from its creation.
        first = 0.0 if schedule.get("ScheduleExpression", "").startswith("at(") else schedule.get("CreationDate", moment)
        at = due(schedule, _LAST.get(key, first), moment)
        if at is None:
            continue
        _LAST[key] = at
        if schedule.get("State") != "ENABLED" or not within_dates(schedule, at):
            continue
        fire(key, schedule, at)
        if schedule["ScheduleExpression"].startswith("at(") and schedule.get("ActionAfterCompletion") == "DELETE":
            scheduler._schedules._data.pop(key, None)


def fire_now(request: dict[str, Any]) -> dict[str, Any]:
    """`POST /_dpc/fire`: fires the named schedule for the given time."""
    name, account = request.get("name"), request.get("account")
    if "rule" in request:
        return {"fired": _fire_rules(request["rule"], account)}
    found = [
        (key, schedule)
        for key, schedule in scheduler._schedules._data.items()
        if fnmatch.fnmatchcase(schedule["Name"], str(name)) and account in (None, key[0])
    ]
    if len(found) != 1:
        known = sorted(s["Name"] for s in scheduler._schedules._data.values())
        raise ValueError(f"{len(found)} schedules are named {name!r}; there are {', '.join(known) or 'none'}")
    given = request.get("scheduledTime")
    moment = time.time() if given is None else datetime.fromisoformat(given.replace("Z", "+00:00")).timestamp()
    fire(*found[0], moment)
    return {"fired": found[0][1]["Arn"]}


def _fire_rules(name: str, account: str | None) -> list[str]:
    """Has the scheduled rules of this name call their targets, in the account or in all."""
    fired = []
    for (owner, region, key), rule in list(events._rules._data.items()):
        if rule.get("Name") != name or not rule.get("ScheduleExpression") or account not in (None, owner):
            continue
        event = {
            "EventId": new_uuid(),
            "Source": "aws.events",
            "DetailType": "Scheduled Event",
            "Detail": "{}",
            "Time": int(time.time()),
            "Resources": [rule["Arn"]],
            "Account": owner,
            "Region": region,
        }
        with request_scope(owner, region):
            for target in events._targets.get(key, []):
                events._invoke_target(target, event, rule)
        fired.append(rule["Arn"])
    if not fired:
        raise ValueError(f"no rule with a schedule is named {name!r}")
    return fired


def install() -> None:
    """Takes the place of MiniStack's sweep."""
    patching.replace(scheduler, "_tick_schedules", lambda _: tick)
    patching.replace(scheduler, "_SCHEDULE_TICK_INTERVAL", lambda _: float(os.environ.get("DPC_SCHEDULER_TICK", "1")))
    patching.require(scheduler, "_schedules", "_to_epoch")
    patching.require(events, "_parse_cron_fields", "_cron_next_fire", "_parse_rate_seconds", "_invoke_target", "_rules", "_targets")
    http.route("POST", "fire", fire_now)
