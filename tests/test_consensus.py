"""The consensus engine: typed values in, one valid object out, and every path of it accounted for."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import enum
import io
import pickle
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar

import pydantic
import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    computed_field,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType, TypedDict

from ensemble_parse import Candidate, ConfigurationError, Decision, Items, consensus

T = TypeVar("T")


class Named(BaseModel):
    """An entity."""

    name: str
    quantity: int = 1


class Note(BaseModel):
    """A text that may be missing."""

    text: str | None = None


class Numbers(BaseModel):
    """Three numbers."""

    a: int
    b: int
    c: int


class Nested(BaseModel):
    """Three numbers, further down."""

    inner: Numbers


class Invoice(BaseModel):
    """Amounts that hang together."""

    net: int
    tax: int
    total: int

    @model_validator(mode="after")
    def _adds_up(self) -> Invoice:
        if self.net + self.tax != self.total:
            message = "net + tax is not total"
            raise ValueError(message)
        return self


def entities(*names: str) -> list[Named]:
    """Make some."""
    return [Named(name=name) for name in names]


def told(decision: Decision[Any]) -> dict[str, tuple[float, str]]:
    """Give each path's agreement and how it was decided."""
    return {path: (round(verdict.agreement, 3), verdict.how) for path, verdict in decision.verdicts.items()}


BATTERY: dict[str, tuple[Any, list[Any], Any, dict[str, tuple[float, str]]]] = {
    "1 nothing is a vote": (str | None, [None, None, "GHOST"], None, {"": (0.667, "majority")}),
    "2 a missing key is a vote": (
        Note,
        [{}, {}, {"text": "GHOST"}],
        Note(),
        {"text": (0.667, "majority")},
    ),
    "3 signs count": (str, ["-5", "5", "5"], "5", {"": (0.667, "majority")}),
    "4 true is not one": (bool | int, [True, 1, 1], 1, {"": (0.667, "majority")}),
    "5 the order of a list is no dissent": (
        list[Named],
        [entities("a", "b", "c"), entities("b", "a", "c"), entities("a", "c", "b")],
        entities("a", "b", "c"),
        {
            "": (1.0, "unanimous"),
            **{f"[{i}].{name}": (1.0, "unanimous") for i in range(3) for name in ("name", "quantity")},
        },
    ),
    "5 unless it counts": (
        Annotated[list[str], Items(ordered=True)],
        [["c", "a", "b"], ["a", "b", "c"], ["a", "b", "c"]],
        ["a", "b", "c"],
        {"": (0.667, "majority"), **{f"[{i}]": (1.0, "unanimous") for i in range(3)}},
    ),
    "6 an item that one invents is left out": (
        list[str],
        [["a", "b"], ["a", "b"], ["a", "b", "ghost"]],
        ["a", "b"],
        {"": (0.667, "majority"), "[0]": (1.0, "unanimous"), "[1]": (1.0, "unanimous")},
    ),
    "7 an item that two of three have is there once": (
        list[str],
        [["a", "b", "c"], ["b", "c"], ["a", "c"]],
        ["a", "b", "c"],
        {"": (0.333, "majority"), "[0]": (0.667, "majority"), "[1]": (0.667, "majority"), "[2]": (1.0, "unanimous")},
    ),
    "8 inventions in different places": (
        list[str],
        [["a", "b"], ["ghost", "a", "b"], ["a", "b", "omega"]],
        ["a", "b"],
        {"": (0.333, "majority"), "[0]": (1.0, "unanimous"), "[1]": (1.0, "unanimous")},
    ),
    "9 a short list shortens nothing": (
        list[Named],
        [entities("a", "b", "c"), entities("a", "b", "c"), entities("a")],
        entities("a", "b", "c"),
        {
            "": (0.667, "majority"),
            "[0].name": (1.0, "unanimous"),
            "[0].quantity": (1.0, "unanimous"),
            **{f"[{i}].{name}": (0.667, "majority") for i in (1, 2) for name in ("name", "quantity")},
        },
    ),
    "10 every leaf is voted by itself": (
        Nested,
        [{"inner": dict(zip("abc", each, strict=True))} for each in [(1, 1, 9), (1, 2, 8), (2, 2, 9)]],
        Nested(inner=Numbers(a=1, b=2, c=9)),
        {f"inner.{name}": (0.667, "majority") for name in "abc"},
    ),
    "11 two who differ decide nothing": (str, ["apple", "pear"], "apple", {"": (0.5, "undecided")}),
    "12 a year is no average": (int, [2019, 2019, 1987], 2019, {"": (0.667, "majority")}),
    "13 what a model claims of itself is no vote": (
        str,
        [
            Candidate(name="loud", processor="loud", position=0, model="", output="wrong", reasoning="I am 99 % sure"),
            Candidate(name="b", processor="b", position=1, model="", output="right"),
            Candidate(name="c", processor="c", position=2, model="", output="right"),
        ],
        "right",
        {"": (0.667, "majority")},
    ),
    "14 the answer is valid": (
        Invoice,
        [
            {"net": 100, "tax": 20, "total": 120},
            {"net": 100, "tax": 10, "total": 110},
            {"net": 110, "tax": 10, "total": 120},
        ],
        Invoice(net=100, tax=20, total=120),
        {"net": (0.667, "majority"), "tax": (0.333, "repaired"), "total": (0.667, "majority")},
    ),
}


