"""Does the ensemble pay: reports over stored results, and weights learned from them."""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ensemble_parse import (
    AllProcessorsFailed,
    Arbitration,
    Candidate,
    ConfigurationError,
    Decision,
    Ensemble,
    Ignore,
    Judge,
    Learned,
    Medoid,
    Processor,
    ProviderError,
    Result,
    RetryPolicy,
    Tolerance,
    Vote,
)
from ensemble_parse._format import response_format
from ensemble_parse.batch import read_journal
from ensemble_parse.evaluate import evaluate, fit_weights, read_truths
from ensemble_parse.testing import FunctionClient, ScriptedClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ensemble_parse import ModelCall

Letter = Literal["a", "b", "c", "d"]
LETTERS = "abcd"


class Line(BaseModel):
    """An item."""

    name: str
    price: float


class Order(BaseModel):
    """What is asked for."""

    customer: str
    total: Annotated[float, Tolerance(abs=0.5)]
    remark: Annotated[str, Ignore()] = ""
    lines: list[Line] = []


def stored(said: Mapping[str, Any], type_: Any = Letter) -> Result[Any]:
    """Make a result as it would be stored, its members in this order."""
    candidates = tuple(
        Candidate(name=name, processor=name, position=at, model=name, output=value)
        for at, (name, value) in enumerate(said.items())
    )
    decision = Decision(output=candidates[0].output, method="first")
    made = Result(output=decision.output, decision=decision, candidates=candidates, format=response_format(type_))
    return made.decide_again()


def answers(
    items: int, accuracies: Mapping[str, float], *, seed: int = 0, alike: Sequence[str] = ()
) -> tuple[list[Result[Any]], dict[int, str]]:
    """Draw answers of members that are right so often; those who are alike err together, in the same way."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    results: list[Result[Any]] = []
    truths: dict[int, str] = {}
    for at in range(items):
        truths[at] = chance.choice(LETTERS)
        wrong = [each for each in LETTERS if each != truths[at]]
        shared = (chance.random(), chance.choice(wrong))
        said: dict[str, str] = {}
        for name, accuracy in accuracies.items():
            luck, mistake = shared if name in alike else (chance.random(), chance.choice(wrong))
            said[name] = truths[at] if luck < accuracy else mistake
        results.append(stored(said))
    return results, truths


# -- weights ---------------------------------------------------------------------------------------------------------


def test_one_good_member_outweighs_two_bad_ones() -> None:
    """Two weak members who repeat each other's mistakes win a plain vote; with learned weights the good one does."""
    results, truths = answers(300, {"weak": 0.5, "twin": 0.5, "good": 0.9}, alike=("weak", "twin"))
    learned = fit_weights(results, truths)
    assert learned.basis == "learned"
    assert learned.weights["good"] > learned.weights["weak"] + learned.weights["twin"]
    fresh, right = answers(300, {"weak": 0.5, "twin": 0.5, "good": 0.9}, seed=1, alike=("weak", "twin"))
    by_vote = sum(each.decide_again().output == right[at] for at, each in enumerate(fresh))
    by_weight = sum(each.decide_again(Vote(learned=learned)).output == right[at] for at, each in enumerate(fresh))
    good = sum(each.candidates[2].output == right[at] for at, each in enumerate(fresh))
    assert by_vote < 200
    assert by_weight >= good


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0.25, 0.95), min_size=2, max_size=4))
def test_no_harm_is_done(seed: int, accuracies: list[float]) -> None:
    """Whatever the answers, noise included: held out, what is returned is no worse than any other basis."""
    results, truths = answers(120, {f"m{at}": share for at, share in enumerate(accuracies)}, seed=seed)
    learned = fit_weights(results, truths, seed=seed)
    assert learned.accuracy[learned.basis] == max(learned.accuracy.values())
    assert set(learned.accuracy) == {"learned", "equal weights", "order of accuracy"}


def test_noise_is_said_to_be_noise() -> None:
    """Where everybody guesses, no answer is likely, and the probabilities do not pretend it."""
    results, truths = answers(400, {"x": 0.25, "y": 0.25, "z": 0.25}, seed=3)
    learned = fit_weights(results, truths)
    assert learned.probability([["x"], ["y"], ["z"]]) == pytest.approx(0.25, abs=0.1)
    assert learned.probability([["x", "y", "z"]]) < 0.5


