"""What holds for every type and every set of candidates: the algebra of the consensus engine."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, create_model, model_validator

from ensemble_parse import AnyOf, Candidate, Decision, Ensemble, Median, Processor, RetryPolicy, consensus
from ensemble_parse._consensus import Survey
from ensemble_parse.testing import FunctionClient

WORDS = st.sampled_from(["a", "A", "b", "be", "c d", "", "-5", "5"])
NUMBERS = st.integers(-2, 2)
FLOATS = st.sampled_from([0.1 + 0.2, 0.3, -1.0, 2.5])


def types(depth: int = 2) -> st.SearchStrategy[Any]:
    """Make types: scalars, and with some depth lists, dicts, unions and models of them."""
    scalars = st.sampled_from([str, int, float, bool, str | None, bool | int, Literal["x", "y"]])
    if not depth:
        return scalars
    inner = types(depth - 1)
    return st.one_of(
        scalars,
        inner.map(lambda type_: list[type_]),
        inner.map(lambda type_: dict[str, type_]),
        inner.map(lambda type_: type_ | None),
        st.sampled_from([set[int], frozenset[str], tuple[int, str], tuple[int, ...]]),
        models(depth - 1),
    )


def models(depth: int) -> st.SearchStrategy[type[BaseModel]]:
    """Make models of one to four fields."""
    fields = st.dictionaries(st.sampled_from(["f", "g", "h", "k"]), types(depth), min_size=1)
    return fields.map(lambda each: create_model("Model", **{name: (type_, ...) for name, type_ in each.items()}))


def values(type_: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one for each kind of type
    """Make values of a type, few enough different ones for candidates to agree now and then."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    simple = {str: WORDS, int: NUMBERS, float: FLOATS, bool: st.booleans(), type(None): st.none()}
    if type_ in simple:
        return simple[type_]
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(values(arguments[0]), max_size=4)
    if origin in (set, frozenset):
        return st.lists(values(arguments[0]), max_size=4).map(origin)
    if origin is tuple and arguments[-1] is ...:
        return st.lists(values(arguments[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is dict:
        return st.dictionaries(st.sampled_from(["p", "q", "r"]), values(arguments[1]), max_size=3)
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        return st.builds(type_, **{name: values(info.annotation) for name, info in type_.model_fields.items()})
    return st.one_of(*map(values, arguments))


@dataclasses.dataclass(frozen=True)
class Panel:
    """A type and candidates of it."""

    type: Any
    said: list[Any]


@st.composite
def panels(draw: st.DrawFn, least: int = 1, most: int = 5) -> Panel:
    """Draw a type and candidates."""
    type_ = draw(types())
    return Panel(type_, draw(st.lists(values(type_), min_size=least, max_size=most)))


def decide(panel: Panel, **options: Any) -> Decision[Any]:
    """Decide on a panel."""
    return consensus(panel.said, response_format=panel.type, **options)


def scalars(value: Any) -> list[Any]:
    """List the values without parts, each with its type."""
    if isinstance(value, BaseModel):
        return [each for name in type(value).model_fields for each in scalars(getattr(value, name))]
    if isinstance(value, dict):
        return [each for key, item in value.items() for each in (*scalars(key), *scalars(item))]
    if isinstance(value, list | tuple | set | frozenset):
        return [each for item in value for each in scalars(item)]
    return [(type(value), value)]


@given(panels())
def test_nothing_is_made_up(panel: Panel) -> None:
    """Every scalar of the answer was said by a candidate, in that spelling."""
    output = decide(panel).output
    assert set(scalars(output)) <= {each for said in panel.said for each in scalars(said)}


@given(panels(), st.integers(1, 5))
def test_unanimity(panel: Panel, count: int) -> None:
    """What all say is the answer, and every path has full agreement."""
    said = [panel.said[0]] * count
    decision = decide(Panel(panel.type, said))
    assert decision.output == said[0]
    assert decision.method == ("unanimous" if count > 1 else "only one")
    assert {(each.agreement, each.how) for each in decision.verdicts.values()} <= {(1.0, "unanimous")}
    assert decision.review == ()


def paired_by_likeness(type_: Any) -> bool:
    """Whether items of a list in this type may be paired without being equal: of equally alike ones trust decides."""
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        return any(paired_by_likeness(info.annotation) for info in type_.model_fields.values())
    inner = typing.get_args(type_)
    parted = typing.get_origin(type_) is list and (
        typing.get_args(inner[0]) or not issubclass(inner[0], str | int | float)
    )
    return bool(parted) or any(map(paired_by_likeness, inner))


@given(panels(least=2), st.randoms(use_true_random=False))
def test_permutation(panel: Panel, random: Any) -> None:
    """With equal weights another order of the candidates changes nothing but what is tied: then trust decides."""
    assume(not paired_by_likeness(panel.type))
    decision = decide(panel)
    firm = {"unanimous", "majority"}
    assume(all(each.how in firm for each in decision.verdicts.values()))
    said = list(panel.said)
    random.shuffle(said)
    other = decide(Panel(panel.type, said))
    assume(all(each.how in firm for each in other.verdicts.values()))
    assert folded(other.output) == folded(decision.output)
    if ordered(panel.type):
        return  # of two orders of which each has a part of the majority, trust chooses one to agree with
    assert sorted(each.agreement for each in other.verdicts.values()) == pytest.approx(
        sorted(each.agreement for each in decision.verdicts.values())
    )


def ordered(type_: Any) -> bool:
    """Whether order counts anywhere in a type."""
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        return any(ordered(info.annotation) for info in type_.model_fields.values())
    return ... in typing.get_args(type_) or any(map(ordered, typing.get_args(type_)))


def folded(value: Any) -> Any:
    """Leave out what a tie may decide: spelling, and the order of lists."""
    if isinstance(value, BaseModel):
        return {name: folded(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return sorted(((key, folded(each)) for key, each in value.items()), key=repr)
    if isinstance(value, list | tuple | set | frozenset):
        return sorted(map(folded, value), key=repr)
    if isinstance(value, float):
        return round(value, 6)
    return value.casefold() if isinstance(value, str) else (type(value), value)


@given(panels(), st.lists(st.integers(1, 4), min_size=5, max_size=5), st.sampled_from([0.1, 1 / 3, 7.0]))
def test_weights_scale(panel: Panel, weights: list[int], by: float) -> None:
    """Only the proportion of the weights counts."""
    weights = weights[: len(panel.said)]
    decision = decide(panel, weights=weights)
    scaled = decide(panel, weights=[by * weight for weight in weights])
    assert scaled.output == decision.output
    assert scaled.review == decision.review
    for path, verdict in decision.verdicts.items():
        assert scaled.verdicts[path].agreement == pytest.approx(verdict.agreement)


@given(panels())
def test_a_decision_is_stable(panel: Panel) -> None:
    """The answer, decided again with itself, is itself; and one more vote for it changes nothing that is decided."""
    output = decide(panel).output
    again = consensus([output, output], response_format=panel.type)
    assert again.output == output
    assert again.method == "unanimous"


@given(panels())
def test_verdicts_account_for_the_answer(panel: Panel) -> None:
    """Every candidate stands on one side of every path, and the shares are those of the supporters."""
    decision = decide(panel)
    names = set(decision.names)
    for verdict in decision.verdicts.values():
        dissenters = {each.name for each in verdict.dissenters}
        assert not dissenters & set(verdict.supporters)
        assert dissenters | set(verdict.supporters) == names
        assert verdict.agreement == pytest.approx(len(verdict.supporters) / len(names))
    assert set(decision.review) <= set(decision.verdicts)


@given(panels())
def test_decisions_round_trip(panel: Panel) -> None:
    """What is written as JSON-like data is read back equal."""
    decision = decide(panel)
    back = Decision.from_dict(decision.to_dict(), panel.type)
    assert back == decision


@given(st.lists(st.lists(NUMBERS, max_size=5), min_size=1, max_size=5))
def test_agreed_items_are_neither_lost_nor_doubled(lists: list[list[int]]) -> None:
    """An item is in the answer as often as more than half of the candidates have it at least so often.

    Unless that would be no item at all though most have some: then one list stands as it is, for review.
    """
    decision = consensus(lists, response_format=list[int])
    output, filled, ties = decision.output, sum(map(bool, lists)), 0
    for item in {item for each in lists for item in each}:
        having = sorted((each.count(item) for each in lists), reverse=True)
        sure = having[len(lists) // 2]
        assert output.count(item) >= sure
        tied = having[(len(lists) - 1) // 2]
        ties += tied
        if output not in lists or 2 * filled <= len(lists):
            assert output.count(item) <= max(sure, tied)
    if not ties and 2 * filled > len(lists):
        assert output in lists
        assert decision.review == ("",)


class Line(BaseModel):
    """An item with a name, a text and a number."""

    name: str
    text: str
    count: int


LINES = st.builds(
    Line,
    name=st.sampled_from(["bolt", "nut", "washer"]),
    text=st.sampled_from(["steel", "brass"]),
    count=st.integers(1, 2),
)


@given(st.lists(st.lists(LINES, max_size=4), min_size=1, max_size=5))
def test_agreed_objects_are_neither_lost_nor_doubled(lists: list[list[Line]]) -> None:
    """The same for objects, which are also paired by likeness."""
    output = consensus(lists, response_format=list[Line]).output
    for item in [item for each in lists for item in each]:
        having = sorted((each.count(item) for each in lists), reverse=True)
        assert output.count(item) >= having[len(lists) // 2]
        if having[-1] == having[0]:
            assert output.count(item) == having[0]


class Sum(BaseModel):
    """A model whose fields depend on each other, and one that does not."""

    a: int
    b: int
    total: int
    word: str

    @model_validator(mode="after")
    def _adds_up(self) -> Sum:
        if self.a + self.b != self.total:
            message = "it does not add up"
            raise ValueError(message)
        return self


class Sums(BaseModel):
    """Such models inside another with a rule of its own."""

    parts: list[Sum]
    whole: int

    @model_validator(mode="after")
    def _adds_up(self) -> Sums:
        if self.whole != sum(each.total for each in self.parts):
            message = "the parts do not add up"
            raise ValueError(message)
        return self


SUM = st.builds(lambda a, b, word: Sum(a=a, b=b, total=a + b, word=word), NUMBERS, NUMBERS, WORDS)
SUMS = st.lists(SUM, max_size=3).map(lambda parts: Sums(parts=parts, whole=sum(each.total for each in parts)))


@given(st.lists(st.one_of(SUM), min_size=1, max_size=6), st.lists(SUMS, min_size=1, max_size=5))
def test_the_answer_is_valid(flat: list[Sum], nested: list[Sums]) -> None:
    """Whatever the candidates are, if they are valid then so is the answer, validators and all."""
    for said in (flat, nested):
        output = consensus(said).output
        type(output).model_validate(output.model_dump())
        assert set(scalars(output)) <= {each for one in said for each in scalars(one)}


@given(st.lists(SUM, min_size=1, max_size=6))
def test_a_repair_costs_no_more_than_a_candidate(said: list[Sum]) -> None:
    """What is given up for validity is told, and no whole candidate would have cost less."""
    decision = consensus(said)

    def support(output: Sum) -> int:
        return sum(
            sum(str(getattr(each, name)).casefold() == str(getattr(output, name)).casefold() for each in said)
            for name in Sum.model_fields
        )

    assert support(decision.output) >= max(map(support, said))
    assert all(verdict.lost >= 0 for verdict in decision.verdicts.values())
    if any(reason.kind == "repaired" for reason in decision.reasons):
        assert any(verdict.how == "repaired" for verdict in decision.verdicts.values())


class Row(BaseModel):
    """A record of one letter."""

    letter: str


LISTS = st.sampled_from(["", "a", "b", "ab", "ba", "abc", "bcd", "aaa", "abcd"])


@given(
    first=st.lists(LISTS, min_size=1, max_size=3),
    times=st.integers(1, 3),
    later=st.lists(LISTS, min_size=1, max_size=2),
    weight=st.sampled_from([0.25, 1.0]),
)
def test_what_is_settled_stays(first: list[str], times: int, later: list[str], weight: float) -> None:
    """Once no path of a list of records can change, no answers of that weight change which records it has."""
    said = [(each, 1.0) for each in first * times] + [(each, weight) for each in later]
    candidates = [
        Candidate(
            name=f"m/{at}",
            processor=f"m/{at}",
            position=at,
            model="",
            output=[Row(letter=letter) for letter in letters],
            weight=heavy,
        )
        for at, (letters, heavy) in enumerate(said)
    ]
    now = Survey(candidates[: -len(later)], list[Row])
    if not now.unsettled(weight * len(later)):
        then = Survey(candidates, list[Row]).decide().output
        assert sorted(each.letter for each in then) == sorted(each.letter for each in now.decide().output)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_the_median_lies_between(numbers: list[int]) -> None:
    """Half of the votes are on either side of the median."""
    median = consensus(numbers, response_format=int, rules={"": Median()}).output
    assert 2 * sum(each < median for each in numbers) <= len(numbers)
    assert 2 * sum(each > median for each in numbers) <= len(numbers)


@given(st.lists(st.lists(NUMBERS, max_size=4), min_size=1, max_size=5))
def test_the_union_has_everything(lists: list[list[int]]) -> None:
    """With ``AnyOf`` nothing that was said is missing."""
    assert set(consensus(lists, response_format=list[int], rules={"": AnyOf()}).output) == set().union(*lists)


@pytest.mark.anyio
async def test_a_failed_processor_changes_nothing() -> None:
    """Who does not answer has no vote: neither for nor against anything."""

    async def say(call: Any) -> str:
        if call.model == "m/broken":
            message = "no such model"
            raise ValidationError.from_exception_data(message, [])
        return {"m/a": "4", "m/b": "5", "m/c": "5"}[call.model]

    models = ["m/broken", "m/a", "m/b", "m/c"]
    processors = [Processor(each, retry=RetryPolicy(attempts=1, reasks=0)) for each in models]
    with_it = await Ensemble(processors, client=FunctionClient(say)).run("Go", int)
    without = await Ensemble(processors[1:], client=FunctionClient(say)).run("Go", int)
    assert with_it.output == without.output == 5
    assert dict(with_it.decision.verdicts) == dict(without.decision.verdicts)
    assert isinstance(with_it.candidates[0], Candidate)
