"""Verdicts tell the truth: nothing is lost in silence, and what each candidate said is what it said."""

from __future__ import annotations

import io
import itertools
import json
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

import pytest
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from ensemble_parse import (
    AllOf,
    AnyOf,
    Candidate,
    Decision,
    FieldRule,
    Items,
    Mean,
    Median,
    MustAgree,
    Rule,
    Text,
    Together,
    Tolerance,
    consensus,
)
from ensemble_parse._consensus import Survey

if TYPE_CHECKING:
    from collections.abc import Sequence


class Line(BaseModel):
    """An item."""

    sku: str
    price: float = 1.0


class Open(BaseModel):
    """A model that takes more than it names."""

    model_config = ConfigDict(extra="allow")

    name: str


class Keyed(TypedDict):
    """A dict with a key that may be left out."""

    name: str
    note: NotRequired[str]


def survey(said: Sequence[Any], type_: Any, **options: Any) -> Survey[Any]:
    """Gather what is said."""
    candidates = [
        Candidate(name=f"m/{at}", processor=f"m/{at}", position=at, model="", output=each)
        for at, each in enumerate(said)
    ]
    return Survey(candidates, type_, **options)


DISJOINT: dict[str, tuple[Any, list[Any], Any]] = {
    "list": (list[str], [["a"], ["b"], ["c"]], ["a"]),
    "list with nothing first": (list[str], [[], ["a"], ["b"]], []),
    "set": (set[int], [{1}, {2}, {3}], {1}),
    "dict": (dict[str, int], [{"x": 1}, {"y": 1}, {"z": 1}], {"x": 1}),
    "objects": (
        list[Line],
        [[Line(sku=each, price=price)] for each, price in (("bolt", 1), ("washer", 2), ("nut", 3))],
        [Line(sku="bolt", price=1)],
    ),
    "by key": (
        Annotated[list[Line], Items("sku")],
        [[Line(sku=each)] for each in ("bolt", "washer", "nut")],
        [Line(sku="bolt")],
    ),
    "most say nothing else": (list[str], [["a"], ["b"], ["c"], [], ["d"]], ["a"]),
}


@pytest.mark.parametrize("case", DISJOINT)
def test_a_list_is_not_emptied_in_silence(case: str) -> None:
    """Where most have something and no item has enough, the most trusted one stands as it is, for review."""
    type_, said, expected = DISJOINT[case]
    decision = consensus(said, response_format=type_)
    assert (decision.output, decision.review) == (expected, ("",))
    assert [reason.kind for reason in decision.reasons] == ["undecided"]
    assert {verdict.how for verdict in decision.verdicts.values()} == {"undecided"}
    assert decision.verdicts[""].supporters == ("candidate 1",)
    assert len(decision.verdicts) > len(decision.output)
    assert Decision.from_dict(decision.to_dict(), type_) == decision


def test_most_who_say_nothing_are_a_majority() -> None:
    """An empty list that most give is the answer; and where ``AllOf`` asks for what all have, that may be nothing."""
    decision = consensus([[], [], ["a"]], response_format=list[str])
    assert (decision.output, decision.verdicts[""].how, decision.review) == ([], "majority", ())
    decision = consensus([["a"], ["b"], ["c"]], response_format=list[str], rules={"": AllOf()})
    assert (decision.output, decision.verdicts[""].how, decision.review) == ([], "rule", ())


def test_of_several_lists_the_one_that_more_give_stands() -> None:
    """The same list twice leads the others, with its items as far as they are supported."""
    said = [["a"], ["x", "y"], ["b"], ["x", "y"], ["c"]]
    decision = consensus(said, response_format=list[str])
    assert decision.output == ["x", "y"]
    assert (decision.verdicts[""].how, decision.review) == ("plurality", ("",))
    assert decision.verdicts["[0]"].supporters == ("candidate 2", "candidate 4")


def test_an_arbiter_chooses_among_whole_lists() -> None:
    """The question is which list; the choice stands with all its items, and the rest of the answer is untouched."""
    told = survey([["a"], ["b"], ["c", "d"]], list[str])
    (contest,) = told.contests()
    assert (contest.path, contest.about, [each.value for each in contest.answers]) == (
        "",
        "value",
        [["a"], ["b"], ["c", "d"]],
    )
    decision = told.decide({contest.place: 2}, by="judge")
    assert (decision.output, decision.review) == (["c", "d"], ())
    assert [(path, each.how, each.supporters) for path, each in decision.verdicts.items()] == [
        ("", "judge", ("m/2",)),
        ("[0]", "judge", ("m/2",)),
        ("[1]", "judge", ("m/2",)),
    ]
    assert not survey([["a"], ["b"], ["c"]], list[str], rules={"": MustAgree()}).contests()


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ([[], [], [], ["a"], ["b"]], [["a"], ["a"]]),
        ([["a"], ["x"], ["x"], ["b"]], [["x"]]),
        ([["a"], ["b"], ["c"]], [["b"]]),
    ],
)
def test_lists_that_may_still_turn_are_not_settled(said: list[list[str]], more: list[list[str]]) -> None:
    """What is still to come can change which list stands, even where no single item can be turned."""
    assert survey(said, list[str]).unsettled(len(more))
    assert survey([*said, *more], list[str]).decide().output is not None