@pytest.mark.parametrize("case", BATTERY)
def test_the_battery(case: str) -> None:
    """The cases on which published engines fail come out right, with the share behind every path."""
    type_, candidates, expected, verdicts = BATTERY[case]
    decision = consensus(candidates, response_format=type_)
    assert decision.output == expected
    assert type(decision.output) is type(expected)
    assert told(decision) == verdicts


def test_a_verdict_says_who_said_what() -> None:
    """Supporters by name, and dissenters with what each of them said."""
    decision = consensus([2019, 2019, 1987], names=["a", "b", "c"])
    verdict = decision.verdicts[""]
    assert (verdict.value, verdict.supporters, verdict.margin) == (2019, ("a", "b"), pytest.approx(1 / 3))
    assert [(each.name, each.value) for each in verdict.dissenters] == [("c", 1987)]
    assert (decision.method, decision.review, decision.reasons) == ("vote", (), ())


def test_a_repair_says_what_it_cost() -> None:
    """What gave way is marked, for review, with the support that was given up; the result is degraded."""
    decision = consensus(
        [Invoice(net=100, tax=20, total=120), Invoice(net=100, tax=10, total=110)] * 1
        + [Invoice(net=110, tax=10, total=120)]
    )
    verdict = decision.verdicts["tax"]
    assert (verdict.how, verdict.lost, verdict.margin) == ("repaired", pytest.approx(1 / 3), pytest.approx(-1 / 3))
    assert decision.review == ("tax",)
    assert [reason.kind for reason in decision.reasons] == ["repaired"]
    assert decision.candidate is not None
    assert decision.candidate.name == "candidate 1"


def test_undecided_is_said() -> None:
    """Without a winner the most trusted stands, the path is for review and the decision says so."""
    decision = consensus(["apple", "pear"])
    assert decision.review == ("",)
    assert [reason.kind for reason in decision.reasons] == ["undecided"]
    assert consensus(["apple", "pear"], weights=[1, 1.5]).output == "pear"


class Row(NamedTuple):
    """A record of one letter."""

    letter: str
    number: int


def rows(letters: str) -> list[Row]:
    """Make a list of records."""
    return [Row(each, ord(each)) for each in letters]


