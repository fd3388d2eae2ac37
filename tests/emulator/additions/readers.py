"""Step Functions: where the items of a distributed Map come from.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html: `s3:listObjectsV2` yields objects as
the API lists them, `s3:getObject` reads CSV, JSON or JSONL, CSV cells are text; what cannot be read is
States.ItemReaderFailed; the machine's role reads. MiniStack: reads as whoever it likes, from its own store, and knows no
JSONata in the arguments.
In: an ItemReader. Out: a list of items. It refuses to know what is done with them.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from ministack.services import stepfunctions as sfn

from . import aws_sdk, patching
from .retries import Context

_LIST, _GET = "arn:aws:states:::s3:listObjectsV2", "arn:aws:states:::s3:getObject"
_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
_CONFIG = {"InputType", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter", "MaxItems", "MaxItemsPath", "Transformation", "ItemsPointer"}


def read(reader: dict[str, Any], data: Any, context: Context, jsonata: bool) -> list[Any]:
    """The items of an ItemReader, at most its MaxItems."""
    config = reader.get("ReaderConfig", {})
    if unknown := set(config) - _CONFIG:
        raise sfn._ExecutionError("States.Runtime", f'The field "{min(unknown)}" of ReaderConfig is not supported by Step Functions')
    if jsonata:
        arguments = sfn._apply_jsonata_template(reader.get("Arguments", {}), data, context)
        config = sfn._apply_jsonata_template(config, data, context)
    else:
        arguments = sfn._resolve_params_obj(reader.get("Parameters", {}), data, context)
    try:
        items = _objects(arguments) if reader["Resource"] == _LIST else _content(reader["Resource"], arguments, config)
    except sfn._ExecutionError as error:
        if error.error == "States.ItemReaderFailed":
            raise
        raise failed(f"{error.error}: {error.cause}") from error
    most = config.get("MaxItems")
    return items[: int(most)] if most else items


def failed(cause: str) -> Exception:
    """States.ItemReaderFailed, with its cause."""
    error: Exception = sfn._ExecutionError("States.ItemReaderFailed", cause)
    return error


def _objects(arguments: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    more: dict[str, Any] = {}
    while True:
        page = aws_sdk.call("s3", "listObjectsV2", arguments | more)
        keys = ("Etag", "Key", "LastModified", "Size", "StorageClass")
        for entry in page.get("Contents", []):
            named = entry | {"Etag": entry.get("ETag", ""), "LastModified": _epoch(entry["LastModified"])}
            found.append({key: named[key] for key in keys if key in named})
        if not page.get("IsTruncated"):
            return found
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _epoch(stamp: str) -> int:
    parsed = sfn._parse_ts(stamp)
    return int(parsed.timestamp()) if parsed else 0


def _content(resource: str, arguments: dict[str, Any], config: dict[str, Any]) -> list[Any]:
    if resource != _GET:
        raise sfn._ExecutionError("States.Runtime", f"an ItemReader takes {_LIST} or {_GET}, not {resource}")
    if unknown := set(arguments) - {"Bucket", "Key", "VersionId", "ExpectedBucketOwner"}:
        raise sfn._ExecutionError("States.Runtime", f'The field "{min(unknown)}" is not supported by Step Functions')
    kind = config.get("InputType")
    text = aws_sdk.call("s3", "getObject", arguments)["Body"]
    try:
        if kind == "CSV":
            return _csv(text, config)
        if kind == "JSONL":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        if kind == "JSON":
            items = _pointed(json.loads(text), config.get("ItemsPointer", ""))
            if not isinstance(items, list):
                raise failed("Attempting to map over non-iterable node.")
            return items
    except (ValueError, KeyError, IndexError) as problem:
        raise failed(f"{kind}: {problem}") from problem
    raise sfn._ExecutionError("States.Runtime", f"InputType is CSV, JSON or JSONL here, not {kind}")


def _csv(text: str, config: dict[str, Any]) -> list[Any]:
    where = config.get("CSVHeaderLocation")
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=_DELIMITERS[config.get("CSVDelimiter", "COMMA")]) if row]
    if where == "GIVEN":
        headers = list(config["CSVHeaders"])
    elif where == "FIRST_ROW":
        headers, rows = (rows[0], rows[1:]) if rows else ([], [])
    else:
        raise sfn._ExecutionError("States.Runtime", "CSVHeaderLocation is FIRST_ROW or GIVEN, and required for CSV")
    # Missing fields are empty, fields too many are dropped.
    return [{header: row[i] if i < len(row) else "" for i, header in enumerate(headers)} for row in rows]


def _pointed(value: Any, pointer: str) -> Any:
    for part in filter(None, pointer.split("/")):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def install() -> None:
    """Notes what it uses of MiniStack."""
    patching.require(sfn, "_apply_jsonata_template", "_parse_ts", "_resolve_params_obj")