LISTS = [[], ["a"], ["b"], ["a", "b"], ["c"]]
NUMBERS = [None, 1.0, 5.0, 9.0]


@pytest.mark.parametrize(
    ("type_", "values", "rules"),
    [
        (set[str], [set(each) for each in LISTS], {}),
        (set[str], [set(each) for each in LISTS], {"": AnyOf()}),
        (set[str], [set(each) for each in LISTS], {"": AllOf()}),
        (float | None, NUMBERS, {"": Median()}),
        (float | None, NUMBERS, {"": Mean()}),
        (float | None, NUMBERS, {"": Rule(lambda said, _: max(said, key=str))}),
    ],
)
def test_what_is_settled_does_not_change(type_: Any, values: list[Any], rules: dict[str, FieldRule]) -> None:
    """Whatever one more candidate says, what is settled against it stays as it is: every case of up to four."""
    settled = 0
    for count in range(1, 5):
        for said in itertools.combinations_with_replacement(values, count):
            told = survey(said, type_, rules=rules)
            if not told.unsettled(1):
                settled += 1
                output = told.decide().output
                assert all(survey([*said, each], type_, rules=rules).decide().output == output for each in values)
    open_to_every_voice = any(isinstance(each, Mean | Rule | AnyOf | AllOf) for each in rules.values())
    assert bool(settled) is not open_to_every_voice


def test_the_table_shows_what_was_said() -> None:
    """A supporter's cell shows its own words, not the words that won; the value alone where they are the same."""
    from rich.console import Console

    cases: list[tuple[Any, list[Any], dict[str, Any]]] = [
        (Annotated[float, Tolerance(rel=0.05)], [100.0, 104.0, 300.0], {"candidate 2": 104.0}),
        (
            Annotated[str, Text(similar=0.7)],
            ["ACME Ltd", "ACME Limited", "acme ltd"],
            {"candidate 2": "ACME Limited", "candidate 3": "acme ltd"},
        ),
        (str, ["a", "a"], {}),
    ]
    for type_, said, expected in cases:
        decision = consensus(said, response_format=type_)
        assert decision.verdicts[""].said == expected
        console = Console(record=True, width=120, file=io.StringIO())
        console.print(decision)
        shown = console.export_text()
        for each in said:
            assert str(each) in shown
            assert str(each) in decision._repr_html_()
        assert Decision.from_dict(json.loads(json.dumps(decision.to_dict())), type_) == decision


def test_rows_of_lists_show_what_was_said() -> None:
    """Who has the same items may say other things of them, or in another order: that is shown, too."""
    said = [[Line(sku="a"), Line(sku="b")], [Line(sku="b"), Line(sku="a")], [Line(sku="a"), Line(sku="b", price=2)]]
    verdict = consensus(said, response_format=list[Line]).verdicts[""]
    assert verdict.supporters == ("candidate 1", "candidate 2", "candidate 3")
    assert verdict.said == {f"candidate {at + 1}": [each.model_dump() for each in said[at]] for at in (1, 2)}


def test_decisions_stored_before_there_was_more_to_tell() -> None:
    """What an older version wrote has no such fields, and is read all the same."""
    decision = consensus(["a", "b"])
    stored = decision.to_dict()
    for verdict in stored["verdicts"].values():
        del verdict["said"], verdict["missing"]
    assert Decision.from_dict(stored, str) == decision
    assert hash(consensus([1, 2]).verdicts[""]) is not None


def test_margins_of_orders() -> None:
    """The lead of an order is over the order that comes next; without one it is nothing."""
    rules = {"": Items(ordered=True)}

    def margin(*said: str) -> float:
        return consensus([list(each) for each in said], response_format=list[str], rules=rules).verdicts[""].margin

    assert margin("abc", "bac", "cba") == pytest.approx(0)
    assert margin("ab", "ba", "ab") == pytest.approx(1 / 3)
    assert margin("ab", "ab", "ab") == 1
    assert margin("a", "a", "b") == pytest.approx(1 / 3)


def test_margins_of_parts_that_are_decided_together() -> None:
    """Each part's lead is over what else is said of that part; below nothing where something else has more."""

    class Price(BaseModel):
        amount: int
        currency: str

    rows = [(1, "EUR"), (1, "USD"), (2, "USD")]
    said = [Price(amount=amount, currency=currency) for amount, currency in rows]
    verdicts = consensus(said, rules={"": Together("amount", "currency")}).verdicts
    assert verdicts["amount"].margin == pytest.approx(1 / 3)
    assert verdicts["currency"].margin == pytest.approx(-1 / 3)


