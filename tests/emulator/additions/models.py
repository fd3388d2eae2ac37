"""Arguments against botocore's service models: what the API takes, by its own definition.

In: a service, an operation and arguments. Out: problems in Step Functions' words. It refuses to know what the service
does with them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator


@cache
def service(name: str) -> ServiceModel:
    """The newest model of a service that botocore has."""
    model: ServiceModel = botocore.session.get_session().get_service_model(name)
    return model


def structure(members: dict[str, Shape], required: list[str]) -> StructureShape:
    """A shape for arguments that no operation of the API takes as they are."""
    definition = {"type": "structure", "required": required, "members": {name: {"shape": name} for name in members}}
    made = StructureShape("Arguments", definition)
    made.members = dict(members)  # takes the place of the look-up by name
    return made


def problems(shape: Shape, value: Any, path: str = "") -> list[str]:
    """What Step Functions would say about `value`: unknown fields, then missing ones, types and enums."""
    return [*_unknown(shape, value, path), *_invalid(shape, value)]


def _unknown(shape: Shape, value: Any, path: str) -> list[str]:
    found: list[str] = []
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for key, inner in value.items():
            if key not in shape.members:
                where = f" in {path}" if path else ""
                found.append(f'The field "{key}"{where} is not supported by Step Functions')
            else:
                found += _unknown(shape.members[key], inner, f"{path}.{key}" if path else key)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for index, inner in enumerate(value):
            found += _unknown(shape.member, inner, f"{path}[{index}]")
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for key, inner in value.items():
            found += _unknown(shape.value, inner, f"{path}.{key}")
    return [*found, *_not_in_enum(shape, value, path)]


def _not_in_enum(shape: Shape, value: Any, path: str) -> list[str]:
    enum = getattr(shape, "enum", None)
    if enum and isinstance(value, str) and value not in enum:
        return [f'The value "{value}" of the field "{path}" is not one of {", ".join(enum)}']
    return []


def _invalid(shape: Shape, value: Any) -> list[str]:
    report = ParamValidator().validate(value, shape)
    text: str = report.generate_report()
    return [line for line in text.splitlines() if not line.startswith("Unknown parameter")]
