"""Templates as the judges read them.

In: files of CloudFormation, JSON or YAML with its short forms. Out: templates as plain values, their state machines
and IAM policies, and findings to print. It refuses to judge.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ACCOUNT, REGION, PARTITION = "111111111111", "eu-central-1", "aws"
_PSEUDO = {"AccountId": ACCOUNT, "Region": REGION, "Partition": PARTITION, "URLSuffix": "amazonaws.com"}


@dataclass(frozen=True, order=True)
class Finding:
    """What a judge holds against a template."""

    judge: str
    template: str
    rule: str
    where: str
    message: str


@dataclass(frozen=True)
class Template:
    """One template, by its file's name."""

    name: str
    body: dict[str, Any]

    def resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Logical ids and resources of one type."""
        for logical, resource in self.body.get("Resources", {}).items():
            if resource.get("Type") == kind:
                yield logical, resource


def load(paths: list[str]) -> list[Template]:
    """The templates of these files."""
    return [Template(Path(path).name, _parse(Path(path))) for path in paths]


def _parse(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        value: dict[str, Any] = json.loads(text)
        return value
    import yaml  # not in every judge's environment, and only templates/ are YAML

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Knows `!Sub` and the other short forms."""

    def short(loader: Any, tag: str, node: Any) -> Any:
        name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
        if isinstance(node, yaml.ScalarNode):
            given = loader.construct_scalar(node)
            return {name: given.split(".", 1) if tag == "GetAtt" else given}
        if isinstance(node, yaml.SequenceNode):
            return {name: loader.construct_sequence(node, deep=True)}
        return {name: loader.construct_mapping(node, deep=True)}

    Loader.add_multi_constructor("!", short)
    parsed: dict[str, Any] = yaml.load(text, Loader)  # noqa: S506  (a SafeLoader)
    return parsed


def text_of(value: Any, default: str = "any") -> str:
    """A string for a value that may hold intrinsic functions; what is not known becomes `default`."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        name, inner = next(iter(value.items()))
        if name == "Fn::Sub":
            given, names = (inner, {}) if isinstance(inner, str) else (inner[0], inner[1])
            return re.sub(r"\$\{([^}!][^}]*)\}", lambda m: _variable(m[1], names, default), given)
        if name == "Ref":
            return _PSEUDO.get(str(inner).removeprefix("AWS::"), default)
    return default


def _variable(name: str, names: dict[str, Any], default: str) -> str:
    if name in names:
        return text_of(names[name], default)
    return _PSEUDO.get(name.removeprefix("AWS::"), default)


def definitions(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Logical ids and definitions of state machines, substitutions made."""
    for logical, resource in template.resources("AWS::StepFunctions::StateMachine"):
        properties = resource["Properties"]
        definition = properties.get("Definition")
        if definition is None:
            definition = json.loads(text_of(properties.get("DefinitionString"), "{}"))
        # What only a deployment knows stands for any value, as an expression does.
        names = {key: text_of(value, "{% any %}") for key, value in properties.get("DefinitionSubstitutions", {}).items()}
        yield logical, substituted(definition, names)


def substituted(value: Any, names: dict[str, str]) -> Any:
    """`value` with each `${name}` in its strings replaced."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda m: names.get(m[1], m[0]), value)
    if isinstance(value, dict):
        return {key: substituted(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [substituted(inner, names) for inner in value]
    return value


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states of a machine, branches and item processors included."""
    for name, state in machine.get("States", {}).items():
        yield name, state
        inside = [*state.get("Branches", []), *filter(None, [state.get("ItemProcessor")])]
        for branch in inside:
            yield from states(branch)


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Role or policy, its resource, and each statement of its permissions."""
    for logical, resource in template.body.get("Resources", {}).items():
        kind, properties = resource.get("Type", ""), resource.get("Properties", {})
        documents = []
        if kind in ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"):
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        elif kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            documents = [properties["PolicyDocument"]]
        for document in documents:
            for statement in listed(document["Statement"]):
                yield logical, resource, statement


def listed(value: Any) -> list[Any]:
    """A list of what may be one or many."""
    return value if isinstance(value, list) else [value]


def report(findings: list[Finding]) -> None:
    """Prints findings for the runner."""
    json.dump([asdict(finding) for finding in sorted(set(findings))], sys.stdout)