def test_undeclared_fields_have_paths_of_their_own() -> None:
    """Every extra field is told like a declared one, left out or not, and nothing stands at the path of the model."""
    said = [Open.model_validate({"name": "a", **more}) for more in ({"z": 3}, {"z": 4, "y": 1}, {"z": 4})]
    decision = consensus(said)
    assert [*decision.verdicts] == ["name", "z", "y"]
    assert (decision.verdicts["z"].value, decision.verdicts["z"].supporters) == (4, ("candidate 2", "candidate 3"))
    left_out = decision.verdicts["y"]
    assert (left_out.missing, left_out.how, left_out.supporters) == (True, "majority", ("candidate 1", "candidate 3"))
    assert (left_out.dissenters[0].name, left_out.dissenters[0].value) == ("candidate 2", 1)
    assert "(missing)" in decision._repr_html_()


@pytest.mark.parametrize("said", [[{}, {"z": 3}], [{"z": 3}, {}]])
def test_an_undeclared_field_in_doubt_is_for_review(said: list[dict[str, int]]) -> None:
    """Whether it is there at all is undecided, and that is told at its own path, whichever way it stands meanwhile."""
    candidates = [Open.model_validate({"name": "a", **each}) for each in said]
    decision = consensus(candidates)
    assert decision.output == candidates[0]
    assert decision.review == ("z",)
    (contest,) = survey(candidates, Open).contests()
    assert (contest.path, contest.about) == ("z", "item")


def test_a_key_that_is_left_out_is_said_to_be() -> None:
    """``None`` would be a value; an optional key that is not there is told apart from it."""
    decision = consensus([{"name": "a"}, {"name": "a", "note": "x"}, {"name": "a"}], response_format=Keyed)
    assert decision.output == {"name": "a"}
    assert (decision.verdicts["note"].value, decision.verdicts["note"].missing) == (None, True)
    assert not decision.verdicts["name"].missing


def test_who_lacks_a_key_and_who_lacks_what_contains_it_say_one_thing() -> None:
    """Both show as missing, so a margin counts them together, against a value and for none."""

    class Named(BaseModel):
        name: str
        more: Keyed | None = None

    def margin(*notes: str | None) -> float:
        """The last one has nothing that could have a note."""
        said = [Named(name="a", more=Keyed(name="k") if note is None else Keyed(name="k", note=note)) for note in notes]
        return consensus([*said, Named(name="a")], response_format=Named).verdicts["more.note"].margin

    assert margin("x", "x", "x", None) == pytest.approx(1 / 5)
    assert margin("x", None, None, None) == pytest.approx(2 / 5)


def test_unions_of_lists_are_still_told_as_such() -> None:
    """A union has what anybody has, each item with those who have it."""
    decision = consensus([["a"], ["b"]], response_format=list[str], rules={"": AnyOf()})
    assert decision.verdicts["[1]"].supporters == ("candidate 2",)


@pytest.mark.parametrize(
    ("left", "right"),
    [(3, 4), (3, "three"), ([1], [2, 3]), ({"a": 1}, {"b": 1}), (Line(sku="a"), Line(sku="b")), (3, [])],
)
def test_undeclared_fields_may_be_anything(left: Any, right: Any) -> None:
    """Whatever the few say who have a field that is left out, each is told with its own."""
    said = [Open.model_validate({"name": "a", **each}) for each in ({}, {"z": left}, {}, {"z": right}, {})]
    verdict = consensus(said).verdicts["z"]
    assert (verdict.missing, verdict.supporters) == (True, ("candidate 1", "candidate 3", "candidate 5"))
    dumped = [each.model_dump() if isinstance(each, BaseModel) else each for each in (left, right)]
    assert [each.value for each in verdict.dissenters] == dumped


def test_a_rule_for_a_class_that_pydantic_does_not_know() -> None:
    """What cannot be validated is taken as the function returns it."""

    class Plain:
        def __init__(self, size: int) -> None:
            self.size = size

    decision = consensus([Plain(1), Plain(2)], rules={"": Rule(lambda said, _: max(said, key=lambda each: each.size))})
    assert decision.output.size == 2


def test_a_model_that_all_leave_fields_to() -> None:
    """Where all agree on an undeclared field, it has its own path and the model still has none."""
    said = [Open.model_validate({"name": "a", "z": 3})] * 2
    assert [*consensus(said).verdicts] == ["name", "z"]


def test_tables_of_lists() -> None:
    """A list is shown as the number of its items, which have rows of their own; paths and headings stay whole."""
    from rich.console import Console

    rows = [Line(sku="apples", price=1), Line(sku="pears", price=2)]
    decision = consensus([rows, rows, rows[:1]], response_format=list[Line])
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(decision)
    shown = console.export_text()
    for word in ("agree", "2 items", "1 item", "[1].price", "majority"):
        assert word in shown
    assert '"sku"' not in shown
    assert "<mark>1 item</mark>" in decision._repr_html_()


def test_reasons_for_lists_and_others() -> None:
    """What is undecided says of a value that none leads, and speaks of lists where it is one."""
    (reason,) = consensus(["a", "b"]).reasons
    assert reason.detail == "the answer: no value leads; the most trusted one stands"
    (reason,) = consensus([["a"], ["b"]], response_format=list[str]).reasons
    assert "no list leads" in reason.detail
