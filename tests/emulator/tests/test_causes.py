"""What a machine of dpc's makes of a failure's cause, in the emulator's JSONata: the expressions are those of the golden template."""

import json
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonata import Jsonata

TEMPLATE = Path(__file__).resolve().parents[2] / "golden" / "listings.template.json"
STATES = json.loads(TEMPLATE.read_text())["Resources"]["StateMachine"]["Properties"]["Definition"]["States"]
FAILURE = {"Reason": "Unknown Error.", "Message": 'in "main": a\\b\n\tat x', "LogFile": "s3://b/logs/s-1/stderr.gz"}
SAID = 'Unknown Error. in "main": a\\b at x; log: s3://b/logs/s-1/stderr.gz'


def evaluate(expression: str, states: dict[str, Any]) -> Any:
    parsed = Jsonata.jsonata(expression.removeprefix("{%").removesuffix("%}"))
    frame = parsed.create_frame()
    frame.bind("states", states)
    return parsed.evaluate({}, frame)


def recorded(cause: str | None, error: str = "States.TaskFailed", state: str = "aggregate") -> dict[str, Any]:
    """The results after a state's catcher."""
    failure = {"Error": error} | ({} if cause is None else {"Cause": cause})
    given = {"input": {"before": {"status": "SUCCEEDED"}}, "errorOutput": failure}
    return evaluate(STATES[state]["Catch"][0]["Output"], given)


def said(cause: str | None) -> str:
    results = recorded(cause)
    assert results["before"] == {"status": "SUCCEEDED"} and results["aggregate"]["status"] == "FAILED", results
    return results["aggregate"]["cause"]


def concluded(cause: str | None, error: str = "States.TaskFailed", state: str = "aggregate") -> str:
    return evaluate(STATES["Failed"]["Cause"], {"input": recorded(cause, error, state)})


def step(*arguments: str, **failure: str) -> dict[str, Any]:
    status = {"State": "FAILED", "StateChangeReason": {}, "FailureDetails": failure}
    return {"Step": {"Id": "s-1", "Config": {"Jar": "x", "Args": arguments}, "Status": status}}


def written(value: Any) -> Iterator[str]:
    yield json.dumps(value)
    yield json.dumps(value, separators=(",", ":"))


class Causes(unittest.TestCase):
    def test_a_steps_failure_is_a_sentence_and_the_place_of_its_log(self) -> None:
        for cause in written(step("x" * 4000, **FAILURE)):
            self.assertEqual(said(cause), SAID)
            self.assertEqual(concluded(cause), f"step `aggregate` failed: {SAID}")

    def test_no_argument_of_a_step_passes_for_what_emr_says(self) -> None:
        for argument in ('{"Message": "mine", "Reason":"mine"}', '"Message":"mine"', "\\", '\\"', 'a\\\\"Reason":"', '":"'):
            for cause in written(step("Message", argument, "Message", **FAILURE)):
                self.assertEqual(said(cause), SAID, argument)

    def test_a_clusters_failure_is_its_reason(self) -> None:
        reason = {"Code": "VALIDATION_ERROR", "Message": "no capacity in eu-central-1a"}
        for cause in written({"Cluster": {"Id": "j-1", "Status": {"StateChangeReason": reason}}}):
            text = concluded(cause, state="Create cluster")
            self.assertEqual(text, "cluster `cluster` failed: no capacity in eu-central-1a")

    def test_whatever_the_cause_is_the_catcher_holds(self) -> None:
        for cause in ("", "{", '"', "\\", "null", "[]", "{}", '{"Message":null}', '{"Message":', "a step\nended: {% $x %} ${y}"):
            self.assertEqual(said(cause), cause)
        self.assertEqual(said('{"Message":"cut sh'), "cut sh")
        self.assertEqual(said(None), "")
        self.assertEqual(len(said("x" * 40_000)), 1000)
        self.assertLess(len(said(json.dumps(step(Reason="r" * 9000, Message="m" * 9000, LogFile="l" * 9000)))), 1200)

    def test_errors_other_than_a_failed_job_are_named(self) -> None:
        self.assertEqual(concluded("no", "EMR.Busy"), "step `aggregate` failed: EMR.Busy: no")
        self.assertEqual(concluded(None, "States.Timeout"), "step `aggregate` failed: States.Timeout")
        self.assertEqual(concluded(None), "step `aggregate` failed: States.TaskFailed")
