"""Who said what: how each path of an answer stands among the candidates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from ensemble_parse._models import Candidate, Dissent, T, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ensemble_parse._format import ResponseFormat

_MISSING: Final = object()


def verdicts(output: T, candidates: Sequence[Candidate[T]], format_: ResponseFormat[T]) -> Mapping[str, Verdict]:
    """Compare an answer with every candidate, path by path, as JSON: ``1``, ``1.0``, ``"1"`` and ``true`` differ.

    Items of a list are compared by their place in it.
    """
    said = [(candidate, dict(leaves(format_.data(candidate.output)))) for candidate in candidates]
    total = sum(candidate.weight for candidate in candidates)
    out: dict[str, Verdict] = {}
    for path, value in leaves(format_.data(output)):
        key = json.dumps(value)
        support = 0.0
        supporters: list[str] = []
        dissenters: list[Dissent] = []
        for candidate, values in said:
            other = values.get(path, _MISSING)
            if other is _MISSING:
                dissenters.append(Dissent(name=candidate.name, missing=True))
            elif json.dumps(other) == key:
                supporters.append(candidate.name)
                support += candidate.weight
            else:
                dissenters.append(Dissent(name=candidate.name, value=other))
        out[path] = Verdict(
            value=value, agreement=support / total, supporters=tuple(supporters), dissenters=tuple(dissenters)
        )
    return out


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and value of every leaf, such as ``line_items[2].price``; an empty list or object is a leaf."""
    if isinstance(data, dict) and data:
        for key, value in cast("dict[str, Any]", data).items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list) and data:
        for index, value in enumerate(cast("list[Any]", data)):
            yield from leaves(value, f"{path}[{index}]")
    else:
        yield path, data
