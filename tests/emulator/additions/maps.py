"""Step Functions: the Map state.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/state-map.html: INLINE runs at most 40 iterations at once inside the
execution, the first failure stops the others; they see the outer variables. DISTRIBUTED is a Map Run of child executions that see
only their input, no outer variable and no Map context; it fails with States.ExceedToleratedFailureThreshold beyond its thresholds, and
then stops the children that run. `$states.context.Map.Item` is what ItemSelector and inline iterations see.
MiniStack: children see everything, JSONata fields of a distributed Map are ignored, nobody stops anybody.
In: a state and its input. Out: the outputs in the order of the items. It refuses to know what an iteration does.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from . import history, map_runs, patching, readers, scope as scopes
from .retries import Context, State, Step
from .scope import Cancelled, Scope

_INLINE_LIMIT, _THREADS = 40, 64
Iteration = Callable[[int, Any], Any]


def run(state: State, data: Any, execution: dict[str, Any], context: Context) -> Step:
    """One attempt of a Map state."""
    jsonata = sfn._state_query_language(state, context) == "JSONata"
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    distributed = processor.get("ProcessorConfig", {}).get("Mode", "INLINE") == "DISTRIBUTED"
    effective = data if jsonata else sfn._apply_input_path(state, data, context)
    items = _items(state, effective, context, jsonata, distributed)
    inputs = [_selected(state, effective, context, jsonata, i, item) for i, item in enumerate(items)]
    if "ItemBatcher" in state and distributed:
        inputs = _batched(state, inputs, effective, context, jsonata)
    most = int(number(state, "MaxConcurrency", 0, effective, context, jsonata))
    history.event(execution, "MapStateStarted", "mapStateStartedEventDetails", length=len(inputs))
    try:
        if distributed:
            results = map_runs.run(state, inputs, execution, context, most, effective, jsonata)
        else:
            results = _inline(processor, inputs, items, execution, context, most)
    except sfn._ExecutionError:
        history.event(execution, "MapStateFailed", None)
        raise
    history.event(execution, "MapStateSucceeded", None)
    if jsonata:
        output = sfn._apply_jsonata_output(state, data, context, result=results, default=results)
        sfn._apply_state_assign(state, data, context, result=results)
    else:
        shaped = sfn._apply_result_path(state, data, sfn._apply_result_selector(state, results))
        output = sfn._apply_output_path(state, shaped, context)
    return output, sfn._next_or_end(state)


def number(state: State, name: str, default: float, data: Any, context: Context, jsonata: bool) -> float:
    """A number of the state, which may be JSONata."""
    if name in state and jsonata and isinstance(state[name], str):
        return float(sfn._jsonata_state_field(state, name, "number", data, context))
    return float(state.get(name, default))


def _items(state: State, data: Any, context: Context, jsonata: bool, distributed: bool) -> list[Any]:
    if "ItemReader" in state:
        if not distributed:
            raise sfn._ExecutionError("States.Runtime", "ItemReader is a field of distributed Maps")
        return readers.read(state["ItemReader"], data, context, jsonata)
    if jsonata:
        value = sfn._apply_jsonata_template(state["Items"], data, context) if "Items" in state else data
        if isinstance(value, dict) and distributed:  # a distributed Map iterates over an object as well
            value = [{"Key": key, "Value": inner} for key, inner in value.items()]
        if not isinstance(value, list):
            raise sfn._ExecutionError(
                "States.QueryEvaluationError",
                "The JSONata expression specified for the field 'Items' returned an unexpected result type. "
                f"Expected 'array', but was '{sfn._json_type(value)}' for value: {json.dumps(value)}",
            )
        return value
    found = sfn._resolve_path_or_ctx(state.get("ItemsPath", "$"), data, context)
    return found if isinstance(found, list) else [found]


def _selected(state: State, data: Any, context: Context, jsonata: bool, index: int, item: Any) -> Any:
    selector = state.get("ItemSelector") or state.get("Parameters")
    if not selector:
        return item
    own = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
    make = sfn._apply_jsonata_template if jsonata else sfn._resolve_params_obj
    return make(selector, data, own)


def _batched(state: State, inputs: list[Any], data: Any, context: Context, jsonata: bool) -> list[Any]:
    batcher = state["ItemBatcher"]
    size = int(number(batcher, "MaxItemsPerBatch", 0, data, context, jsonata)) or len(inputs) or 1
    given = batcher.get("BatchInput")
    more: dict[str, Any] = {}
    if given is not None:
        make = sfn._apply_jsonata_template if jsonata else sfn._resolve_params_obj
        more = {"BatchInput": make(given, data, context)}
    return [more | {"Items": inputs[i : i + size]} for i in range(0, len(inputs), size)]


# ---- iterations


def _inline(
    processor: dict[str, Any], inputs: list[Any], items: list[Any], execution: dict[str, Any], context: Context, most: int
) -> list[Any]:
    def iterate(index: int, given: Any) -> Any:
        named = {"index": index, "name": context["State"]["Name"]}
        history.event(execution, "MapIterationStarted", "mapIterationStartedEventDetails", **named)
        item = {"Item": {"Index": index, "Value": items[index]}}
        own = {**context, "variables": dict(context["variables"]), "Map": item}
        try:
            output = sfn._run_sub_machine(processor["States"], processor["StartAt"], given, execution, own)
        except sfn._ExecutionError:
            history.event(execution, "MapIterationFailed", "mapIterationFailedEventDetails", **named)
            raise
        history.event(execution, "MapIterationSucceeded", "mapIterationSucceededEventDetails", **named)
        return output

    around = scopes.current() or Scope(execution)
    results, errors = in_threads(around.child(), inputs, min(most or _INLINE_LIMIT, _INLINE_LIMIT), iterate, lambda _: True)
    around.check()
    if errors:
        raise errors[0]
    return results


def in_threads(
    inside: Scope, inputs: list[Any], most: int, iterate: Iteration, too_many: Callable[[int], bool]
) -> tuple[list[Any], list[Exception]]:
    """Runs `iterate` for each input, `most` at once, until `too_many(failures)`; then the rest is called off."""
    results: list[Any] = [None] * len(inputs)
    errors: list[Exception] = []
    waiting = iter(enumerate(inputs))
    lock = threading.Lock()

    def work() -> None:
        while not inside.is_over():
            with lock:
                index, given = next(waiting, (-1, None))
            if index < 0:
                return
            scopes.enter(inside.child())
            try:
                results[index] = iterate(index, given)
            except Cancelled:
                return
            except Exception as problem:
                error, cause = getattr(problem, "error", "States.Runtime"), getattr(problem, "cause", repr(problem))
                results[index] = {"Error": error, "Cause": cause}
                with lock:
                    errors.append(problem)
                if too_many(len(errors)):
                    inside.cancel()

    count = min(most or _THREADS, _THREADS, len(inputs))
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, errors


def install() -> None:
    """Notes what it uses of MiniStack."""
    patching.require(
        sfn, "_apply_jsonata_output", "_apply_jsonata_template", "_json_type", "_jsonata_state_field",
        "_resolve_params_obj", "_resolve_path_or_ctx", "_run_sub_machine", "_state_query_language",
    )  # fmt: skip
