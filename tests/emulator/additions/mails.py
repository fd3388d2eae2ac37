"""SNS: what would have been sent by e-mail.

AWS: an e-mail subscription gets subject and message once it is confirmed. MiniStack: a line in its log.
In: published messages. Out: `GET /_dpc/mails`, oldest first, with account, topic, to, subject, message; a subscription
counts as confirmed. `POST /_dpc/mails/clear` forgets them. It refuses to send anything.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from ministack.services import sns

from . import http, patching

_MAILS: list[dict[str, Any]] = []
_LOCK = threading.Lock()


def _fanout(original: Any) -> Any:
    def fanout(
        topic_arn: str, message_id: str, message: str, subject: str, structure: str = "",
        attributes: dict[str, Any] | None = None, *rest: Any, **more: Any,
    ) -> None:  # fmt: skip
        given = attributes if attributes is not None else more.get("message_attributes", {})
        topic = sns._topic_by_arn_any_scope(topic_arn)
        for subscription in (topic or {}).get("subscriptions", []):
            if subscription.get("protocol") not in ("email", "email-json"):
                continue
            text = sns._resolve_message_for_protocol(message, structure, subscription["protocol"])
            if sns._matches_filter_policy(subscription, given or {}, text):
                record = {
                    "at": time.time(), "account": topic_arn.split(":")[4], "topic": topic_arn.rsplit(":", 1)[-1],
                    "to": subscription["endpoint"], "subject": subject, "message": text,
                }  # fmt: skip
                with _LOCK:
                    _MAILS.append(record)
        if attributes is None:
            original(topic_arn, message_id, message, subject, structure, *rest, **more)
        else:
            original(topic_arn, message_id, message, subject, structure, attributes, *rest, **more)

    return fanout


def _clear(_: dict[str, Any]) -> list[Any]:
    with _LOCK:
        _MAILS.clear()
    return []


def install() -> None:
    """Listens to every publication."""
    patching.replace(sns, "_fanout", _fanout)
    patching.require(sns, "_topic_by_arn_any_scope", "_resolve_message_for_protocol", "_matches_filter_policy")
    http.route("GET", "mails", lambda _: list(_MAILS))
    http.route("POST", "mails/clear", _clear)