def test_probabilities_are_calibrated() -> None:
    """On folds that they were not learned from, they are as far from the truth as chance makes them."""
    results, truths = answers(600, {"x": 0.6, "y": 0.8, "z": 0.9}, seed=4)
    report = evaluate(results, truths)
    assert report.calibration_error["probability"] < 0.04
    assert report.calibration_error["probability"] < report.calibration_error["agreement"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(LETTERS), min_size=1, max_size=5),
    st.lists(st.floats(0.1, 3.0), min_size=5, max_size=5),
    st.floats(0.1, 100),
)
def test_weights_scale(said: list[str], weights: list[float], factor: float) -> None:
    """All weights times a factor decide and tell the same."""
    names = [f"m{at}" for at in range(5)]
    told = dict(zip(names, weights, strict=True))
    one = Learned(weights=told, scores=told)
    other = Learned(weights={name: factor * weight for name, weight in told.items()}, scores=told)
    result = stored(dict(zip(names, said, strict=False)))
    left, right = (result.decide_again(Vote(learned=each)).decision for each in (one, other))
    assert left.output == right.output
    assert left.verdicts[""].agreement == pytest.approx(right.verdicts[""].agreement)
    assert left.verdicts[""].probability == pytest.approx(right.verdicts[""].probability)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(LETTERS), min_size=3, max_size=3), st.permutations(["x", "y", "z"]))
def test_order_makes_no_difference(said: list[str], order: list[str]) -> None:
    """With weights of which no two sums are equal, the same answers in another order decide the same."""
    learned = Learned(weights={"x": 1.0, "y": 1.7, "z": 2.3}, scores={"x": 1.0, "y": 1.7, "z": 2.3})
    told = dict(zip("xyz", said, strict=True))
    verdicts = [
        stored({name: told[name] for name in names}).decide_again(Vote(learned=learned)).decision.verdicts[""]
        for names in ("xyz", order)
    ]
    assert verdicts[0].value == verdicts[1].value
    assert verdicts[0].probability == pytest.approx(verdicts[1].probability)


def test_the_order_of_results_makes_no_difference() -> None:
    """Results by id in another order give the same weights, but for folds drawn otherwise the same fit."""
    results, truths = answers(150, {"x": 0.6, "y": 0.9})
    one = fit_weights(dict(enumerate(results)), truths)
    other = fit_weights(dict(reversed([*enumerate(results)])), truths)
    assert other.scores == pytest.approx(one.scores, rel=1e-3)


def test_weights_need_labels() -> None:
    """Below 100 labelled answers nothing is learned, and the message says how many it takes."""
    results, truths = answers(99, {"x": 0.6, "y": 0.9})
    with pytest.raises(ConfigurationError, match=r"99 labelled answers.*100"):
        fit_weights(results, truths)
    assert evaluate(results, truths).learned is None
    results, truths = answers(100, {"x": 0.6, "y": 0.9})
    with pytest.raises(ConfigurationError, match="in one group"):
        fit_weights(results, truths, groups=lambda _: "all")


def test_kinds_of_questions_have_their_own_odds() -> None:
    """A text on which all agree may be less sure than a number on which they do; probabilities know."""
    chance = random.Random(5)  # noqa: S311 - reproducible, not secret
    results: list[Result[Any]] = []
    truths: dict[int, Order] = {}
    for at in range(200):
        truths[at] = Order(customer=f"c{at}", total=at)
        shared = chance.random() < 0.3  # a mistake that everybody makes
        said = {name: Order(customer=f"x{at}" if shared else f"c{at}", total=at) for name in "xyz"}
        results.append(stored(said, Order))
    verdicts = results[0].decide_again(Vote(learned=fit_weights(results, truths))).decision.verdicts
    assert verdicts["customer"].probability == pytest.approx(0.7, abs=0.07)
    assert verdicts["total"].probability == pytest.approx(1.0, abs=0.05)


# -- a vote with learned weights -------------------------------------------------------------------------------------

HEAVY = Learned(
    weights={"m/a": 2.0, "m/b": 0.5, "m/c": 0.5}, scores={"m/a": 2.0, "m/b": 0.5, "m/c": 0.5}, none={"": -1.0}
)


def test_a_vote_uses_them_and_stops_early() -> None:
    """Whoever outweighs all others is enough: the others are not asked, with the cheapest pace."""
    client = ScriptedClient({"m/a": ["x"], "m/b": ["y"], "m/c": ["y"]})
    ensemble = Ensemble(["m/a", "m/b", "m/c"], Vote(learned=HEAVY), client=client, pace="thrifty")
    result = ensemble.run_sync("Go", str)
    assert (result.output, len(client.calls)) == ("x", 1)
    patient = Ensemble(["m/a", "m/b", "m/c"], Vote(learned=HEAVY, stop="all"), client=client)
    verdict = patient.run_sync("Go", str).decision.verdicts[""]
    assert (verdict.value, verdict.how, verdict.agreement) == ("x", "majority", pytest.approx(2 / 3))
    assert verdict.probability == pytest.approx(HEAVY.probability([["m/a"], ["m/b", "m/c"]]))