@pytest.mark.parametrize(
    ("said", "weights", "expected", "undecided"),
    [
        ("a a abc", (1, 1, 1), "abc", True),
        ("abc a a", (1, 1, 1), "abc", True),
        ("a abc", (1, 1), "abc", True),
        ("a a a abc abd", (1, 1, 1, 1, 1), "ab", True),
        ("a abc abc", (1, 1, 1), "abc", False),
        ("a a ab", (1, 1, 1), "a", False),
        ("a ab abc", (1, 1, 1), "ab", False),
        ("a bcd bcd", (1, 1, 1), "bcd", False),
        ("x x abc", (1, 1, 1), "x", False),
        ("ab ab abcdefgh", (1, 1, 1), "ab", False),
        ("a a aaaa", (1, 1, 1), "a", False),
        ("  abc", (1, 1, 1), "", False),
        ("x a abc", (3, 1, 1.5), "x", False),
        ("x a abc", (1, 1, 1.5), "abc", True),
    ],
)
def test_a_list_that_stopped_at_its_first_record(
    said: str, weights: tuple[float, ...], expected: str, *, undecided: bool
) -> None:
    """One record beside three says nothing about the others; they come in to be looked at, and nothing else does."""
    decision = consensus([rows(each) for each in said.split(" ")], response_format=list[Row], weights=weights)
    assert decision.output == rows(expected)
    assert decision.review == (("",) if undecided else ())


def test_an_item_let_in_is_told_as_it_is() -> None:
    """Its agreement is the share that has it, its margin is negative, and an arbiter may still turn it down."""
    said = [rows("a"), rows("a"), rows("abc")]
    verdicts = consensus(said, response_format=list[Row]).verdicts
    assert (verdicts["[1].letter"].agreement, verdicts["[1].letter"].margin) == pytest.approx((1 / 3, -1 / 3))
    assert (verdicts[""].how, verdicts[""].agreement, verdicts[""].margin) == (
        "undecided",
        1 / 3,
        pytest.approx(-1 / 3),
    )
    assert verdicts["[0].letter"].how == "unanimous"


def test_plain_values_are_no_records() -> None:
    """Of plain values one may be all there is to say: the majority stands."""
    assert consensus([["a"], ["a"], ["a", "b", "c"]]).output == ["a"]
    assert consensus([{"a"}, {"a"}, {"a", "b", "c"}]).output == {"a"}


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


class Typed(TypedDict):
    """A dict of known keys."""

    name: str
    note: NotRequired[str]


@dataclasses.dataclass
class Plain:
    """A dataclass of the standard library."""

    name: str
    size: float
    twice: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        """Derive a value."""
        self.twice = 2 * self.size


@pydantic.dataclasses.dataclass
class Checked:
    """A dataclass of Pydantic's."""

    name: str
    size: float


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: int


class Card(BaseModel):
    """One way to pay."""

    kind: Literal["card"] = "card"
    number: str
    holder: str


class Transfer(BaseModel):
    """Another."""

    kind: Literal["transfer"] = "transfer"
    iban: str


class Tree(BaseModel):
    """A type that contains itself."""

    name: str
    children: list[Tree] = []


class Page(BaseModel, Generic[T]):
    """A generic type."""

    number: int
    rows: list[T]


class Roots(RootModel[list[Named]]):
    """A list with a name."""


class Extras(BaseModel):
    """A model that takes more than it names."""

    model_config = ConfigDict(extra="allow")

    name: str


class Aliased(BaseModel):
    """A model whose fields are called otherwise in JSON."""

    total: int = Field(alias="Total Amount")
    tags: list[str] = Field(validation_alias="labels", default=[])


Alias = TypeAliasType("Alias", list[Named])
ID = uuid.UUID(int=1)

