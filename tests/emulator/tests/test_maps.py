"""Step Functions' Map, inline and distributed, and where its items come from."""

import json
import time
import unittest
from typing import Any

from .emulated import REGION, Machine, client, role

ACCOUNT = "100000000011"
BUCKET = "map-tests"
ITEM = "{% $states.context.Map.Item.Value %}"


def processor(output: str, mode: str = "INLINE", **state: Any) -> dict[str, Any]:
    config = {"Mode": mode} | ({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})
    one = {"Type": "Pass", "Output": f"{{% {output} %}}", "End": True} | state
    return {"ProcessorConfig": config, "StartAt": "one", "States": {"one": one}}


def failing_on(values: str, mode: str) -> dict[str, Any]:
    """Fails for some inputs, waits for ever for 'slow', passes the rest."""
    choices = [
        {"Condition": f"{{% $states.input in {values} %}}", "Next": "no"},
        {"Condition": "{% $states.input = 'slow' %}", "Next": "slow"},
    ]
    states = {
        "which": {"Type": "Choice", "Choices": choices, "Default": "yes"},
        "no": {"Type": "Fail", "Error": "Mine", "Cause": "{% 'so ' & $states.input %}"},
        "slow": {"Type": "Wait", "Seconds": 5000, "Next": "yes"},
        "yes": {"Type": "Succeed"},
    }
    config = {"Mode": mode} | ({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})
    return {"ProcessorConfig": config, "StartAt": "which", "States": states}


