"""Decision makers without a model: the vote, with an arbiter or without, the medoid, and unanimity."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field

from ensemble_parse import (
    AnyOf,
    Arbitration,
    Candidate,
    Case,
    ConfigurationError,
    Contest,
    DegradedResult,
    Ensemble,
    First,
    Judge,
    Mean,
    Medoid,
    MustAgree,
    Processor,
    Tolerance,
    Unanimous,
    Vote,
    Whole,
)
from ensemble_parse._consensus import Survey
from ensemble_parse.testing import ScriptedClient

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio


class Line(BaseModel):
    """An item."""

    name: str
    price: float


class Invoice(BaseModel):
    """What is asked for."""

    vendor: str = Field(description="who sent it")
    total: float
    lines: list[Line] = []


A = Invoice(vendor="ACME", total=1, lines=[Line(name="bolt", price=1)])
B = Invoice(vendor="Apex", total=1, lines=[Line(name="bolt", price=2), Line(name="nut", price=3)])
C = Invoice(vendor="Axis", total=2, lines=[Line(name="bolt", price=2)])
D = Invoice(vendor="Axis", total=2, lines=[Line(name="bolt", price=4), Line(name="nut", price=3)])
E = Invoice(vendor="ACME", total=1, lines=[Line(name="bolt", price=1), *B.lines[1:], Line(name="pin", price=5)])


def asked(*answers: Any, maker: Any = None, **options: Any) -> Ensemble:
    """Build an ensemble whose members give these answers."""
    models = [f"m/{at}" for at in range(len(answers))]
    script = {model: [answer] for model, answer in zip(models, answers, strict=True)}
    return Ensemble(models, maker, client=ScriptedClient(script), **options)


@dataclasses.dataclass
class Picks:
    """An arbiter that takes the last answer to everything, and remembers what it was asked."""

    seen: list[Contest] = dataclasses.field(default_factory=list)

    async def arbitrate(
        self, contests: Sequence[Contest], candidates: Sequence[Candidate[Any]], case: Case
    ) -> Arbitration:
        """Take the last."""
        del candidates, case
        self.seen += contests
        return Arbitration(
            choices={each.place: len(each.answers) - 1 for each in contests}, by="picks", explanation="x"
        )


async def test_the_vote_is_the_default() -> None:
    """Without a decision maker every field is voted upon, and what nothing leads in degrades the result."""
    result = await asked(A, B, C).run("Go", Invoice)
    assert result.output == Invoice(vendor="ACME", total=1, lines=[Line(name="bolt", price=2)])
    assert (result.decision.method, result.decision.candidate) == ("vote", None)
    assert result.decision.review == ("vendor",)
    assert [reason.kind for reason in result.reasons] == ["undecided"]
    assert result.decision.verdicts["lines[0].price"].supporters == ("m/1", "m/2")


async def test_an_arbiter_sees_only_what_is_disputed() -> None:
    """It gets the distinct values of paths without a majority, chooses among them, and cannot touch the rest."""
    picks = Picks()
    result = await asked(A, B, C, maker=Vote(picks)).run("Go", Invoice)
    (contest,) = picks.seen
    assert (contest.path, contest.about, contest.description) == ("vendor", "value", "who sent it")
    assert [(each.value, each.supporters) for each in contest.answers] == [
        ("ACME", ("m/0",)),
        ("Apex", ("m/1",)),
        ("Axis", ("m/2",)),
    ]
    assert result.output.vendor == "Axis"
    assert (result.decision.by, result.decision.explanation, result.reasons) == ("picks", "x", ())
    assert result.decision.verdicts["vendor"].how == "judge"
    assert result.decision.verdicts["total"].how == "majority"


async def test_an_arbiter_decides_what_is_an_item() -> None:
    """Where it is even whether something is an item at all, that is a question with two answers."""
    picks = Picks()
    result = await asked(A, B, maker=Vote(picks)).run("Go", Invoice)
    asked_about = [(each.path, each.about, each.item) for each in picks.seen]
    assert asked_about == [
        ("vendor", "value", None),
        ("lines[0].price", "value", None),
        ("lines", "item", {"name": "nut", "price": 3.0}),
    ]
    assert [each.value for each in picks.seen[2].answers] == [False, True]
    assert result.output.lines == [Line(name="bolt", price=2), Line(name="nut", price=3)]


async def test_an_arbiter_is_not_asked_for_nothing() -> None:
    """Where every path has a majority there is no question."""
    picks = Picks()
    result = await asked(A, A, B, maker=Vote(picks)).run("Go", Invoice)
    assert (picks.seen, result.output, result.status) == ([], A, "complete")
    assert result.decision.candidate is result.candidates[0]


async def test_rules_of_a_vote() -> None:
    """Rules go with the vote as well as with the type, and one that does not fit is said before anybody is asked."""
    result = await asked(1.0, 1.01, 9.0, maker=Vote(rules={"": Tolerance(rel=0.1)})).run("Go", float)
    assert result.decision.verdicts[""].agreement == pytest.approx(2 / 3)
    client = ScriptedClient({"m/a": ["x"]})
    with pytest.raises(ConfigurationError, match="does not fit"):
        await Ensemble(["m/a"], Vote(rules={"": Tolerance(rel=0.1)}), client=client).run("Go", str)
    assert repr(Vote(rules={"": Tolerance(abs=1)})) == "Vote(rules={'': Tolerance(rel=0.0, abs=1)})"


async def test_the_medoid_is_a_candidate() -> None:
    """It is the candidate most like the others by weight, as it stands; the verdicts say who agrees."""
    result = await asked(A, B, C, maker=Medoid()).run("Go", Invoice)
    assert result.output is result.candidates[0].output
    assert result.decision.method == "medoid"
    assert result.decision.verdicts["vendor"].how == "chosen"
    assert result.decision.verdicts["lines[0].price"].how == "chosen"
    assert result.decision.verdicts["total"].how == "majority"
    assert result.decision.review == ("vendor", "lines[0].price")
    assert (await asked(A, maker=Medoid()).run("Go", Invoice)).decision.method == "only one"


async def test_unanimity_or_review() -> None:
    """Whatever not all say is undecided; strict ensembles raise."""
    result = await asked(A, A, C, maker=Unanimous()).run("Go", Invoice)
    assert result.output == A
    assert result.decision.review == ("vendor", "total", "lines[0].price")
    assert result.decision.verdicts["lines[0].name"].how == "unanimous"
    with pytest.raises(DegradedResult, match="undecided"):
        await asked(A, A, C, maker=Unanimous(), strict=True).run("Go", Invoice)


async def test_other_decisions_are_accounted_for() -> None:
    """Whoever decides, items of lists are paired before it is said who said what."""
    moved = A.model_copy(update={"lines": [Line(name="nut", price=9), *A.lines]})
    result = await asked(A, moved, maker=First()).run("Go", Invoice)
    assert result.decision.verdicts["vendor"].how in ("unanimous", "chosen")

    class Second:
        async def decide(self, candidates: Sequence[Candidate[Any]], case: Case) -> Any:
            decision = await Medoid().decide(candidates[1:], case)
            return dataclasses.replace(decision, method="second")

    result = await asked(A, moved, C, maker=Second()).run("Go", Invoice)
    assert result.output == moved
    verdict = result.decision.verdicts["lines[1].price"]
    assert (verdict.value, verdict.supporters) == (1.0, ("m/0", "m/1"))
    assert result.decision.verdicts["lines[0].name"].supporters == ("m/1",)


def candidate(at: int, output: Any, weight: float = 1.0) -> Candidate[Any]:
    """Make a candidate."""
    return Candidate(name=f"m/{at}", processor=f"m/{at}", position=at, model="", output=output, weight=weight)


@pytest.mark.parametrize(
    ("said", "outstanding", "paths"),
    [
        ([B, B], 1.0, ()),
        ([B, B], 2.0, ("",)),
        ([B], 1.0, ("",)),
        ([B, B, D], 1.0, ("vendor", "total", "lines", "lines[0].price")),
        ([B, B, D], 0.5, ()),
        ([A, B], 0.0, ()),
        ([B, B, B, E], 1.0, ()),
        ([B, B, B, E], 2.0, ("vendor", "lines", "lines[0].price")),
    ],
)
async def test_what_outstanding_weight_could_still_turn(
    said: list[Invoice], outstanding: float, paths: tuple[str, ...]
) -> None:
    """A path is settled when no answer that is still to come can change its winner; what all agree on is one path."""
    survey = Survey([candidate(at, each) for at, each in enumerate(said)], Invoice)
    assert set(survey.unsettled(outstanding)) == set(paths)


@pytest.mark.parametrize(
    ("said", "type_", "paths"),
    [
        ([A, A, A], Invoice, ("",)),
        ([A, A, C], Invoice, ("lines",)),
        ([A.lines[0], A.lines[0]], Line, ()),
        ([["a"], ["a"]], list[str], ()),
        ([["a", "b"], ["a", "b"]], Annotated[list[str], AnyOf()], ("",)),
        ([5.0, 5.0], Annotated[float, Mean()], ("",)),
        ([[A], [A]], Annotated[list[Invoice], Whole()], ()),
        ([{"x": A}, {"x": A}], dict[str, Invoice], ("",)),
    ],
)
async def test_what_a_single_further_answer_could_turn(said: list[Any], type_: Any, paths: tuple[str, ...]) -> None:
    """A list of one record, and what a rule makes of all that is said, stay open however many agree so far."""
    survey = Survey([candidate(at, each) for at, each in enumerate(said)], type_)
    assert survey.unsettled(0.5) == paths


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Vote(arbiter="openai/j"), r"give Judge\('openai/j'\)"),  # type: ignore[arg-type]
        (lambda: Vote(arbiter=Processor("openai/j")), r"give Judge\(Processor\('openai/j'\)\)"),  # type: ignore[arg-type]
        (lambda: Vote(arbiter=Judge), "give a Judge, or an object with an arbitrate method"),  # type: ignore[arg-type]
        (lambda: Vote(arbiter=Medoid()), "an arbitrate method"),  # type: ignore[arg-type]
        (lambda: Vote(rules=[Tolerance(abs=1)]), "give a mapping"),  # type: ignore[arg-type]
        (lambda: Vote(rules={"total": 1}), "is no rule"),  # type: ignore[dict-item]
        (lambda: Vote(rules={"total": MustAgree}), "is the class of a rule"),  # type: ignore[dict-item]
    ],
)
async def test_votes_check_themselves(make: Any, message: str) -> None:
    """What cannot decide is said where it is built, before anything is asked."""
    with pytest.raises(ConfigurationError, match=message):
        make()


async def test_deciding_again_wants_a_decision_maker() -> None:
    """A model's name, or a class in the place of an object, is refused with what to give."""
    result = await asked(A, B, C).run("Go", Invoice)
    for wrong in ("medoid", Vote):
        with pytest.raises(ConfigurationError, match="give a decision maker"):
            result.decide_again(wrong)  # type: ignore[arg-type]
    rules = {"vendor": [MustAgree()], "total": [Tolerance(abs=5), MustAgree()]}
    assert result.decide_again(Vote(rules=rules)).decision.review == ("vendor",)


async def test_a_result_shows_itself_in_a_line() -> None:
    """What stands, how it came about and what is for review, without every candidate once more."""
    result = await asked(1, 2, 2).run("Go", int)
    assert repr(result) == (
        "Result(output=2, status='complete', method='vote', review=[], candidates=3, errors=0, requests=3)"
    )


async def test_weights_of_processors_are_votes() -> None:
    """A processor with more weight than all others together decides."""
    client = ScriptedClient({"m/a": ["1"], "m/b": ["2"], "m/c": ["2"]})
    ensemble = Ensemble([Processor("m/a", weight=3), "m/b", "m/c"], client=client)
    assert (await ensemble.run("Go", int)).decision.verdicts[""].agreement == pytest.approx(3 / 5)