def test_without_them_there_is_no_probability() -> None:
    """A share of votes is none, and is not called one."""
    result = stored({"x": "a", "y": "a"})
    assert result.decision.verdicts[""].probability is None


def test_probabilities_go_down_the_paths() -> None:
    """A value in an item is right only if the item is one; a list is if all its items are; nobody's value has none."""
    bolt, nut = Line(name="bolt", price=1), Line(name="nut", price=2)
    one, two = Order(customer="A", total=1, lines=[bolt, nut]), Order(customer="A", total=1, lines=[bolt])
    result = stored({"m/a": one, "m/b": two, "m/c": two}, Order).decide_again(Vote(learned=HEAVY))
    told = {path: each.probability or 0 for path, each in result.decision.verdicts.items() if path != "remark"}
    sure, in_doubt = HEAVY.probability([["m/a", "m/b", "m/c"]]), HEAVY.probability([["m/a"], ["m/b", "m/c"]])
    assert told["customer"] == pytest.approx(sure)
    assert told["lines[0].price"] == pytest.approx(sure**2)
    assert told["lines[1].price"] == pytest.approx(in_doubt * HEAVY.probability([["m/a"]]))
    assert told["lines"] == pytest.approx(sure * in_doubt)
    assert result.decision.verdicts["remark"].probability is None
    assert Result.from_dict(result.to_dict(), Order) == result


@pytest.mark.parametrize("data", [{}, {"version": 1}, {"version": 1, "weights": 3}, [], None])
def test_what_is_no_learned_weights(data: Any) -> None:
    """Something else than ``to_dict`` wrote is refused, and so are weights that cannot be."""
    with pytest.raises(ConfigurationError, match="learned weights"):
        Learned.from_dict(data)
    with pytest.raises(ConfigurationError, match="more than 0"):
        Learned(weights={"x": 0.0}, scores={"x": 1.0})
    with pytest.raises(ConfigurationError, match="a score for each"):
        Learned(weights={"x": 1.0}, scores={})
    with pytest.raises(ConfigurationError, match="no finite number"):
        Learned(weights={"x": 1.0}, scores={"x": float("nan")})


def test_unknown_processors_are_refused_before_anybody_is_asked() -> None:
    """Weights of another ensemble do not fit this one, and the message names who is missing and who is known."""
    with pytest.raises(ConfigurationError, match=r"no processor 'm/d', only 'm/a', 'm/b', 'm/c'"):
        Ensemble(["m/a", "m/d"], Vote(learned=HEAVY))
    with pytest.raises(ConfigurationError, match="no processor 'x'"):
        stored({"x": "a"}).decide_again(Vote(learned=HEAVY))
    with pytest.raises(ConfigurationError, match="basis='magic'"):
        Learned(weights={"x": 1.0}, scores={"x": 1.0}, basis="magic")  # type: ignore[arg-type]


def test_learned_weights_are_json() -> None:
    """They survive a file."""
    results, truths = answers(120, {"x": 0.6, "y": 0.9})
    learned = fit_weights(results, truths)
    assert Learned.from_dict(json.loads(json.dumps(learned.to_dict()))) == learned
    assert str(learned.items) in learned.explanation


# -- reports ---------------------------------------------------------------------------------------------------------


def test_a_report_counts() -> None:
    """Shares of whole answers and of fields are what counting by hand gives, by the type's own rules."""
    bolt, nut = Line(name="bolt", price=1), Line(name="nut", price=2)
    truth = Order(customer="ACME", total=10, lines=[bolt, nut])
    right = Order(customer="acme ", total=10.4, remark="other", lines=[nut, bolt])
    off = Order(customer="ACME", total=11, lines=[bolt])
    report = evaluate([stored({"x": right, "y": off}, Order)], {0: truth})
    assert report.score("x").whole.value == 1.0
    # customer, total, lines, and for each of two lines name and price: the total, the list, and one whole line is off.
    assert report.score("y").fields.value == pytest.approx(3 / 7)  # not the remark
    assert {each.path: (each.count, each.wrong) for each in report.fields} == {
        **dict.fromkeys(("customer", "total", "lines"), (1, 0)),
        **dict.fromkeys(("lines[].name", "lines[].price"), (2, 0)),
    }
    assert report.score("ensemble").name == "ensemble"
    with pytest.raises(KeyError):
        report.score("nobody")