TYPES: dict[str, tuple[Any, list[Any], Any]] = {
    "bool": (bool, [True, False, True], True),
    "int": (int, [1, 2, 2], 2),
    "big int": (int, [10**30 + 1, 10**30, 10**30], 10**30),
    "float": (float, [0.3, 0.1 + 0.2, 7.0], 0.3),
    "float across an edge of rounding": (float, [7.0, 1.0000000000005, 1.0000000000004999], 1.0000000000005),
    "nan": (float, [float("inf"), float("inf"), float("nan")], float("inf")),
    "decimal": (Decimal, [Decimal("1.10"), Decimal("1.1"), Decimal(2)], Decimal("1.10")),
    "int or float": (int | float, [1, 1.0, 2], 1),
    "text": (str, ["ACME  Corp", "Acme Corp", "Acme Corp", "Apex"], "Acme Corp"),
    "text in Unicode": (str, ["\uff21cme", "Acme", "Apex"], "\uff21cme"),
    "text with digits": (str, ["C++ 1.1", "C 11", "C 11"], "C 11"),
    "bytes": (bytes, [b"a", b"b", b"b"], b"b"),
    "date": (dt.date, [dt.date(2020, 1, 1), dt.date(2020, 1, 2), dt.date(2020, 1, 2)], dt.date(2020, 1, 2)),
    "uuid": (uuid.UUID, [ID, ID, uuid.UUID(int=2)], ID),
    "enum": (Colour, [Colour.RED, Colour.BLUE, Colour.BLUE], Colour.BLUE),
    "literal": (Literal[1, "a", True], [True, 1, 1], 1),
    "optional text": (str | None, ["a", None, "A"], "a"),
    "any": (Any, [{"a": [1, 2]}, {"a": [2, 1], "b": None}, {"a": [1, 2]}], {"a": [1, 2]}),
    "object": (object, [1, True, True], True),
    "set": (set[str], [{"a", "b"}, {"a"}, {"B", "c"}], {"a", "b"}),
    "frozenset": (frozenset[int], [frozenset({1}), frozenset({1, 2}), frozenset({2})], frozenset({1, 2})),
    "fixed tuple": (tuple[int, str], [(1, "a"), (1, "b"), (2, "b")], (1, "b")),
    "variadic tuple": (tuple[int, ...], [(1, 2), (1, 2), (2, 1)], (1, 2)),
    "deque": (deque[int], [deque([1]), deque([1, 2]), deque([1])], deque([1])),
    "sequence": (Sequence[int], [[1, 2], [1], [1, 2]], [1, 2]),
    "dict": (dict[str, int], [{"a": 1, "b": 2}, {"a": 1}, {"a": 3, "b": 2}], {"a": 1, "b": 2}),
    "mapping": (Mapping[str, Any], [{"a": 1}, {"a": 1, "b": 2}, {"a": 2}], {"a": 1}),
    "typed dict": (
        Typed,
        [{"name": "x"}, {"name": "x", "note": "GHOST"}, {"name": "y"}],
        {"name": "x"},
    ),
    "typed dict with more": (
        Typed,
        [{"name": "x", "note": "a"}, {"name": "x"}, {"name": "y", "note": "a"}],
        {"name": "x", "note": "a"},
    ),
    "dataclass": (Plain, [Plain("a", 1.0), Plain("a", 2.0), Plain("b", 2.0)], Plain("a", 2.0)),
    "pydantic dataclass": (Checked, [Checked("a", 1.0), Checked("a", 2.0), Checked("b", 2.0)], Checked("a", 2.0)),
    "named tuple": (Point, [Point(1, 2), Point(1, 3), Point(2, 3)], Point(1, 3)),
    "root model": (
        Roots,
        [Roots(entities("a", "b")), Roots(entities("b", "a")), Roots(entities("b"))],
        Roots(entities("a", "b")),
    ),
    "generic": (
        Page[int],
        [Page[int](number=1, rows=[1, 2]), Page[int](number=2, rows=[1]), Page[int](number=2, rows=[1, 2])],
        Page[int](number=2, rows=[1, 2]),
    ),
    "alias of a type": (Alias, [entities("a"), entities("a", "b"), entities("a", "b")], entities("a", "b")),
    "recursive": (
        Tree,
        [
            Tree(name="r", children=[Tree(name="a", children=[Tree(name="x")])]),
            Tree(name="r", children=[Tree(name="a", children=[Tree(name="x"), Tree(name="y")])]),
            Tree(name="R", children=[Tree(name="a", children=[Tree(name="y")])]),
        ],
        Tree(name="r", children=[Tree(name="a", children=[Tree(name="x"), Tree(name="y")])]),
    ),
    "union by class": (
        Card | Transfer,
        [Card(number="1", holder="A"), Transfer(iban="X"), Card(number="1", holder="B"), Card(number="2", holder="B")],
        Card(number="1", holder="B"),
    ),
    "union with a discriminator": (
        Annotated[Card | Transfer, Field(discriminator="kind")],
        [Transfer(iban="X"), Transfer(iban="Y"), Transfer(iban="Y"), Card(number="1", holder="A")],
        Transfer(iban="Y"),
    ),
    "union of lists": (list[int] | list[str], [["a"], ["a", "b"], [1], ["a", "b"]], ["a", "b"]),
    "optional model": (
        Named | None,
        [None, Named(name="a", quantity=1), Named(name="a", quantity=2), Named(name="b", quantity=2)],
        Named(name="a", quantity=2),
    ),
    "extra fields": (
        Extras,
        [{"name": "a", "age": 3}, {"name": "b", "age": 3, "x": 1}, {"name": "b"}],
        Extras.model_validate({"name": "b", "age": 3}),
    ),
    "aliases of fields": (
        Aliased,
        [{"Total Amount": 1, "labels": ["x"]}, {"Total Amount": 2}, {"Total Amount": 2, "labels": ["x"]}],
        Aliased.model_validate({"Total Amount": 2, "labels": ["x"]}),
    ),
}


