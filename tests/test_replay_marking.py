"""The scoring rules of the recorded answers: a benchmark is worth as much as its marks."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.replay import equality, marking


@pytest.mark.parametrize(
    ("value", "truth", "same"),
    [
        ("Acme  ltd.", "ACME Ltd", True),
        ("$1,200.50", 1200.5, True),
        ("1,200", 1201, False),
        (True, True, True),
        (1, True, False),
        (None, "", False),
        (None, None, True),
    ],
)
def test_plain(value: Any, truth: Any, same: bool) -> None:  # noqa: FBT001 - a column of the table
    """Case, blanks, a final full stop and the writing of a number make no difference; types do."""
    assert equality.plain(value, truth) is same


@pytest.mark.parametrize(
    ("text", "date"), [("3/7/24", "03/07/2024"), ("3-7-1999", "03/07/1999"), ("2024-03-07", "03/07/2024"), ("x", "x")]
)
def test_dates(text: str, date: str) -> None:
    """Every way to write a date is one date; what is none stays as it is."""
    assert equality.date(text) == date


@pytest.mark.parametrize(
    ("same", "answer", "truth", "right"),
    [
        (equality.same_literal, "[1, 2]", "[1,2]", True),
        (equality.same_literal, "True", "1", False),
        (equality.same_literal, "abc", "'abc'", True),
        (equality.same_last_number, "so it is 1,204.", "1204", True),
        (equality.same_last_number, "none", "3", False),
        (equality.same_formula, r"\boxed{\dfrac{1}{2}}", "1/2", True),
        (equality.same_formula, r"\sqrt{2}", "sqrt(2)", True),
        (equality.same_formula, "0.5", "0.25", False),
    ],
)
def test_answers_in_words(same: Any, answer: str, truth: str, right: bool) -> None:  # noqa: FBT001 - as above
    """Predictions of code, sums in words, and formulas have equalities of their own."""
    assert same(answer, truth) is right


TRUTH = {"function": "area.circle", "args": {"radius": [5, 5.0], "unit": ["cm", ""]}}


@pytest.mark.parametrize(
    ("call", "whole", "extra"),
    [
        ({"function": "area_circle", "args": {"radius": 5}}, True, 0),
        ({"function": "area.circle", "args": {"radius": 5.0, "unit": "CM"}}, True, 0),
        ({"function": "area.circle", "args": {"radius": 5, "unit": None}}, True, 0),
        ({"function": "area.circle", "args": {"radius": 6}}, False, 0),
        ({"function": "area.circle", "args": {"unit": "cm"}}, False, 0),
        ({"function": "area.circle", "args": {"radius": 5, "colour": "red"}}, False, 1),
        ({"function": "area.square", "args": {"radius": 5}}, False, 0),
        (None, False, 0),
    ],
)
def test_a_function_call(call: Any, whole: bool, extra: int) -> None:  # noqa: FBT001 - as above
    """Optional arguments may be left out, others may not, and none may be made up."""
    score = marking.function_call(TRUTH)(call)
    assert (score.whole, score.extra) == (whole, extra)


def test_several_function_calls() -> None:
    """They are matched one to one in any order; one too many is wrong, too."""
    other = {"function": "area.square", "args": {"side": [2]}}
    mark = marking.function_calls([TRUTH, other])
    circle, square = (
        {"function": "area.circle", "args": {"radius": 5}},
        {"function": "area.square", "args": {"side": 2}},
    )
    assert mark([square, circle]).whole
    assert mark([square]).right == {"call 0": False, "call 1": True}
    assert (mark([square, circle, circle]).whole, mark([square, circle, circle]).extra) == (False, 1)
    assert not mark(None).whole


def test_amounts() -> None:
    """Value times unit counts, within a thousandth; the currency must be right; lists go by year and duration."""
    truth = {"value": 1.5, "unit": "billions", "currency": "USD"}
    mark = marking.amount_and_currency(truth)
    assert mark({"value": "1,500", "unit": "millions", "currency": "USD"}).whole
    assert not mark({"value": 1.5, "unit": "millions", "currency": "USD"}).whole
    assert not mark({"value": 1.5, "unit": "billions", "currency": "EUR"}).whole
    rows = [truth | {"year": 2023, "duration": 12}, truth | {"year": 2022, "duration": None}]
    series = marking.records(rows)
    assert series(rows[::-1]).whole
    assert series(rows[:1]).right == {"2023/12": True, "2022/None": False}
    assert series([*rows, truth | {"year": 2021, "duration": 12}]).extra == 1
