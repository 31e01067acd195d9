"""Votes on types with other names, on values with parts that are compared as one, and on classes that refuse a mix."""

from __future__ import annotations

from typing import Annotated, Any, Generic, NewType, TypeVar

import pytest
from pydantic import BaseModel, Field, model_validator
from typing_extensions import TypeAliasType

from ensemble_parse import Ensemble, Ignore, Learned, Together, Vote, Whole, consensus
from ensemble_parse.testing import ScriptedClient

T = TypeVar("T")
Ident = NewType("Ident", str)
Several = TypeAliasType("Several", list[T], type_params=(T,))
Itself = TypeAliasType("Itself", T, type_params=(T,))


class Box(BaseModel, Generic[T]):
    """It takes whatever it is made for, and anything where it is made for nothing."""

    item: T


@pytest.mark.parametrize(
    ("type_", "said", "output", "agreement"),
    [
        (Ident, ["Mrs B", "A ", "a"], "A ", {"": 2 / 3}),
        (Several[float], [[2.0], [1.0], [1.0]], [1.0], {"[0]": 2 / 3}),
        (Itself[int], [1, 2, 2], 2, {"": 2 / 3}),
        (Box, [{"item": 1}, {"item": 2}, {"item": 2}], Box(item=2), {"item": 2 / 3}),
        (
            Box[Several[int]],
            [{"item": [1]}, {"item": [2]}, {"item": [2]}],
            Box[Several[int]](item=[2]),
            {"item[0]": 2 / 3},
        ),
    ],
)
def test_other_names_for_types(type_: Any, said: list[Any], output: Any, agreement: dict[str, float]) -> None:
    """What a type is called, and what its variables stand for, is seen through: its values are voted upon as ever."""
    decision = consensus(said, response_format=type_)
    assert decision.output == output
    assert {path: decision.verdicts[path].agreement for path in agreement} == pytest.approx(agreement)


# -- near, part by part ------------------------------------------------------------------------------------------------

A, B, C = 1.0000000001, 1.0000000002, 1.0000000003


class Tree(BaseModel):
    """It contains itself, and has a name that nobody minds."""

    width: float
    name: Annotated[str, Ignore()] = ""
    branches: list[Tree] = Field(default_factory=list)


def tree(width: float, name: str = "", branches: int = 1) -> dict[str, Any]:
    """Say a tree with branches as wide as itself."""
    return {"width": width, "name": name, "branches": [{"width": width}] * branches}


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (Tree, [tree(A, "x"), tree(B, "y"), tree(C, "z")]),
        (tuple[float, ...], [(A, 2.0), (B, 2.0), (C, 2.0)]),
        (list[float], [[A, 2.0], [2.0, B], [C, 2.0]]),
    ],
)
def test_a_whole_is_near_where_all_its_parts_are(type_: Any, said: list[Any]) -> None:
    """At any depth, in an order where there is one, and whatever is said of what is ignored."""
    decision = consensus(said, response_format=type_, rules={"": Whole()})
    assert (decision.verdicts[""].agreement, decision.review) == (1, ())


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (Tree, [tree(A), tree(B, branches=2), tree(C, branches=3)]),
        (tuple[float, ...], [(A, 2.0), (2.0, B), (C, 3.0)]),
        (list[float], [[A], [5.0], [B, 2.0]]),
        (list[float], [[A, 5.0], [B, 6.0], [C, 7.0]]),
    ],
)
def test_a_whole_is_another_where_one_part_is(type_: Any, said: list[Any]) -> None:
    """A part more, a part less or a part that is far from its counterpart."""
    decision = consensus(said, response_format=type_, rules={"": Whole()})
    assert decision.verdicts[""].agreement == pytest.approx(1 / 3)
    assert decision.verdicts[""].how == "undecided"


# -- a class that refuses what was voted -----------------------------------------------------------------------------


@Together("amount", "unit")
class Order(BaseModel):
    """Its first two must differ; it has parts of every kind."""

    a: int
    b: int
    amount: float
    unit: str
    size: int | list[int]
    tags: list[str]

    @model_validator(mode="after")
    def _differ(self) -> Order:
        if self.a == self.b:
            message = "they are the same"
            raise ValueError(message)
        return self


class Crashing(Order):
    """Its validator fails with something else."""

    @model_validator(mode="after")
    def _differ(self) -> Crashing:
        if self.a == self.b:
            raise ZeroDivisionError
        return self


@pytest.mark.parametrize("type_", [Order, Crashing])
def test_what_is_refused_gives_way_alone(type_: Any) -> None:
    """The mix of what most say does not validate: the field that costs least gives way, and the others stay."""
    rows: list[tuple[Any, ...]] = [
        (1, 2, 1, "kg", 1, ["x"]),
        (1, 3, 2, "g", [1], ["x", "y"]),
        (1, 4, 3, "kg", [1, 2], ["y"]),
        (2, 1, 1, "kg", 1, []),
        (3, 1, 2, "g", [1], ["x"]),
    ]
    decision = consensus([dict(zip(Order.model_fields, row, strict=True)) for row in rows], response_format=type_)
    assert decision.output == type_(a=1, b=2, amount=1, unit="kg", size=[1], tags=["x"])
    lost = {path: verdict.lost for path, verdict in decision.verdicts.items() if verdict.lost}
    assert lost == {"b": pytest.approx(1 / 5)}
    assert decision.verdicts["b"].how == "repaired"


# -- probabilities of parts ------------------------------------------------------------------------------------------


class Parcel(BaseModel):
    """A field whose type is a question of its own, and one on which all agree."""

    size: int | list[int]
    sides: int | list[int]


@pytest.mark.parametrize(("sizes", "below"), [([3, 3, [1]], []), ([3, [2], [2]], ["size[0]"])])
def test_a_part_is_no_likelier_right_than_its_type(sizes: list[Any], below: list[str]) -> None:
    """With learned weights every path has a probability: higher of what all say, no higher of what lies deeper."""
    names = ["m/a", "m/b", "m/c"]
    learned = Learned(weights=dict.fromkeys(names, 1.0), scores=dict.fromkeys(names, 0.9))
    client = ScriptedClient({name: [{"size": size, "sides": [4]}] for name, size in zip(names, sizes, strict=True)})
    verdicts = Ensemble(names, Vote(stop="all", learned=learned), client=client).run_sync("?", Parcel).decision.verdicts
    told = {path: verdict.probability or 0.0 for path, verdict in verdicts.items()}
    assert told.keys() == {"size", *below, "sides", "sides[0]"}
    assert 0 < told["size"] < told["sides"] < 1
    assert all(0 < told[path] <= told["size"] for path in below)
    assert told["sides[0]"] <= told["sides"]
