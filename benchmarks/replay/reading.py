"""From a line of a file to the response type, what each model wrote, and the rule that marks an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.replay import marking, shapes
from benchmarks.replay.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.replay.nouns import Score

Line: TypeAlias = "dict[str, Any]"
Read: TypeAlias = "tuple[Shape, Mapping[str, Any], Callable[[Any], Score]]"
"""The response type, model -> raw output, and the rule."""

_SHAPES: dict[str, Shape] = {}


def shape(key: object, build: Callable[[], Any], paths: Mapping[str, tuple[str, ...]]) -> Shape:
    """One shape for one schema, however many items have it."""
    text = json.dumps(key, sort_keys=True)
    if text not in _SHAPES:
        _SHAPES[text] = Shape(build(), paths)
    return _SHAPES[text]


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Records within records, from dotted paths."""
    out: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        into = out
        for parent in parents:
            into = into.setdefault(parent, {})
        into[last] = value
    return out


def record_of(hints: Mapping[str, Any], *, optional: bool) -> Shape:
    """The shape of a record."""
    return shape([hints, optional], lambda: shapes.record("Record", hints, optional=optional), shapes.paths(hints))


def read_sob(line: Line) -> Read:
    """Scalar fields in nested records."""
    hints = nested(line["schema_hint"])
    raw = {model: None if output is None else nested(output) for model, output in line["outputs"].items()}
    return record_of(hints, optional=True), raw, marking.plain_fields(nested(line["truth"]))


def read_longlist(line: Line) -> Read:
    """Nested records with numbers, texts and lists of texts."""
    return record_of(line["schema_hint"], optional=True), line["outputs"], marking.canonical_fields(line["truth"])


def read_amount(line: Line) -> Read:
    """An amount with unit and currency."""
    return record_of(line["schema_hint"], optional=False), line["outputs"], marking.amount_and_currency(line["truth"])


def read_series(line: Line) -> Read:
    """A list of amounts, by year and duration."""
    hints = line["schema_hint"]["[]"]
    paths = shapes.paths(hints, "[].") | {"list": ("",)}
    made = shape(["series", hints], lambda: list[shapes.record("Amount", hints)], paths)  # type: ignore[misc]
    return made, line["outputs"], marking.records(line["truth"])


def read_answer(same: Callable[[str, str], bool]) -> Callable[[Line], Read]:
    """Read sets of one field."""

    def read(line: Line) -> Read:
        return (
            record_of(line["schema_hint"], optional=False),
            line["outputs"],
            marking.answer(line["truth"]["answer"], same),
        )

    return read


def list_types(line: Line) -> dict[str, Any]:
    """Types of the array arguments, by what the models put into them."""
    seen: dict[str, list[Any]] = {}
    for output in line["outputs"].values():
        for call in output if isinstance(output, list) else [output] if output else []:
            for name, value in call["args"].items():
                if isinstance(value, list):
                    seen.setdefault(name, []).extend(value)
    return {name: list[shapes.elements(values)] for name, values in seen.items()}  # type: ignore[misc]


def renamed(call: Line, functions: Iterable[str]) -> Line:
    """A call with the function's name as its schema writes it: native calling allows no full stop in a name."""
    known = {name.replace(".", "_"): name for name in functions}
    return {**call, "function": known.get(call["function"].replace(".", "_"), call["function"])}


def call_paths(functions: Mapping[str, Mapping[str, Any]], prefix: str) -> dict[str, tuple[str, ...]]:
    """Paths of arguments by kind; a name that two functions use for different kinds belongs to none."""
    kinds: dict[str, set[str]] = {}
    for arguments in functions.values():
        for kind, names in shapes.paths(arguments, f"{prefix}args.").items():
            for name in names:
                kinds.setdefault(name, set()).add(kind)
    out: dict[str, tuple[str, ...]] = {}
    for name, found in kinds.items():
        if len(found) == 1:
            (kind,) = found
            out[kind] = (*out.get(kind, ()), name)
    return out


def read_call(line: Line) -> Read:
    """A call of one of some functions."""
    functions, lists = line["schema_hint"], list_types(line)
    made = Shape(shapes.calls(functions, lists), call_paths(functions, ""))
    raw = {model: renamed(call, functions) if call else None for model, call in line["outputs"].items()}
    return made, raw, marking.function_call(line["truth"])


def read_calls(line: Line) -> Read:
    """A list of such calls."""
    functions, lists = line["schema_hint"], list_types(line)
    made = Shape(list[shapes.calls(functions, lists)], call_paths(functions, "[].") | {"calls": ("",)})  # type: ignore[misc]
    raw = {
        model: [renamed(call, functions) for call in output] if output is not None else None
        for model, output in line["outputs"].items()
    }
    return made, raw, marking.function_calls(line["truth"])


def read_any_call(line: Line) -> Read:
    """One call or several, whichever the item asks for."""
    return read_calls(line) if isinstance(line["truth"], list) else read_call(line)
