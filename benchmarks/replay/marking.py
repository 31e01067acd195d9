"""The scoring rule of each set, as the data's own description states it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.replay import equality
from benchmarks.replay.nouns import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Mark = "Callable[[Any], Score]"
UNITS: Mapping[str, float] = {"none": 1.0, "thousands": 1e3, "millions": 1e6, "billions": 1e9}
TOLERANCE = 1e-3


def leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of every leaf of nested records; a list is a leaf."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def fields(truth: Mapping[str, Any], same: Callable[[Any, Any, str], bool], data: Any) -> Score:
    """Field by field; the whole is right where all fields are."""
    found = dict(leaves(data)) if isinstance(data, dict) else None
    right = {
        path: found is not None and path in found and same(found[path], value, path) for path, value in leaves(truth)
    }
    return Score(right, 0, all(right.values()))


def plain_fields(truth: Mapping[str, Any]) -> Callable[[Any], Score]:
    """Texts equal up to case, blanks and a final full stop; numbers by value."""
    return partial(fields, truth, lambda value, right, _: equality.plain(value, right))


def canonical_fields(truth: Mapping[str, Any]) -> Callable[[Any], Score]:
    """Fields equal in their canonical forms."""
    return partial(
        fields, truth, lambda value, right, path: equality.canonical(value, path) == equality.canonical(right, path)
    )


def answer(truth: str, same: Callable[[str, str], bool]) -> Callable[[Any], Score]:
    """One field, ``answer``."""

    def mark(data: Any) -> Score:
        right = data is not None and same(data["answer"], truth)
        return Score({"answer": right}, 0, right)

    return mark


def amount(record: Mapping[str, Any]) -> float | None:
    """Value times unit."""
    value = equality.number(record["value"])
    return None if value is None else value * UNITS[record["unit"]]


def near(one: float | None, other: float | None) -> bool:
    """Whether two amounts are within a thousandth of each other."""
    return one is not None and other is not None and equality.same_number(one, other, TOLERANCE)


def amount_and_currency(truth: Mapping[str, Any]) -> Callable[[Any], Score]:
    """The amount, value times unit, and the currency make the whole; value, unit and currency are the fields."""

    def mark(data: Any) -> Score:
        if data is None:
            return Score(dict.fromkeys(("value", "currency", "unit"), False), 0, whole=False)
        right = {
            "value": near(equality.number(data["value"]), equality.number(truth["value"])),
            "currency": data["currency"] == truth["currency"],
            "unit": data["unit"] == truth["unit"],
        }
        return Score(right, 0, right["currency"] and near(amount(data), amount(truth)))

    return mark


def records(truth: list[dict[str, Any]]) -> Callable[[Any], Score]:
    """Records keyed by year and duration: amount and currency make one right; a key that the truth lacks is extra."""

    def key(record: Mapping[str, Any]) -> str:
        return f"{int(record['year'])}/{record['duration'] if record['duration'] is None else int(record['duration'])}"

    expected = {key(record): record for record in reversed(truth)}

    def mark(data: Any) -> Score:
        found = {key(record): record for record in reversed(data or [])}
        right = {
            name: name in found
            and near(amount(found[name]), amount(record))
            and found[name]["currency"] == record["currency"]
            for name, record in expected.items()
        }
        extra = len(found.keys() - expected.keys())
        return Score(right, extra, all(right.values()) and not extra)

    return mark


def acceptable(value: Any, truth: Any) -> bool:
    """Whether a value is one acceptable value: texts without separators, numbers by value, lists by position."""
    if isinstance(truth, dict):
        return (
            isinstance(value, dict)
            and value.keys() <= truth.keys()
            and all(
                any(acceptable(value[name], one) for one in options) if name in value else "" in options
                for name, options in truth.items()
            )
        )
    if isinstance(truth, list):
        return (
            isinstance(value, list)
            and len(value) == len(truth)
            and all(acceptable(one, other) for one, other in zip(value, truth, strict=True))
        )
    if isinstance(truth, str):
        return isinstance(value, str) and bare(value) == bare(truth)
    if isinstance(truth, bool) or isinstance(value, bool) or truth is None:
        return value is truth
    return isinstance(value, int | float) and equality.same_number(value, truth)


def bare(text: str) -> str:
    """A text without blanks and separators."""
    return "".join(letter for letter in text if letter not in " ,./-_*^").casefold()


def one_call(truth: Mapping[str, Any], data: Any) -> Score:
    """The function, and every argument; an argument that the truth lacks is extra."""
    names = ["function", *(f"args.{name}" for name in truth["args"])]
    if data is None or data["function"].replace(".", "_") != truth["function"].replace(".", "_"):
        return Score(dict.fromkeys(names, False), 0, whole=False)
    given = {name: value for name, value in data["args"].items() if value is not None}
    right = {"function": True}
    for name, options in truth["args"].items():
        right[f"args.{name}"] = (
            any(acceptable(given[name], option) for option in options) if name in given else "" in options
        )
    extra = len(given.keys() - truth["args"].keys())
    return Score(right, extra, all(right.values()) and not extra)


def function_call(truth: Mapping[str, Any]) -> Callable[[Any], Score]:
    """One call of a function."""
    return partial(one_call, truth)


def function_calls(truth: list[dict[str, Any]]) -> Callable[[Any], Score]:
    """As many calls as the truth has, matched one to one in any order."""

    def mark(data: Any) -> Score:
        given = data or []
        right = dict.fromkeys((f"call {place}" for place in range(len(truth))), False)
        if given:
            fits = np.array([[one_call(expected, each).whole for each in given] for expected in truth], dtype=float)
            for row, column in zip(*linear_sum_assignment(fits, maximize=True), strict=True):
                right[f"call {row}"] = bool(fits[row, column])
        extra = max(0, len(given) - len(truth))
        return Score(right, extra, all(right.values()) and not extra)

    return mark


def sections(truths: list[dict[str, Any]]) -> Callable[[Any], Score]:
    """Several function calls, each in its own section."""

    def mark(data: Any) -> Score:
        scores = [one_call(truth, None if data is None else data[f"section_{n}"]) for n, truth in enumerate(truths)]
        right = {f"section_{n}": score.whole for n, score in enumerate(scores)}
        return Score(right, 0, all(right.values()))

    return mark