@pytest.mark.parametrize("case", TYPES)
def test_every_type(case: str) -> None:
    """A vote is taken by the type, and what comes of it is of the type."""
    type_, candidates, expected = TYPES[case]
    output = consensus(candidates, response_format=type_).output
    assert output == expected
    assert type(output) is type(expected)


def test_unions_vote_on_the_variant_first() -> None:
    """Fields of a variant that lost are no votes, and the path of the choice tells who chose which."""
    cards = [Card(number=str(i), holder="A") for i in range(2)]
    decision = consensus([Transfer(iban="X"), *cards], response_format=Card | Transfer)
    assert decision.output == cards[0]
    assert told(decision) == {
        "": (0.667, "majority"),
        "kind": (0.667, "majority"),
        "number": (0.333, "undecided"),
        "holder": (0.667, "majority"),
    }
    assert decision.verdicts[""].dissenters[0].value == {"kind": "transfer", "iban": "X"}


def test_types_count_at_every_depth() -> None:
    """Python holds ``[True]`` and ``[1]`` for equal; a candidate that says one is never returned for the other."""

    class Flag(BaseModel):
        on: bool | int

    one, true = Flag(on=1), Flag(on=True)
    for type_, odd, rest in (
        (Flag | None, one, true),
        (list[Flag], [one], [true]),
        (dict[str, Flag], {"a": one}, {"a": true}),
    ):
        assert repr(consensus([odd, rest, rest], response_format=type_).output) == repr(rest)


def test_a_default_that_nobody_wrote_stays_unwritten() -> None:
    """Absent is not the same as written, for those who dump only what was set."""
    decision = consensus([Named(name="a"), Named(name="a", quantity=2), Named(name="b")])
    assert decision.output.model_dump(exclude_unset=True) == {"name": "a"}


def test_defaults_made_anew_are_no_dissent() -> None:
    """An identifier that the class itself makes up for each object is not what a candidate said."""

    class Row(BaseModel):
        text: str
        id: uuid.UUID = Field(default_factory=uuid.uuid4)

    decision = consensus([Row(text="a"), Row(text="b"), Row(text="b")])
    assert decision.output.text == "b"
    assert decision.review == ()


def test_what_is_not_the_models_word_is_left_alone() -> None:
    """Computed fields have no verdict, and private attributes are the class's own business."""

    class Box(BaseModel):
        side: int
        name: str
        _cache: list[int] = PrivateAttr(default_factory=list)

        @computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> int:
            return self.side**2

    said = [Box(side=1, name="a"), Box(side=2, name="a"), Box(side=2, name="b")]
    said[0]._cache.append(7)
    decision = consensus(said)
    assert [*decision.verdicts] == ["side", "name"]
    assert (decision.output.area, decision.output._cache) == (4, [])


