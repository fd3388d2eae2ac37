"""The AWS API as Step Functions calls it: its spelling of parameters, botocore's call, its spelling of the answer.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html: parameters and results are in
PascalCase whatever the API says, times are ISO texts (aws-sdk) or epoch milliseconds (optimised), bodies are text.
In: a service of botocore, an operation, arguments. Out: the answer, or an `ApiError` with the API's own code. Calls go to
the emulator itself, over HTTP, as the execution's account. It refuses to know which integration asks.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from datetime import datetime
from functools import lru_cache
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from ministack.core.responses import get_account_id, get_region

from . import models

ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "")
_LOCK = threading.Lock()


class ApiError(Exception):
    """The API refused: its code and its sentence."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


@lru_cache(maxsize=256)
def _client(service: str, account: str, region: str) -> Any:
    with _LOCK:  # botocore's loader is not made for threads
        return botocore.session.get_session().create_client(
            service, region_name=region, endpoint_url=ENDPOINT, aws_access_key_id=account, aws_secret_access_key="emulated",
            config=Config(
                inject_host_prefix=False, retries={"max_attempts": 0}, read_timeout=900, max_pool_connections=50,
                s3={"addressing_style": "path"}, parameter_validation=False,
            ),
        )  # fmt: skip


def client(service: str) -> Any:
    """A client of the emulator for the current account and region."""
    return _client(service, get_account_id(), get_region())


def operation(service: str, name: str) -> OperationModel:
    """An operation's model, by its own name or with a small first letter."""
    return models.service(service).operation_model(name[0].upper() + name[1:])


def call(service: str, name: str, arguments: dict[str, Any], millis: bool = False) -> Any:
    """Calls an operation with parameters and answer as Step Functions spells them."""
    model = operation(service, name)
    given = to_api(model.input_shape, arguments) if model.input_shape else {}
    answer = raw(service, model.name, given)
    return from_api(model.output_shape, answer, millis) if model.output_shape else {}


def raw(service: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Calls an operation with the API's own spelling."""
    try:
        answer: dict[str, Any] = client(service)._make_api_call(name, arguments)
    except botocore.exceptions.ClientError as refused:
        error = refused.response.get("Error", {})
        raise ApiError(str(error.get("Code", "")), str(error.get("Message", ""))) from refused
    except (botocore.exceptions.BotoCoreError, ValueError, TypeError) as problem:
        raise ApiError("SdkClientException", str(problem)) from problem
    answer.pop("ResponseMetadata", None)
    return answer


def spelt(name: str) -> str:
    """A member's name as Step Functions spells it."""
    return name[0].upper() + name[1:]


def to_api(shape: Shape, value: Any) -> Any:
    """Arguments in the API's spelling; what it does not know stays as it is, for the check to find."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        names = {spelt(member): member for member in shape.members} | {m: m for m in shape.members if m == spelt(m)}
        return {names.get(k, k): to_api(shape.members[names[k]], v) if k in names else v for k, v in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [to_api(shape.member, inner) for inner in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: to_api(shape.value, inner) for key, inner in value.items()}
    if shape.type_name == "blob" and isinstance(value, (dict, list)):
        return json.dumps(value).encode()
    return value


def from_api(shape: Shape, value: Any, millis: bool = False) -> Any:
    """An answer in Step Functions' spelling."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            spelt(k): from_api(shape.members[k], v, millis) for k, v in value.items() if k in shape.members and v is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [from_api(shape.member, inner, millis) for inner in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: from_api(shape.value, inner, millis) for key, inner in value.items()}
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000) if millis else value.isoformat().replace("+00:00", "Z")
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return value


def problems(shape: StructureShape | None, arguments: Any) -> list[str]:
    """What Step Functions would say about arguments for an operation."""
    if shape is None:
        return [f'The field "{name}" is not supported by Step Functions' for name in arguments or {}]
    found = models.problems(shape, to_api(shape, arguments))
    tokens = [f'"{name}"' for name, member in shape.members.items() if member.metadata.get("idempotencyToken")]
    needed = [line for line in found if not (line.startswith("Missing") and any(line.endswith(t) for t in tokens))]
    return [_said(line) for line in needed] + _misspelt(shape, arguments, "")


def _said(line: str) -> str:
    """`Missing required parameter in input: "name"` with the name as Step Functions spells it."""
    head, quote, rest = line.partition('"')
    if not quote or not head.startswith("Missing required parameter"):
        return line
    return f'{head}"{spelt(rest)}'


def _misspelt(shape: Shape, value: Any, path: str) -> list[str]:
    """Members with the API's small first letter, which Step Functions does not take."""
    found: list[str] = []
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for key, inner in value.items():
            if key in shape.members and key != spelt(key):
                where = f" in {path}" if path else ""
                found.append(f'The field "{key}"{where} is not supported by Step Functions')
            member = next((m for m in shape.members if spelt(m) == key), None)
            if member is not None:
                found += _misspelt(shape.members[member], inner, f"{path}.{key}" if path else key)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for index, inner in enumerate(value):
            found += _misspelt(shape.member, inner, f"{path}[{index}]")
    return found
