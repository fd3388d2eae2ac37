"""Step Functions: Retry and Catch of a state.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html: the first retrier that names the
error decides; waits grow by BackoffRate up to MaxDelaySeconds, FULL jitter draws below them; States.ALL takes neither
States.Runtime nor States.DataLimitExceeded. MiniStack: 60 s at most, no jitter, Runtime is caught.
In: a state and one attempt of it. Out: the attempt's result, or the catcher's. It refuses to know what an attempt does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from . import patching

State = dict[str, Any]
Context = dict[str, Any]
Step = tuple[Any, str | None]
UNCAUGHT = frozenset({"States.Runtime", "States.DataLimitExceeded"})


def handled(state: State, data: Any, context: Context, attempt: Callable[[], Step]) -> Step:
    """Runs `attempt` under the state's Retry and Catch."""
    entered, retries = context["State"], dict[int, int]()
    while True:
        context["State"] = {**entered, "RetryCount": sum(retries.values())}
        try:
            return attempt()
        except sfn._ExecutionError as error:
            if error.error in UNCAUGHT:
                raise
            retrier, index = sfn._find_matching_retrier(state.get("Retry", []), error.error, retries)
            if retrier is not None:
                done = retries.get(index, 0)
                retries[index] = done + 1
                sfn._scaled_sleep(delay(retrier, done))
                continue
            catcher = sfn._find_matching_catcher(state.get("Catch", []), error.error)
            if catcher is None:
                raise
            language = sfn._state_query_language(state, context)
            problem = {"Error": error.error, "Cause": error.cause}
            return sfn._apply_catcher(catcher, data, context, language, problem), catcher["Next"]


def delay(retrier: dict[str, Any], done: int) -> float:
    """Seconds before the next attempt, after `done` retries."""
    seconds = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** done)
    seconds = min(seconds, retrier.get("MaxDelaySeconds", seconds))
    return random.uniform(0, seconds) if retrier.get("JitterStrategy") == "FULL" else seconds


def _not_runtime(original: Any) -> Any:
    def matches(wanted: list[str], error: str) -> bool:
        return error not in UNCAUGHT and bool(original(wanted, error))

    return matches


def install() -> None:
    """Keeps States.Runtime from every Retry and Catch."""
    patching.replace(sfn, "_error_matches", _not_runtime)
    patching.require(
        sfn, "_ExecutionError", "_apply_catcher", "_find_matching_catcher", "_find_matching_retrier",
        "_scaled_sleep", "_state_query_language",
    )  # fmt: skip