def test_candidates_are_not_changed() -> None:
    """Deciding reads the candidates and leaves them as they are."""
    said = [
        Extras.model_validate({"name": "a", "tags": ["x", "y"]}),
        Extras.model_validate({"name": "b", "tags": ["x"]}),
    ]
    before = copy.deepcopy(said)
    consensus(said)
    assert said == before


def test_unanimity_returns_the_object_itself() -> None:
    """Where all agree there is nothing to make: the most trusted candidate's own object is the answer."""
    said = [Nested(inner=Numbers(a=1, b=2, c=3)) for _ in range(3)]
    decision = consensus(said)
    assert decision.output is said[0]
    assert (decision.method, decision.candidate and decision.candidate.name) == ("unanimous", "candidate 1")
    assert {verdict.agreement for verdict in decision.verdicts.values()} == {1.0}


def test_one_candidate_is_a_decision() -> None:
    """With one candidate it is that, and nobody dissents."""
    decision = consensus([Named(name="a")])
    assert (decision.method, told(decision)) == (
        "only one",
        {"name": (1.0, "unanimous"), "quantity": (1.0, "unanimous")},
    )


def test_long_texts_are_no_vote() -> None:
    """Prose that nobody repeats is the most trusted candidate's, with how alike the others are."""
    texts = [
        f"The committee approved the budget for the coming year with {n} votes against." for n in ("two", "no", "ten")
    ]
    verdict = consensus(texts, weights=[1, 2, 1]).verdicts[""]
    assert (verdict.value, verdict.how, verdict.agreement) == (texts[1], "similarity", 0.5)
    assert verdict.similarity is not None
    assert 0.9 < verdict.similarity < 1
    assert consensus(texts).review == ()


def test_paths_name_places_in_the_answer() -> None:
    """Indexes count the items of the answer, and keys that are no names are quoted."""

    class Line(BaseModel):
        prices: dict[str, int]

    class Order(BaseModel):
        lines: list[Line]

    said = [
        Order(lines=[Line(prices={"list": 1, "net price": 2})]),
        Order(lines=[Line(prices={"ghost": 9}), Line(prices={"list": 1, "net price": 2})]),
        Order(lines=[Line(prices={"list": 1, "net price": 3})]),
    ]
    decision = consensus(said)
    assert [*decision.verdicts] == [
        "lines",
        "lines[0].prices",
        "lines[0].prices.list",
        'lines[0].prices["net price"]',
    ]
    assert decision.verdicts["lines[0].prices.list"].value == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": []}, "no candidates"),
        ({"candidates": [1, 2], "weights": [1]}, "1 weights for 2 candidates"),
        ({"candidates": [1, 2], "names": ["a"]}, "1 names for 2 candidates"),
        ({"candidates": [1, 2], "names": ["a", "a"]}, "a name of its own"),
        ({"candidates": [1, 2], "weights": [1, 0]}, "greater than 0"),
        ({"candidates": [1, 2], "weights": [1, float("nan")]}, "greater than 0"),
        ({"candidates": [1, 2], "weights": [1, "2"]}, "greater than 0"),
        ({"candidates": [1, 2], "names": ["a", "b"], "weights": {"a": 1, "b": 2}}, "in the order of the candidates"),
        ({"candidates": [1, 2], "weights": [1, 10**400]}, "greater than 0"),
        ({"candidates": "aab"}, "not one str"),
        ({"candidates": {"a", "b"}}, "not one set"),
        ({"candidates": {"a": 1}}, "not one dict"),
        ({"candidates": 3}, "not one int"),
        ({"candidates": Named(name="a")}, "not one Named"),
        ({"candidates": [Named(name="a"), {"name": "a", "quantity": 1}]}, "Named, dict; give response_format"),
        ({"candidates": [Named(name="a"), Note()]}, "give response_format"),
    ],
)
def test_misuse(options: dict[str, Any], message: str) -> None:
    """What cannot be decided is said at once, and how to put it right."""
    with pytest.raises(ConfigurationError, match=message):
        consensus(**options)


