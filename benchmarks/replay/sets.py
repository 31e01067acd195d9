"""The sets: how a file becomes items with a response type, candidates and a rule."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks.replay import equality, marking, reading, shapes
from benchmarks.replay.nouns import Item, Said
from benchmarks.replay.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from benchmarks.replay.reading import Line, Read


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
    read: Callable[[Line], Read]


def by_item(line: Line) -> str:
    """Every item is independent."""
    return str(line["id"])


def by_part(*places: int) -> Callable[[Line], str]:
    """Items are independent whose names differ in these parts."""
    return lambda line: "/".join(line["id"].split("/")[place] for place in places)


SOURCES: Mapping[str, Source] = {
    "sob-image": Source(("sob-image",), "field", by_item, reading.read_sob),
    "finrag-single": Source(("finrag-single",), "whole", by_part(1), reading.read_amount),
    "finrag-series": Source(("finrag-series",), "field", by_part(1), reading.read_series),
    "longlist": Source(("longlist",), "field", by_part(1, 2), reading.read_longlist),
    "bfcl": Source(("bfcl-single", "bfcl-parallel"), "whole", by_item, reading.read_any_call),
    "bfcl-composite": Source(("bfcl-single",), "field", by_item, reading.read_call),
    "zeroeval-crux": Source(("zeroeval-crux",), "whole", by_item, reading.read_answer(equality.same_literal)),
    "zeroeval-math": Source(("zeroeval-math",), "whole", by_item, reading.read_answer(equality.same_formula)),
    "zeroeval-gsm": Source(("zeroeval-gsm",), "whole", by_item, reading.read_answer(equality.same_last_number)),
    "mmlupro": Source(("mmlupro",), "whole", by_item, reading.read_answer(lambda answer, truth: answer == truth)),
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