def test_everybody_is_compared() -> None:
    """Members, best member, ensemble, other decisions, learned weights, oracle; their intervals hold their values."""
    results, truths = answers(150, {"x": 0.9, "y": 0.6, "z": 0.6}, alike=("y", "z"))
    report = evaluate(results, truths)
    assert [each.name for each in report.scores] == [
        *("x", "y", "z", "best member", "ensemble", "First()", "Vote()", "Medoid()", "learned weights", "oracle")
    ]
    for each in report.scores:
        for told in (each.whole, each.fields, each.gain, each.field_gain):
            assert told is None or told.low <= told.value <= told.high
    assert report.score("ensemble").whole.value < report.score("best member").whole.value
    assert report.score("oracle").whole.value >= report.score("learned weights").whole.value
    assert "it does harm" in report.verdict
    assert report.to_dict() == evaluate(results, truths).to_dict()
    mine = evaluate(results, truths, decision_makers={"mine": Medoid()}, groups={at: at // 10 for at in truths})
    assert (mine.groups, mine.score("mine").items) == (15, 150)
    assert "15 independent inputs are few" in mine.notes[0]


def said(call: ModelCall[Any], wrong: Mapping[str, set[int]]) -> int:
    """Answer with the number in the question, unless this one gets it wrong or fails."""
    number = int(str(call.messages[-1]["content"]))
    if call.processor == "m/c" and number == 7:
        message = "down"
        raise ProviderError(message, processor=call.processor, retryable=False)
    return -1 if number in wrong.get(call.processor, set()) else number


def test_a_journal_is_evaluated(tmp_path: Path) -> None:
    """The items of a journal and a file of truths are all it takes; what failed counts, what has no truth does not."""
    client = FunctionClient(lambda call: said(call, {"m/a": {1, 2}, "m/b": {2}}))
    ensemble = Ensemble(
        [Processor(f"m/{each}", retry=RetryPolicy(attempts=1)) for each in "abc"], Vote(stop="all"), client=client
    )
    path = tmp_path / "run.jsonl"
    inputs = [{"id": f"n{at}", "input": str(at)} for at in range(10)]
    assert len([*ensemble.map_sync(inputs, int, journal=path)]) == 10
    lines = [json.dumps({"id": f"n{at}", "truth": at}) for at in range(9)]
    (tmp_path / "truths.jsonl").write_text("\n".join([*lines, "", '{"id": "gone", "truth": 1}']), encoding="utf-8")
    report = evaluate(read_journal(path, int), read_truths(tmp_path / "truths.jsonl"))
    assert (report.items, report.unlabelled, report.unanswered) == (9, 1, 1)
    shares = {each.name: each.whole.value for each in report.scores}
    assert shares["m/a"] == pytest.approx(7 / 9)
    assert shares["m/c"] == pytest.approx(8 / 9)
    assert shares["ensemble"] == pytest.approx(8 / 9)
    assert report.score("ensemble").cost == 0.0
    assert report.score("First()").seconds <= report.score("Vote()").seconds


def test_members_that_were_not_always_asked_are_not_compared() -> None:
    """Whoever is only asked where others disagree has a hard time: the report says so, and calls another one best."""
    client = FunctionClient(lambda call: said(call, {"m/a": {3}}))
    ensemble = Ensemble(["m/a", "m/b", Processor("m/d")], client=client, pace="thrifty")
    items = [*ensemble.map_sync([str(at) for at in range(10)], int)]
    report = evaluate(items, {at: at for at in range(10)})
    assert report.score("m/d").items == 1
    assert any("m/d was asked about 1 of 10" in note for note in report.notes)
    assert "m/d" not in report.verdict


class Picks:
    """An arbiter that takes the last answer."""

    async def arbitrate(self, contests: Sequence[Any], candidates: Any, case: Any) -> Arbitration:
        """Take it."""
        del candidates, case
        return Arbitration(choices={each.place: len(each.answers) - 1 for each in contests}, by="picks")


def test_what_the_judge_was_worth() -> None:
    """It is compared with the vote without it, on what it decided."""
    client = FunctionClient(lambda call: said(call, {"m/a": {3, 4}}))
    ensemble = Ensemble(["m/a", "m/b"], Vote(Picks(), stop="all"), client=client)
    report = evaluate([*ensemble.map_sync([str(at) for at in range(6)], int)], {at: at for at in range(6)})
    assert report.judge is not None
    assert (report.judge.items, report.judge.whole, report.judge.gain.value) == (2, 1.0, 1.0)
    assert "The judge decided 2 of them and gained +100.0" in report.verdict
    assert report.to_dict()["judge"]["items"] == 2


def test_calls_that_failed_are_wrong() -> None:
    """An item without any answer counts for everybody; a strict ensemble's result still counts as what it is."""
    client = FunctionClient(lambda call: said(call, {"m/a": {1}}))
    ensemble = Ensemble(["m/a", "m/b"], client=client, strict=True)
    items = [*ensemble.map_sync(["1", "2"], int)]
    assert items[0].error is not None
    report = evaluate(items, {0: 1, 1: 2})
    assert report.score("m/b").whole.value == 1.0
    down = Ensemble([Processor("m/c", retry=RetryPolicy(attempts=1))], client=client)
    items = [*down.map_sync(["6", "7"], int)]
    assert isinstance(items[1].error, AllProcessorsFailed)
    report = evaluate(items, {0: 6, 1: 7})
    assert report.score("ensemble").whole.value == report.score("m/c").whole.value == 0.5
    assert "1 calls gave no answer" in " ".join(report.notes)


def test_a_report_is_shown() -> None:
    """On a terminal and in a notebook; a name or path that is HTML is escaped."""
    from rich.console import Console

    results, truths = answers(120, {"<b>x</b>": 0.9, "y": 0.6})
    report = evaluate(results, truths)
    console = Console(width=200, record=True, file=None, quiet=True)
    console.print(report)
    html = report._repr_html_()
    assert "<b>x" not in html
    assert "&lt;b&gt;x" in html
    assert "calibration error" in html
    json.dumps(report.to_dict())


def test_a_report_fits_a_terminal() -> None:
    """In 80 columns the names of models take at most two lines, and no interval is cut up."""
    from rich.console import Console

    names = ["anthropic/claude-haiku-4-5", "openai/gpt-5-mini", "gemini/gemini-2.5-flash"]
    results, truths = answers(120, dict(zip(names, (0.9, 0.5, 0.4), strict=True)))
    report = evaluate(results, truths)
    console = Console(width=80, file=io.StringIO())
    console.print(report)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    (at,) = [at for at, line in enumerate(lines) if "whole answers" in line]
    end = next(at for at, line in enumerate(lines) if line.startswith("└"))
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines[at + 2 : end]]
    assert all(len(row) == 5 for row in cells)
    shares = [f"[{100 * each.whole.low:.1f}, {100 * each.whole.high:.1f}]" for each in report.scores]
    assert [row[2] for row in cells[1::2]] == shares
    assert [upper[0] + lower[0] for upper, lower in zip(cells[::2], cells[1::2], strict=True)][:3] == names


@pytest.mark.parametrize(
    ("results", "truths", "options", "message"),
    [
        ([stored({"x": "a"})], {1: "a"}, {}, "none of 1 results has an answer and a truth"),
        ([stored({"x": "a"})], {0: "q"}, {}, "the truth of 0 is no"),
        ([stored({"x": "a"})], {0: "a"}, {"folds": 1}, "folds=1"),
        ([stored({"x": "a"})], {0: "a"}, {"resamples": 0}, "resamples=0"),
        ([stored({"x": "a"})], {0: "a"}, {"groups": {5: 1}}, "groups has no 0"),
        ([3], {0: "a"}, {}, r"results\[0\] is a int"),
        ("run.jsonl", {0: "a"}, {}, "read_journal"),
        ([stored({"x": "a", "y": "b"})], {0: "a"}, {"decision_makers": {"j": Judge("m/j")}}, "asks no model"),
    ],
)
def test_what_cannot_be_evaluated(results: Any, truths: Any, options: Any, message: str) -> None:
    """Each message says what to give instead; none holds an answer or a truth."""
    with pytest.raises(ConfigurationError, match=message) as raised:
        evaluate(results, truths, **options)
    assert "'q'" not in str(raised.value)


def test_truths_that_cannot_be_read(tmp_path: Path) -> None:
    """The message names the line."""
    path = tmp_path / "truths.jsonl"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_truths(path)
    for text, message in (
        ("{", "line 1"),
        ('{"id": 1}', "line 1"),
        ('{"id":1,"truth":2}\n{"id":1,"truth":2}', "twice"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=message):
            read_truths(path)
