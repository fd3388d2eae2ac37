"""Step Functions' interpreter: what MiniStack's own gets wrong."""

import json
import time
import unittest

from .emulated import Machine, client, eventually

ACCOUNT = "100000000001"


def passing(output: str, **more: object) -> dict[str, object]:
    return {"Type": "Pass", "Output": f"{{% {output} %}}", "End": True} | more


class Executions(unittest.TestCase):
    def test_parallel_has_arguments_output_and_variables_of_its_own(self) -> None:
        branches = [
            {
                "StartAt": name,
                "States": {name: passing("{ 'seen': $states.input.given, 'x': $x }", Assign={"x": "inner"})},
            }
            for name in ("left", "right")
        ]
        states = {
            "set": {"Type": "Pass", "Assign": {"x": "outer"}, "Next": "both"},
            "both": {
                "Type": "Parallel",
                "Arguments": {"given": "{% $states.input.a %}"},
                "Branches": branches,
                "Output": "{% $merge($states.result) %}",
                "Assign": {"n": "{% $count($states.result) %}"},
                "Next": "end",
            },
            "end": {"Type": "Succeed", "Output": "{% $merge([$states.input, {'n': $n, 'x': $x}]) %}"},
        }
        done = Machine(ACCOUNT, states, "set").run({"a": 1})
        self.assertEqual(done["status"], "SUCCEEDED", done)
        self.assertEqual(json.loads(done["output"]), {"seen": 1, "x": "outer", "n": 2})

    def test_branches_are_in_the_history_and_events_are_chained(self) -> None:
        branches = [{"StartAt": n, "States": {n: passing("1")}} for n in ("left", "right")]
        machine = Machine(ACCOUNT, {"both": {"Type": "Parallel", "Branches": branches, "End": True}}, "both")
        arn = machine.start()
        machine.end(arn)
        events = machine.history(arn)
        entered = [e["stateEnteredEventDetails"]["name"] for e in events if e["type"].endswith("Entered")]
        self.assertEqual(sorted(entered), ["both", "left", "right"])
        self.assertEqual([e["id"] for e in events], list(range(1, len(events) + 1)))
        inside = [e["previousEventId"] for e in events if e["type"] == "PassStateEntered"]
        started = next(e["id"] for e in events if e["type"] == "ParallelStateStarted")
        self.assertEqual(inside, [started, started])

    def test_a_failing_branch_stops_its_sibling(self) -> None:
        branches = [
            {"StartAt": "slow", "States": {"slow": {"Type": "Wait", "Seconds": 3000, "Next": "never"}, "never": passing("1")}},
            {"StartAt": "no", "States": {"no": {"Type": "Fail", "Error": "Mine", "Cause": "so"}}},
        ]
        began = time.monotonic()
        done = Machine(ACCOUNT, {"both": {"Type": "Parallel", "Branches": branches, "End": True}}, "both").run()
        self.assertEqual((done["status"], done["error"], done["cause"]), ("FAILED", "Mine", "so"))
        self.assertLess(time.monotonic() - began, 5)

    def test_the_machines_timeout_ends_it(self) -> None:
        states = {"wait": {"Type": "Wait", "Seconds": 5000, "End": True}}
        machine = Machine(ACCOUNT, states, "wait", TimeoutSeconds=1)
        arn = machine.start()
        self.assertEqual(machine.end(arn)["status"], "TIMED_OUT")
        self.assertEqual(machine.history(arn)[-1]["type"], "ExecutionTimedOut")

    def test_stop_is_the_last_event(self) -> None:
        machine = Machine(ACCOUNT, {"wait": {"Type": "Wait", "Seconds": 5000, "End": True}}, "wait")
        arn = machine.start()
        eventually(lambda: len(machine.history(arn)) > 1)
        machine.sfn.stop_execution(executionArn=arn, cause="enough")
        done = machine.end(arn)
        time.sleep(0.1)
        self.assertEqual((done["status"], machine.history(arn)[-1]["type"]), ("ABORTED", "ExecutionAborted"))

    def test_a_choice_has_conditions_that_are_boolean_and_a_default_of_its_own(self) -> None:
        def of(condition: str, **more: object) -> dict[str, object]:
            choice = {"Type": "Choice", "Choices": [{"Condition": f"{{% {condition} %}}", "Output": "rule", "Next": "end"}]} | more
            return Machine(ACCOUNT, {"which": choice, "end": {"Type": "Succeed"}}, "which").run()

        default = {"Default": "end", "Output": "default"}
        self.assertEqual(of("1 = 1", **default)["output"], '"rule"')
        self.assertEqual(of("1 = 2", **default)["output"], '"default"')
        self.assertEqual(of("1 = 2")["error"], "States.NoChoiceMatched")
        self.assertEqual(of("'yes'", **default)["error"], "States.QueryEvaluationError")
        self.assertEqual(of("$states.input.no", **default)["error"], "States.QueryEvaluationError")

    def test_retries_happen_with_scaled_waits(self) -> None:
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": "nobody", "Payload": {}},
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "MaxAttempts": 2, "MaxDelaySeconds": 11}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "caught", "Output": "{% $states.errorOutput.Error %}"}],
            "End": True,
        }
        machine = Machine(ACCOUNT, {"try": task, "caught": passing("$states.input")}, "try")
        arn = machine.start()
        began = time.monotonic()
        self.assertEqual(machine.end(arn)["status"], "SUCCEEDED")
        self.assertGreater(time.monotonic() - began, (10 + 11) * 0.02)
        kinds = [e["type"] for e in machine.history(arn)]
        self.assertEqual((kinds.count("TaskScheduled"), kinds.count("TaskFailed")), (3, 3))

    def test_states_all_does_not_catch_a_runtime_error(self) -> None:
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::elasticmapreduce:addStep.sync",
            "Arguments": {"ClusterId": "j-1", "Stepp": {}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "caught"}],
            "End": True,
        }
        done = Machine(ACCOUNT, {"try": task, "caught": passing("1")}, "try").run()
        self.assertEqual((done["status"], done["error"]), ("FAILED", "States.Runtime"))
        self.assertIn('The field "Stepp" is not supported by Step Functions', done["cause"])
        self.assertIn('Missing required parameter in input: "Step"', done["cause"])

    def test_names_that_dpc_relies_on_in_jsonata(self) -> None:
        states = {
            "all": passing(
                "{ 'name': $states.context.Execution.Name, 'both': $merge([{'a': 1}, $states.input]),"
                " 'now': $exists($now()), 'cut': $substring('abcdef', 0, 3) }"
            )
        }
        done = Machine(ACCOUNT, states, "all").run({"b": 2}, name="x.2026-11-21.1")
        expected = {"name": "x.2026-11-21.1", "both": {"a": 1, "b": 2}, "now": True, "cut": "abc"}
        self.assertEqual(json.loads(done["output"]), expected)

    def test_history_reaches_the_log_group(self) -> None:
        logs = client("logs", ACCOUNT)
        group = "/aws/vendedlogs/states/logged"
        logs.create_log_group(logGroupName=group)
        arn = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:{group}:*"
        configuration = {
            "level": "ALL",
            "includeExecutionData": True,
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
        }
        machine = Machine(ACCOUNT, {"one": passing("$states.input")}, "one", loggingConfiguration=configuration)
        machine.run({"secret": "s3"})
        events = [json.loads(e["message"]) for e in logs.filter_log_events(logGroupName=group)["events"]]
        kinds = [e["type"] for e in events]
        self.assertEqual(kinds, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"])
        self.assertEqual(events[-1]["details"]["output"], '{"secret": "s3"}')
        self.assertEqual([e["previous_event_id"] for e in events], ["0", "1", "2", "3"])

    def test_levels_and_data_of_logs(self) -> None:
        logs = client("logs", ACCOUNT)
        group = "/aws/vendedlogs/states/errors"
        logs.create_log_group(logGroupName=group)
        arn = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:{group}:*"
        configuration = {"level": "ERROR", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}]}
        states = {"one": passing("1", Next="no"), "no": {"Type": "Fail", "Error": "E", "Cause": "c"}}
        del states["one"]["End"]
        Machine(ACCOUNT, states, "one", loggingConfiguration=configuration).run({"secret": "s3"})
        text = [e["message"] for e in logs.filter_log_events(logGroupName=group)["events"]]
        self.assertEqual([json.loads(t)["type"] for t in text], ["FailStateEntered", "ExecutionFailed"])
        self.assertNotIn("s3", "".join(text))


if __name__ == "__main__":
    unittest.main()
