"""Step Functions: which names StartExecution takes.

AWS: 1 to 80 characters without white space, brackets, wildcards and other special characters; the same name with the
same input while that execution runs is a success and starts nothing. MiniStack: any name; the same one is refused.
In: StartExecution's arguments. Out: MiniStack's answer, or AWS's. It refuses to know what runs.
"""

from __future__ import annotations

import re
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import stepfunctions as sfn

from . import patching

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
_BAD = re.compile(r'[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]')


def is_valid(name: str) -> bool:
    """True for a name that Step Functions takes."""
    return 1 <= len(name) <= 80 and not _BAD.search(name)


def _start(original: Any) -> Any:
    def start(data: dict[str, Any]) -> Any:
        name = data.get("name")
        if name is None:
            return original(data)
        if not is_valid(name):
            return error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
        machine = sfn._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        if machine:
            title = sfn._state_machines[machine]["name"]
            arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{title}:{name}"
            running = sfn._executions.get(arn)
            if running and running["status"] == "RUNNING" and running["input"] == data.get("input", "{}"):
                return json_response({"executionArn": arn, "startDate": running["startDate"]})
        return original(data)

    return start


def install() -> None:
    """Looks at the name before MiniStack does."""
    patching.replace(sfn, "_start_execution", _start)
    patching.require(sfn, "_resolve_state_machine_arn", "_state_machines", "_executions")
