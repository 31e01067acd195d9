"""Stored results beside the truth: what both are read from, and which of them belong together."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pydantic_core import ValidationError

from ensemble_parse._batch._items import Id, Item
from ensemble_parse._errors import ConfigurationError, DegradedResult, EnsembleError
from ensemble_parse._models import Candidate, Decision, Result
from ensemble_parse._stored import json_data

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable

    from ensemble_parse._format import ResponseFormat
    from ensemble_parse._models import Attempt

Results: TypeAlias = "Mapping[Id, Result[Any]] | Iterable[Item[Any] | Result[Any]]"
Groups: TypeAlias = "Mapping[Id, Hashable] | Callable[[Id], Hashable] | None"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """One input of which both are known, what was answered and what is right.

    Attributes:
        id: the input's.
        group: the number of the group that errs together.
        fold: what it is scored in, by what was fitted on the others.
        truth: the right answer, an object of the response type.
        result: what came of it; made up of nothing but the candidates where the call failed.
        answered: whether the call gave an answer.
        failed: the processors that were asked and gave none.
    """

    id: Id
    group: int
    fold: int
    truth: Any
    result: Result[Any]
    answered: bool
    failed: frozenset[str]

    @property
    def candidates(self) -> tuple[Candidate[Any], ...]:
        """Who answered."""
        return self.result.candidates

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What was spent."""
        return self.result.attempts

    def first(self, processor: str) -> Candidate[Any] | None:
        """A processor's answer; of several samples the first."""
        return next((each for each in self.candidates if each.processor == processor), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """All labelled inputs of one run.

    Attributes:
        cases: them, in the order of the results.
        processors: names in order of trust.
        groups: how many groups there are.
        unlabelled: results without a truth.
        unanswered: truths without a result.
    """

    cases: tuple[Labelled, ...]
    processors: tuple[str, ...]
    groups: int
    unlabelled: int
    unanswered: int


def labelled(results: Results, truths: Mapping[Any, Any], groups: Groups, *, folds: int, seed: int) -> Labels:
    """Put results and truths together.

    Raises:
        ConfigurationError: nothing belongs together, or a truth is none of the response type.
    """
    if folds < 2:  # noqa: PLR2004 - one fold leaves nothing to fit on
        message = f"folds={folds!r}: give 2 or more"
        raise ConfigurationError(message)
    items = _items(results)
    # Where the call could not be made, or JSON could not hold what came of it, there is nothing to compare.
    told = [each for each in items if each.id in truths and not isinstance(each.error, ConfigurationError)]
    format_ = next((each.result.format for each in map(_told, items) if each.result), None)
    if not told or format_ is None:
        message = (
            f"none of {len(items)} results has an answer and a truth: {len(truths)} truths are known by other ids, or "
            "every call failed; ids of inputs without one are their positions, 0, 1 and so on"
        )
        raise ConfigurationError(message)
    named = {each.id: _group(each.id, groups) for each in told}
    numbers = {name: at for at, name in enumerate(dict.fromkeys(named.values()))}
    order = list(range(len(numbers)))
    random.Random(seed).shuffle(order)  # noqa: S311 - reproducible, not secret
    cases = [
        _case(each, truths[each.id], format_, numbers[named[each.id]], order[numbers[named[each.id]]] % folds)
        for each in told
    ]
    return Labels(
        cases=tuple(cases),
        processors=_processors(cases),
        groups=len(numbers),
        unlabelled=sum(each.id not in truths for each in items),
        unanswered=len(truths) - len({each.id for each in told}),
    )


def read_truths(path: str | os.PathLike[str]) -> dict[Id, Any]:
    """Read truths from a file of JSON Lines, each line ``{"id": ..., "truth": ...}``.

    Raises:
        ConfigurationError: it cannot be read, a line is something else, or an id is there twice.
    """
    truths: dict[Id, Any] = {}
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        message = f"truths {str(path)!r} cannot be read: {error.strerror}"
        raise ConfigurationError(message) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            read: object = json_data(line)
        except ValueError:
            read = None
        told = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
        id_ = told.get("id")
        if not isinstance(id_, str | int) or "truth" not in told:
            message = f'truths {str(path)!r}, line {number}: give {{"id": ..., "truth": ...}}'
            raise ConfigurationError(message)
        if id_ in truths:
            message = f"truths {str(path)!r}, line {number}: the id {id_!r} is there twice"
            raise ConfigurationError(message)
        truths[id_] = told["truth"]
    return truths


def _items(results: Results) -> list[Item[Any]]:
    if isinstance(results, Mapping):
        named = cast("Mapping[Id, Result[Any]]", results)
        return [Item(id=id_, position=at, result=each) for at, (id_, each) in enumerate(named.items())]
    if isinstance(results, str | bytes | Path):
        message = "results is a path: give read_journal(path, response_format)"
        raise ConfigurationError(message)
    items: list[Item[Any]] = []
    for at, each in enumerate(cast("Iterable[object]", results)):
        if isinstance(each, Item):
            items.append(cast("Item[Any]", each))
        elif isinstance(each, Result):
            items.append(Item(id=at, position=at, result=cast("Result[Any]", each)))
        else:
            message = f"results[{at}] is a {type(each).__name__}: give results, or the items of a journal"
            raise ConfigurationError(message)
    return items


def _told(item: Item[Any]) -> Item[Any]:
    """Count a result that only was too strict with itself as one."""
    error = item.error
    return replace(item, result=error.result) if isinstance(error, DegradedResult) else item


def _case(item: Item[Any], truth: Any, format_: ResponseFormat[Any], group: int, fold: int) -> Labelled:
    result = _told(item).result
    format_ = result.format if result else format_
    try:
        right = format_.coerce(truth)
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))
        message = f"the truth of {item.id!r} is no {format_.name}{f': see {where}' if where else ''}"
        raise ConfigurationError(message) from error
    failed = frozenset(error.processor for error in (result.errors if result else _errors(item.error)))
    return Labelled(
        id=item.id,
        group=group,
        fold=fold,
        truth=right,
        result=result or _failed(item.error, format_),
        answered=result is not None,
        failed=failed,
    )


def _errors(error: EnsembleError | None) -> Iterable[Any]:
    own = [error] if hasattr(error, "processor") else []
    return chain(own, getattr(error, "errors", ()) or ())


def _failed(error: EnsembleError | None, format_: ResponseFormat[Any]) -> Result[Any]:
    candidates: tuple[Candidate[Any], ...] = tuple(getattr(error, "candidates", ()))
    output = candidates[0].output if candidates else None
    return Result(
        output=output,
        decision=Decision(output=output, method="failed"),
        candidates=candidates,
        attempts=tuple(getattr(error, "attempts", ())),
        format=format_,
    )


def _group(id_: Id, groups: Groups) -> Hashable:
    if groups is None:
        return id_
    if callable(groups):
        return groups(id_)
    if id_ not in groups:
        message = f"groups has no {id_!r}: give the group of every result that has a truth"
        raise ConfigurationError(message)
    return groups[id_]


def _processors(cases: Iterable[Labelled]) -> tuple[str, ...]:
    places: dict[str, int] = {}
    for case in cases:
        for each in case.candidates:
            places.setdefault(each.processor, each.position)
        for name in sorted(case.failed):
            places.setdefault(name, len(places))
    return tuple(sorted(places, key=lambda name: places[name]))