def test_nothing_may_stand_beside_anything() -> None:
    """Candidates of different plain types may be mixed, and any type with ``None``."""
    assert consensus([None, Named(name="a"), Named(name="a")]).output == Named(name="a")
    assert consensus([1, "a", "a"]).output == "a"
    base_and_more = [Named(name="a"), {"name": "a", "quantity": 2}]
    assert consensus(base_and_more, response_format=Named).review == ("quantity",)


def test_a_candidate_that_is_not_of_the_type_is_named() -> None:
    """Which of several candidates does not validate is told in a note."""
    with pytest.raises(pydantic.ValidationError) as caught:
        consensus([{"name": "a"}, {}], response_format=Named, names=["x", "y"])
    assert caught.value.__notes__ == ["in y"]
    with pytest.raises(pydantic.ValidationError) as caught:
        consensus([{"name": "a"}, {}], response_format=Named)
    assert caught.value.__notes__ == ["in candidate 2"]


def test_decisions_are_kept_and_shown() -> None:
    """A decision goes to JSON-like data and back, pickles, and shows itself with what models wrote escaped."""
    decision = consensus([Named(name="<b>a</b>"), Named(name="<b>a</b>", quantity=2), Named(name="c", quantity=2)])
    assert Decision.from_dict(decision.to_dict(), Named) == decision
    assert pickle.loads(pickle.dumps(decision)) == decision
    assert repr(decision) == "Decision(output=Named(name='<b>a</b>', quantity=2), method='vote', review=[])"
    html = decision._repr_html_()
    assert "<b>a</b>" not in html
    assert "&lt;b&gt;a&lt;/b&gt;" in html
    from rich.console import Console

    console = Console(record=True, width=120, file=io.StringIO())
    console.print(decision)
    assert "quantity" in console.export_text()
    with pytest.raises(ConfigurationError, match="version"):
        Decision.from_dict({**decision.to_dict(), "version": 0}, Named)


def test_a_terminal_shows_what_models_wrote_and_does_not_obey_it() -> None:
    """What would move the cursor, reach the clipboard or turn the direction of reading is spelled out, in keys too."""
    said = [{"a\x9b": "\x1b]52;c;ZXZpbA==\x07done"}, {"a\x9b": "\u202eexe.\ud800"}, {"a\x9b": "line\nline\ttab"}]
    decision = consensus(said, names=["\x1b[31mone", "two", "three"])
    from rich.console import Console

    out = io.StringIO()
    Console(width=200, file=out).print(decision)
    page = decision._repr_html_()
    for text in (out.getvalue(), page):
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e", "\ud800"}
        assert r"\x1b]52;c;ZXZpbA==\x07done" in text
        assert r"\u202eexe.\ud800" in text
        assert r"\x1b[31mone" in text
    assert "line\nline\ttab" in page


class Period(BaseModel):
    """A field's validator that looks at another field."""

    start: int
    end: int
    label: str = ""

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: int, info: pydantic.ValidationInfo) -> int:
        if end < info.data["start"]:
            message = "it ends before it starts"
            raise ValueError(message)
        return end


class Stay(BaseModel):
    """Periods, and a sum over them."""

    periods: list[Period]
    nights: int

    @model_validator(mode="after")
    def _sum(self) -> Stay:
        if self.nights != sum(each.end - each.start for each in self.periods):
            message = "the nights do not add up"
            raise ValueError(message)
        return self


def test_the_field_that_a_validator_names_gives_way() -> None:
    """Of repairs that cost the same, the one that changes what the validator complains about is taken."""
    rows = [(5, 6, "p"), (5, 9, "q"), (1, 2, "r"), (0, 2, "s"), (3, 4, "z"), (7, 8, "z")]
    decision = consensus([Period(start=start, end=end, label=label) for start, end, label in rows])
    assert decision.output == Period(start=5, end=6, label="z")
    assert told(decision)["end"] == (0.167, "repaired")