class Maps(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.s3 = client("s3", ACCOUNT)
        cls.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        cls.s3.put_object(Bucket=BUCKET, Key="in/a.csv", Body=b"k,v\na,1\nb\n")
        cls.s3.put_object(Bucket=BUCKET, Key="in/b.json", Body=b'{"rows": [1, 2, 3]}')
        cls.s3.put_object(Bucket=BUCKET, Key="in/c.jsonl", Body=b'{"n": 1}\n{"n": 2}\n')

    def mapped(self, machine: Machine, data: Any = None) -> Any:
        done = machine.run(data)
        self.assertEqual(done["status"], "SUCCEEDED", done)
        return json.loads(done["output"])

    def machine(self, state: dict[str, Any], **more: Any) -> Machine:
        return Machine(ACCOUNT, {"map": {"Type": "Map", "End": True} | state}, "map", **more)

    def test_inline_sees_index_value_and_outer_variables(self) -> None:
        states = {
            "set": {"Type": "Pass", "Assign": {"x": 7}, "Next": "map"},
            "map": {
                "Type": "Map",
                "Items": "{% $states.input.list %}",
                "ItemSelector": {"n": "{% $states.context.Map.Item.Index %}", "v": ITEM},
                "ItemProcessor": processor("{'in': $states.input, 'x': $x, 'again': $states.context.Map.Item.Value}"),
                "Output": "{% {'all': $states.result} %}",
                "Assign": {"count": "{% $count($states.result) %}"},
                "Next": "end",
            },
            "end": {"Type": "Succeed", "Output": "{% $merge([$states.input, {'count': $count}]) %}"},
        }
        found = self.mapped(Machine(ACCOUNT, states, "set"), {"list": ["a", "b"]})
        expected = [{"in": {"n": i, "v": v}, "x": 7, "again": v} for i, v in enumerate("ab")]
        self.assertEqual(found, {"all": expected, "count": 2})

    def test_concurrency_keeps_the_order_and_the_limit(self) -> None:
        wait = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "w", "States": {"w": {"Type": "Wait", "Seconds": 10, "End": True}}}
        machine = self.machine({"Items": "{% [1..6] %}", "MaxConcurrency": "{% 1 + 1 %}", "ItemProcessor": wait})
        began = time.monotonic()
        self.assertEqual(self.mapped(machine), [1, 2, 3, 4, 5, 6])
        self.assertGreater(time.monotonic() - began, 3 * 10 * 0.02)

    def test_items_that_are_no_list(self) -> None:
        done = self.machine({"Items": "{% 'x' %}", "ItemProcessor": processor("1")}).run()
        self.assertEqual(done["error"], "States.QueryEvaluationError")

    def test_the_first_inline_failure_stops_the_others(self) -> None:
        machine = self.machine({"Items": ["slow", "bad"], "ItemProcessor": failing_on("['bad']", "INLINE")})
        began = time.monotonic()
        done = machine.run()
        self.assertEqual((done["status"], done["error"], done["cause"]), ("FAILED", "Mine", "so bad"))
        self.assertLess(time.monotonic() - began, 10)

    def test_distributed_children_see_their_input_alone(self) -> None:
        for expression in ("$x", "$states.context.Map.Item.Index"):
            states = {
                "set": {"Type": "Pass", "Assign": {"x": 7}, "Next": "map"},
                "map": {"Type": "Map", "Items": [1], "Label": "L", "ItemProcessor": processor(expression, "DISTRIBUTED"), "End": True},
            }
            done = Machine(ACCOUNT, states, "set").run()
            self.assertEqual(done["error"], "States.ExceedToleratedFailureThreshold", expression)

    def test_distributed_children_are_executions(self) -> None:
        state = {
            "Items": ["a", "b"],
            "Label": "Label",
            "ItemSelector": {"v": ITEM},
            "ItemProcessor": processor("$states.context.Execution.Id & $states.input.v", "DISTRIBUTED"),
        }
        machine = self.machine(state)
        arn = machine.start()
        output = json.loads(machine.end(arn)["output"])
        run = machine.sfn.list_map_runs(executionArn=arn)["mapRuns"][0]["mapRunArn"]
        described = machine.sfn.describe_map_run(mapRunArn=run)
        self.assertEqual((described["status"], described["itemCounts"]["succeeded"]), ("SUCCEEDED", 2))
        children = machine.sfn.list_executions(mapRunArn=run)["executions"]
        self.assertEqual(sorted(c["executionArn"][-36:] for c in children), sorted(o[-37:-1] for o in output))
        self.assertIn("/Label:", children[0]["executionArn"])
        kinds = [e["type"] for e in machine.history(children[0]["executionArn"])]
        self.assertEqual(kinds, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"])

    def test_tolerated_failures(self) -> None:
        def of(**tolerated: Any) -> dict[str, Any]:
            items = ["a", "bad", "c", "worse"]
            return self.machine({"Items": items, "ItemProcessor": failing_on("['bad', 'worse']", "DISTRIBUTED")} | tolerated).run()

        self.assertEqual(of()["error"], "States.ExceedToleratedFailureThreshold")
        self.assertEqual(of(ToleratedFailureCount=1)["error"], "States.ExceedToleratedFailureThreshold")
        self.assertEqual(of(ToleratedFailurePercentage=49)["error"], "States.ExceedToleratedFailureThreshold")
        for enough in ({"ToleratedFailureCount": "{% 1 + 1 %}"}, {"ToleratedFailurePercentage": 50}):
            output = json.loads(of(**enough)["output"])
            self.assertEqual([output[0], output[2]], ["a", "c"])

    def test_a_failure_that_is_not_tolerated_stops_the_children(self) -> None:
        machine = self.machine({"Items": ["slow", "bad"], "ItemProcessor": failing_on("['bad']", "DISTRIBUTED")})
        arn = machine.start()
        self.assertEqual(machine.end(arn)["error"], "States.ExceedToleratedFailureThreshold")
        run = machine.sfn.list_map_runs(executionArn=arn)["mapRuns"][0]["mapRunArn"]
        states = sorted(c["status"] for c in machine.sfn.list_executions(mapRunArn=run)["executions"])
        self.assertEqual(states, ["ABORTED", "FAILED"])

    def read(self, resource: str, arguments: dict[str, Any], config: dict[str, Any] | None = None, **more: Any) -> Machine:
        role_arn = {"roleArn": more.pop("roleArn")} if "roleArn" in more else {}
        reader = {"Resource": f"arn:aws:states:::s3:{resource}", "Arguments": {"Bucket": BUCKET} | arguments}
        if config:
            reader["ReaderConfig"] = config
        return self.machine({"ItemReader": reader, "ItemProcessor": processor("$states.input", "DISTRIBUTED")} | more, **role_arn)

    def test_readers(self) -> None:
        csv = self.read("getObject", {"Key": "{% 'in/' & 'a.csv' %}"}, {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"})
        self.assertEqual(self.mapped(csv), [{"k": "a", "v": "1"}, {"k": "b", "v": ""}])
        given = self.read("getObject", {"Key": "in/a.csv"}, {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["x"], "MaxItems": 1})
        self.assertEqual(self.mapped(given), [{"x": "k"}])
        lines = self.read("getObject", {"Key": "in/c.jsonl"}, {"InputType": "JSONL"})
        self.assertEqual(self.mapped(lines), [{"n": 1}, {"n": 2}])
        pointed = self.read("getObject", {"Key": "in/b.json"}, {"InputType": "JSON", "ItemsPointer": "/rows"})
        self.assertEqual(self.mapped(pointed), [1, 2, 3])
        listed = self.mapped(self.read("listObjectsV2", {"Prefix": "in/"}))
        self.assertEqual([o["Key"] for o in listed], ["in/a.csv", "in/b.json", "in/c.jsonl"])
        self.assertEqual(sorted(listed[0]), ["Etag", "Key", "LastModified", "Size", "StorageClass"])

    def test_batches(self) -> None:
        batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"of": "{% $states.input.of %}"}}
        machine = self.read("getObject", {"Key": "in/b.json"}, {"InputType": "JSON", "ItemsPointer": "/rows"}, ItemBatcher=batcher)
        self.assertEqual(self.mapped(machine, {"of": "x"}), [{"BatchInput": {"of": "x"}, "Items": [1, 2]}, {"BatchInput": {"of": "x"}, "Items": [3]}])

    def test_what_cannot_be_read(self) -> None:
        cases = [
            self.read("getObject", {"Key": "nothing"}, {"InputType": "JSON"}),
            self.read("getObject", {"Key": "in/a.csv"}, {"InputType": "JSON"}),
            self.read("listObjectsV2", {"Bucket": "no-such-bucket"}),
            self.read("getObject", {"Key": "in/b.json"}, {"InputType": "JSON"}, roleArn=role(ACCOUNT, "nothing", allowed=())),
        ]
        for machine in cases:
            done = machine.run()
            self.assertEqual(done.get("error"), "States.ItemReaderFailed", done)


if __name__ == "__main__":
    unittest.main()
