"""Each judge must be able to say no: broken templates, and the judge that has to catch each."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from environment import python_of  # noqa: E402  (tests/environment.py)
from judging import documents, main  # noqa: E402

GOOD = ROOT / "target" / "judged" / "listings.listings.template.json"
Mutate = Callable[[dict[str, Any]], None]


def states(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]["StateMachine"]["Properties"]["Definition"]["States"]
    return found


def statement(template: dict[str, Any], sid: str) -> dict[str, Any]:
    return next(s for _, _, s in documents.statements(documents.Template("t", template)) if s.get("Sid") == sid)


def task(template: dict[str, Any], action: str) -> dict[str, Any]:
    return next(s for s in states(template).values() if action in s.get("Resource", ""))


def put(target: dict[str, Any], key: str, value: Any) -> None:
    """Sets a key that is there: a mutant of nothing is no mutant."""
    if key not in target:
        raise KeyError(key)
    target[key] = value


def rename(target: dict[str, Any], old: str, new: str) -> None:
    target[new] = target.pop(old)


def literal_instances(template: dict[str, Any]) -> dict[str, Any]:
    choice = states(template)["Check input"]["Choices"][0]["Assign"]
    return next(value for name, value in choice.items() if name.endswith("_instances"))


def allow(template: dict[str, Any], action: str, resource: str) -> None:
    policy = template["Resources"]["StateMachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    policy["Statement"].append({"Sid": "Mutant", "Effect": "Allow", "Action": action, "Resource": resource})


def drop(template: dict[str, Any], sid: str) -> None:
    policy = template["Resources"]["StateMachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    before = len(policy["Statement"])
    policy["Statement"] = [s for s in policy["Statement"] if s["Sid"] != sid]
    if len(policy["Statement"]) == before:
        raise KeyError(sid)


# judge -> what is broken -> (rule that must be found, how to break it)
MUTANTS: dict[str, dict[str, tuple[str, Mutate]]] = {
    "checkov": {
        "topic without a key": ("CKV_AWS_26", lambda t: t["Resources"]["Topic"]["Properties"].pop("KmsMasterKeyId")),
        "log group without a key": ("CKV_AWS_158", lambda t: t["Resources"]["LogGroup"]["Properties"].pop("KmsKeyId")),
    },
    "cfn-lint": {
        "misspelt property": ("E3002", lambda t: rename(t["Resources"]["Topic"]["Properties"], "TopicName", "TopicNam")),
        "reference to nothing": ("E1020", lambda t: put(t["Resources"]["ComputeProfile"]["Properties"], "Roles", [{"Ref": "No"}])),
        "misspelt Next": ("E3601", lambda t: rename(task(t, "createCluster"), "Next", "Nxt")),
    },
    "cloudformation-validate": {
        "misspelt property": ("*", lambda t: rename(t["Resources"]["Topic"]["Properties"], "TopicName", "TopicNam")),
        "wrong type": ("*", lambda t: put(t["Resources"]["LogGroup"]["Properties"], "RetentionInDays", "soon")),
    },
    "asl-validator": {
        "Next to nowhere": ("*", lambda t: put(task(t, "createCluster"), "Next", "nowhere")),
        "Choice without Choices": ("*", lambda t: states(t)["Outcome"].pop("Choices")),
    },
    "statelint": {
        "Next to nowhere": ("*", lambda t: put(task(t, "createCluster"), "Next", "nowhere")),
        "neither Next nor End": ("*", lambda t: task(t, "terminateCluster").pop("Next")),
    },
    "permissions": {
        "action that is not there": ("unknown-action", lambda t: allow(t, "elasticmapreduce:RunJobFlows", "*")),
        "resource of another kind": ("resource-type", lambda t: allow(t, "states:StartExecution", "arn:aws:states:eu-central-1:111111111111:activity:a")),
        "star where a name could be": ("wide-resource", lambda t: allow(t, "s3:DeleteBucket", "*")),
        "everything": ("wide-action", lambda t: allow(t, "s3:*", "arn:aws:s3:::bucket")),
        "condition key that is not there": (
            "condition-key",
            lambda t: put(statement(t, "CreateOwnClusters"), "Condition", {"StringEquals": {"elasticmapreduce:Tag/x": "1"}}),
        ),
    },
    "integrations": {
        "misspelt parameter": ("unknown-parameter", lambda t: rename(task(t, "addStep")["Arguments"], "Step", "Stepp")),
        "missing parameter": ("missing-parameter", lambda t: task(t, "addStep")["Arguments"].pop("ClusterId")),
        "misspelt inside": ("unknown-parameter", lambda t: rename(task(t, "addStep")["Arguments"]["Step"], "HadoopJarStep", "JarStep")),
        "misspelt in a literal that is merged": (
            "unknown-parameter", lambda t: rename(literal_instances(t), "KeepJobFlowAliveWhenNoSteps", "KeepAlive"),
        ),
        "no such value": ("not-in-enumeration", lambda t: put(task(t, "addStep")["Arguments"]["Step"], "ActionOnFailure", "GO_ON")),
        "text for a number": ("wrong-type", lambda t: put(task(t, "createCluster")["Arguments"], "StepConcurrencyLevel", "1")),
        "no such integration": (
            "unknown-integration", lambda t: put(task(t, "addStep"), "Resource", "arn:aws:states:::elasticmapreduce:addSteps"),
        ),
    },
    "expressions": {
        "bracket left open": ("syntax", lambda t: put(task(t, "addStep")["Arguments"], "ClusterId", "{% $merge([ %}")),
        "variable that nobody assigns": ("unknown-variable", lambda t: put(task(t, "addStep")["Arguments"], "ClusterId", "{% $clutser %}")),
        "expression in a sentence": ("not-whole", lambda t: put(states(t)["Failed"], "Cause", "it was {% $input %}")),
    },
    "simulate": {
        "steps may not be added": ("refused", lambda t: drop(t, "RunStepsOnOwnClusters")),
        "roles may not be passed": ("refused", lambda t: drop(t, "HandRolesToEmr")),
        "clusters of others may be ended": ("allowed", lambda t: allow(t, "elasticmapreduce:TerminateJobFlows", "*")),
        "buckets may be deleted": ("allowed", lambda t: allow(t, "s3:DeleteBucket", "*")),
    },
}  # fmt: skip


class Mutants(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        os.environ |= {
            "DPC_JUDGES_PYTHON": str(python_of("judges")),
            "DPC_EMULATOR_PYTHON": str(python_of("emulator")),
            "PYTHONPATH": str(HERE.parent),
        }

    def test_every_judge_has_mutants(self) -> None:
        self.assertEqual(sorted(MUTANTS), sorted(main.JUDGES))

    def test_every_judge_catches_its_mutants(self) -> None:
        good = GOOD.read_text(encoding="utf-8")
        for judge, mutants in MUTANTS.items():
            with tempfile.TemporaryDirectory() as folder:
                for name, (_, mutate) in mutants.items():
                    template = json.loads(good)
                    mutate(template)
                    Path(folder, f"{name}.template.json").write_text(json.dumps(template), encoding="utf-8")
                verdict = main.ask(judge, main.templates([folder]))
            for name, (rule, _) in mutants.items():
                found = {f.rule for f in verdict.findings if f.template == f"{name}.template.json"}
                with self.subTest(judge=judge, mutant=name):
                    self.assertTrue(rule in found or (rule == "*" and found), f"found {sorted(found) or 'nothing'}")


class Runner(unittest.TestCase):
    def test_a_suppression_needs_a_reason(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("[{judge: checkov, rule: CKV_1, reason: because}]")
            file.flush()
            with self.assertRaisesRegex(SystemExit, "needs a reason"):
                main.suppressions(Path(file.name))

    def test_a_suppression_explains_what_it_names_and_no_more(self) -> None:
        finding = documents.Finding("checkov", "a.yaml", "CKV_1", "Topic", "words")
        reason = "this is as it should be, because"
        self.assertTrue(main.Suppression("checkov", "CKV_*", reason, where="Topic").explains(finding))
        self.assertFalse(main.Suppression("checkov", "CKV_1", reason, template="b.yaml").explains(finding))
        self.assertFalse(main.Suppression("cfn-lint", "CKV_1", reason).explains(finding))


if __name__ == "__main__":
    unittest.main()
