"""The sets: how a file becomes items with a response type, candidates and a rule."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.replay import equality, marking, shapes
from benchmarks.replay.nouns import Item, Said
from benchmarks.replay.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """A set, read.

    Attributes:
        name: the set.
        items: its items.
        headline: the accuracy that its publishers rank models by: of fields, or of whole answers.
        invalid: model -> outputs that are no candidates, since they do not validate.
        outputs: outputs in all, those without content left out.
    """

    name: str
    items: tuple[Item, ...]
    headline: Literal["field", "whole"]
    invalid: Mapping[str, int]
    outputs: int


@dataclass(frozen=True, slots=True)
class Source:
    """How to read a set.

    Attributes:
        files: names of its files.
        headline: as in :class:`Recording`.
        group: line -> what is independent of other groups.
        read: line -> response type, model -> raw output, and rule.
    """

    files: tuple[str, ...]
    headline: Literal["field", "whole"]
    group: Callable[[Line], str]
    read: Callable[[Line], tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]]


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


def read_sob(line: Line) -> tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]:
    """Scalar fields in nested records."""
    hints = nested(line["schema_hint"])
    raw = {model: None if output is None else nested(output) for model, output in line["outputs"].items()}
    return record_of(hints, optional=True), raw, marking.plain_fields(nested(line["truth"]))


def read_longlist(line: Line) -> tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]:
    """Nested records with numbers, texts and lists of texts."""
    return record_of(line["schema_hint"], optional=True), line["outputs"], marking.canonical_fields(line["truth"])


def read_amount(line: Line) -> tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]:
    """An amount with unit and currency."""
    return record_of(line["schema_hint"], optional=False), line["outputs"], marking.amount_and_currency(line["truth"])


def read_series(line: Line) -> tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]:
    """A list of amounts, by year and duration."""
    hints = line["schema_hint"]["[]"]
    paths = shapes.paths(hints, "[].") | {"list": ("",)}
    made = shape(["series", hints], lambda: list[shapes.record("Amount", hints)], paths)  # type: ignore[misc]
    return made, line["outputs"], marking.records(line["truth"])


def read_answer(same: Callable[[str, str], bool]) -> Callable[[Line], Any]:
    """Read sets of one field."""

    def read(line: Line) -> tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]:
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


def read_call(line: Line) -> tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]:
    """A call of one of some functions."""
    functions, lists = line["schema_hint"], list_types(line)
    made = Shape(shapes.calls(functions, lists), call_paths(functions, ""))
    raw = {model: renamed(call, functions) if call else None for model, call in line["outputs"].items()}
    return made, raw, marking.function_call(line["truth"])


def read_calls(line: Line) -> tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]:
    """A list of such calls."""
    functions, lists = line["schema_hint"], list_types(line)
    made = Shape(list[shapes.calls(functions, lists)], call_paths(functions, "[].") | {"calls": ("",)})  # type: ignore[misc]
    raw = {
        model: [renamed(call, functions) for call in output] if output is not None else None
        for model, output in line["outputs"].items()
    }
    return made, raw, marking.function_calls(line["truth"])


def read_any_call(line: Line) -> tuple[Shape, Mapping[str, Any], Callable[[Any], Any]]:
    """One call or several, whichever the item asks for."""
    return read_calls(line) if isinstance(line["truth"], list) else read_call(line)


def by_item(line: Line) -> str:
    """Every item is independent."""
    return str(line["id"])


def by_part(*places: int) -> Callable[[Line], str]:
    """Items are independent whose names differ in these parts."""
    return lambda line: "/".join(line["id"].split("/")[place] for place in places)


SOURCES: Mapping[str, Source] = {
    "sob-image": Source(("sob-image",), "field", by_item, read_sob),
    "finrag-single": Source(("finrag-single",), "whole", by_part(1), read_amount),
    "finrag-series": Source(("finrag-series",), "field", by_part(1), read_series),
    "longlist": Source(("longlist",), "field", by_part(1, 2), read_longlist),
    "bfcl": Source(("bfcl-single", "bfcl-parallel"), "whole", by_item, read_any_call),
    "bfcl-composite": Source(("bfcl-single",), "field", by_item, read_call),
    "zeroeval-crux": Source(("zeroeval-crux",), "whole", by_item, read_answer(equality.same_literal)),
    "zeroeval-math": Source(("zeroeval-math",), "whole", by_item, read_answer(equality.same_formula)),
    "zeroeval-gsm": Source(("zeroeval-gsm",), "whole", by_item, read_answer(equality.same_last_number)),
    "mmlupro": Source(("mmlupro",), "whole", by_item, read_answer(lambda answer, truth: answer == truth)),
}


def lines(data: Path, name: str) -> Iterator[Line]:
    """The lines of a file."""
    with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def load(name: str, data: Path, *, every: int = 1) -> Recording:
    """Read a set.

    Args:
        name: one of :data:`SOURCES`.
        data: the folder of the files.
        every: take every n-th item only.
    """
    source = SOURCES[name]
    read = [(file, line) for file in source.files for line in lines(data, file)]
    if name == "bfcl-composite":
        return composite(name, [line for _, line in read], source)
    items: list[Item] = []
    invalid: Counter[str] = Counter()
    outputs = 0
    for file, line in read[::every]:
        made, raw, mark = source.read(line)
        said: dict[str, Said] = {}
        for model, output in raw.items():
            if output is None:
                continue
            outputs += 1
            if (answer := Said.read(output, made)) is None:
                invalid[model] += 1
            else:
                said[model] = answer
        items.append(Item(line["id"], source.group(line), file, made, frozenset(raw), said, mark))
    return Recording(name, tuple(items), source.headline, invalid, outputs)


SECTIONS, SHUFFLES = 10, 4


def composite(name: str, read: list[Line], source: Source) -> Recording:
    """Join calls into documents of ten sections, answered by the same model; a section without output is empty."""
    items: list[Item] = []
    for shuffle in range(SHUFFLES):
        order = read[:]
        random.Random(shuffle).shuffle(order)  # noqa: S311 - reproducible, not secret
        for start in range(0, len(order) - SECTIONS + 1, SECTIONS):
            part = order[start : start + SECTIONS]
            parts = [source.read(line) for line in part]
            made = Shape(shapes.sections([shape_.type for shape_, _, _ in parts]), {})
            said: dict[str, Said] = {}
            for model in sorted(parts[0][1]):
                valid = [raw.get(model) if Said.read(raw.get(model), shape_) else None for shape_, raw, _ in parts]
                answer = Said.read({f"section_{n}": value for n, value in enumerate(valid)}, made)
                if answer is not None:
                    said[model] = answer
            mark = marking.sections([line["truth"] for line in part])
            document = f"document/{shuffle}/{start}"
            items.append(Item(document, document, name, made, frozenset(parts[0][1]), said, mark))
    return Recording(name, tuple(items), source.headline, {}, sum(len(item.said) for item in items))