def test_a_repair_is_as_small_as_it_can_be() -> None:
    """Only what has to give way does: an inner object is put right by itself, and the rest stands as voted."""
    said = [
        Stay(periods=[Period(start=1, end=3, label="x")], nights=2),
        Stay(periods=[Period(start=1, end=3, label="y")], nights=2),
        Stay(periods=[Period(start=1, end=4, label="y")], nights=3),
        Stay(periods=[Period(start=2, end=5, label="y")], nights=3),
        Stay(periods=[Period(start=2, end=5, label="y")], nights=3),
    ]
    decision = consensus(said)
    Stay.model_validate(decision.output.model_dump())
    assert decision.output == Stay(periods=[Period(start=2, end=5, label="y")], nights=3)
    assert told(decision)["nights"] == (0.6, "majority")


def test_a_combination_that_nobody_proposed_may_be_the_nearest() -> None:
    """Where a mix of voted values loses less support than any whole candidate, the mix is the answer."""

    class Sum(BaseModel):
        a: int
        b: int
        total: int
        note: str

        @model_validator(mode="after")
        def _adds_up(self) -> Sum:
            assert self.a + self.b == self.total
            return self

    rows = [(1, 2, 3, "p"), (1, 3, 4, "r"), (2, 2, 4, "s"), (5, 5, 10, "q"), (6, 6, 12, "q")]
    said = [Sum(a=a, b=b, total=total, note=note) for a, b, total, note in rows]
    decision = consensus(said)
    assert decision.output not in said
    assert decision.output.note == "q"
    assert decision.candidate is None
    assert sum(verdict.lost for verdict in decision.verdicts.values()) == pytest.approx(1 / 5)


def test_values_that_the_class_writes_itself() -> None:
    """A validator that derives one field from others has the last word, and the verdict says so."""

    class Sum(BaseModel):
        a: int
        b: int
        total: int = 0

        @model_validator(mode="after")
        def _derive(self) -> Sum:
            self.__dict__["total"] = self.a + self.b
            return self

    decision = consensus([Sum(a=1, b=1), Sum(a=1, b=2), Sum(a=4, b=2)])
    assert decision.output == Sum(a=1, b=2)
    assert told(decision) == {"a": (0.667, "majority"), "b": (0.667, "majority"), "total": (0.333, "derived")}


def test_a_class_that_never_settles() -> None:
    """Where each validation makes another object, no blend is trusted: a whole candidate is the answer."""

    class Cents(BaseModel):
        amount: int
        name: str

        @field_validator("amount")
        @classmethod
        def _to_cents(cls, amount: int) -> int:
            return 100 * amount

    said = [Cents(amount=1, name="a"), Cents(amount=1, name="b"), Cents(amount=2, name="b")]
    decision = consensus(said)
    assert decision.output is said[1]
    assert decision.output.amount == 100


def test_a_class_that_takes_only_text() -> None:
    """A validator that crashes on its own class's values costs the blend, never the answer."""

    class Day(BaseModel):
        day: dt.date
        name: str

        @field_validator("day", mode="before")
        @classmethod
        def _read(cls, day: str) -> dt.date:
            return dt.datetime.strptime(day.strip(), "%Y-%m-%d").date()  # noqa: DTZ007

    said = [Day(day=f"2020-01-0{day}", name=name) for day, name in [(1, "a"), (1, "b"), (2, "b")]]  # type: ignore[arg-type]
    decision = consensus(said)
    assert decision.output == said[1]


def test_a_list_too_short_for_its_type() -> None:
    """Constraints of the answer itself hold as well: what the vote leaves of a list must still be one."""
    type_ = Annotated[list[str], Field(min_length=2)]
    decision = consensus([["a", "b"], ["a", "c"], ["d", "a"]], response_format=type_)
    assert decision.output == ["a", "b"]
    assert decision.verdicts[""].how == "repaired"


def test_exactly_half_is_no_majority() -> None:
    """Two of the four who have an item are no majority of them, in whatever fractions their weights are counted."""

    class Row(BaseModel):
        key: int
        value: str

    said = [[Row(key=1, value=each)] for each in ("x", "x", "y", "z")] + [[], [], []]
    decision = consensus(said, response_format=list[Row], rules={"": Items(key="key")})
    assert decision.verdicts["[0].value"].how == "plurality"
