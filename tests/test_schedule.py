"""Who is asked when, and when the asking ends: on a virtual clock, so that every order of arrival can be had."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import tracemalloc
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ensemble_parse import (
    AllProcessorsFailed,
    Budget,
    Candidate,
    Case,
    ConfigurationError,
    DeadlineExceeded,
    Decision,
    Ensemble,
    First,
    Judge,
    Medoid,
    Outstanding,
    Processor,
    RetryPolicy,
    Text,
    Tolerance,
    Unanimous,
    Vote,
    Whole,
)
from ensemble_parse.testing import FunctionClient
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse import Event, ModelCall, Result

ONCE = RetryPolicy(attempts=1, timeout=1000)
PACES: list[Any] = ["parallel", "hedged", "thrifty"]


class Pair(BaseModel):
    """Two fields, so that candidates can agree on one of them."""

    a: int
    b: int


@dataclass(frozen=True)
class Says:
    """What a processor says, and when.

    Attributes:
        said: its answer; an exception is raised.
        after: seconds.
    """

    said: Any
    after: float = 1.0


class Script:
    """A client whose processors say one thing each, each after a time of its own; it remembers when it was asked."""

    def __init__(self, *told: Says, judge: Any = None) -> None:
        """Take what the processors say, in order of trust."""
        self.told = {f"m/{at}": each for at, each in enumerate(told)} | {"m/judge": Says(judge)}
        self.asked: list[tuple[float, str]] = []
        self.client = FunctionClient(self._say)

    async def _say(self, call: ModelCall[Any]) -> Any:
        self.asked.append((asyncio.get_running_loop().time(), call.model))
        told = self.told[call.model]
        await asyncio.sleep(told.after)
        if isinstance(told.said, Exception):
            raise told.said
        return told.said

    @property
    def names(self) -> list[Processor]:
        """The processors."""
        return [Processor(name, retry=ONCE) for name in self.told if name != "m/judge"]

    def run(self, type_: Any = int, maker: Any = None, **options: Any) -> tuple[Result[Any], float]:
        """Ask, and say how long it took."""

        async def main() -> tuple[Result[Any], float]:
            result = await Ensemble(self.names, maker, client=self.client, **options).run("Go", type_)
            return result, asyncio.get_running_loop().time()

        return run_virtual(main())

    @property
    def order(self) -> list[str]:
        """Who was asked, in order."""
        return [name.removeprefix("m/") for _, name in self.asked]


def test_parallel_returns_when_nothing_can_change() -> None:
    """Two of three agree: the third is cancelled, and counted as asked."""
    script = Script(Says(1, after=2), Says(1, after=1), Says(9, after=50))
    result, seconds = script.run()
    assert (result.output, seconds, script.order) == (1, 2.0, ["0", "1", "2"])
    assert [each.name for each in result.candidates] == ["m/0", "m/1"]
    assert [each.error for each in result.attempts] == [None, None, "Cancelled"]
    assert (result.status, result.errors) == ("complete", ())


def test_everybody_is_heard_while_it_matters() -> None:
    """As long as one field is open the others are waited for, in whatever order they come."""
    script = Script(Says({"a": 1, "b": 1}), Says({"a": 1, "b": 2}), Says({"a": 3, "b": 2}, after=30))
    result, seconds = script.run(Pair)
    assert (result.output, seconds) == (Pair(a=1, b=2), 30.0)


@pytest.mark.parametrize(
    ("told", "order", "seconds"),
    [
        ((Says(1), Says(1), Says(1)), ["0", "1"], 1.0),
        ((Says(1), Says(2, after=4), Says(2)), ["0", "1", "2"], 5.0),
        ((Says(1), Says(ConnectionError(), after=0.5), Says(1)), ["0", "1", "2"], 1.5),
        ((Says(ConnectionError()), Says(ConnectionError()), Says(1)), ["0", "1", "2"], 2.0),
        ((Says(1), Says(1), Says(1), Says(1), Says(1)), ["0", "1", "2"], 1.0),
        ((Says(1), Says(2), Says(1), Says(1), Says(1)), ["0", "1", "2", "3"], 2.0),
    ],
)
def test_thrifty_asks_the_next_only_where_it_must(told: tuple[Says, ...], order: list[str], seconds: float) -> None:
    """As few as may be enough are asked; disagreement and failure bring in the next, failure at once."""
    script = Script(*told)
    result, took = script.run(pace="thrifty")
    assert (script.order, took) == (order, seconds)
    assert result.status == ("degraded" if any(isinstance(each.said, Exception) for each in told) else "complete")


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ((Says(1, after=0.5), Says(1, after=0.5), Says(1)), [0.0, 0.0]),
        ((Says(1, after=0.5), Says(2, after=0.7), Says(1)), [0.0, 0.0, 0.7]),
        ((Says(1, after=0.5), Says(ConnectionError(), after=0.2), Says(1)), [0.0, 0.0, 0.2]),
        ((Says(1, after=9), Says(1, after=0.2), Says(1, after=0.1)), [0.0, 0.0, 1.0]),
        ((Says(1, after=9), Says(2, after=9), Says(2, after=9), Says(2)), [0.0, 0.0, 1.0, 2.0]),
    ],
)
def test_hedged_asks_the_next_when_it_takes_long(told: tuple[Says, ...], asked: list[float]) -> None:
    """Two are asked at once; disagreement, failure and patience at its end bring in the next."""
    script = Script(*told)
    script.run(maker=Vote(stop="two"), pace="hedged")
    assert [when for when, _ in script.asked] == pytest.approx(asked)


@pytest.mark.parametrize("pace", ["hedged", "thrifty"])
@pytest.mark.parametrize(
    ("told", "asked"),
    [
        # Three must agree: to ask two and wait for them would save nothing.
        ((Says(1, after=0.5), Says(1, after=0.5), Says(1, after=0.5), Says(2), Says(2)), [0.0] * 3),
        # As soon as two differ it takes a fourth, whatever the third says, and a fifth once that differs as well.
        ((Says(1, after=0.2), Says(2, after=0.3), Says(1, after=0.9), Says(1, after=0.5), Says(2)), [0, 0, 0, 0.3]),
        (
            (Says(1, after=0.2), Says(2, after=0.3), Says(3, after=0.4), Says(1, after=0.5), Says(1)),
            [0, 0, 0, 0.3, 0.4],
        ),
        # Both at once, where one more cannot be enough.
        ((Says(1, after=0.3), Says(2, after=0.3), Says(3, after=0.3), Says(1), Says(1)), [0, 0, 0, 0.3, 0.3]),
    ],
)
def test_nobody_is_waited_for_where_that_saves_nothing(pace: Any, told: tuple[Says, ...], asked: list[float]) -> None:
    """Whoever has to be asked, even if all who are asked agree from now on, is asked at once."""
    script = Script(*told)
    result, _ = script.run(pace=pace)
    assert result.output == 1
    assert [when for when, _ in script.asked] == pytest.approx(asked)


def test_what_leads_on_every_field_decides_who_is_lacking() -> None:
    """No answer has both fields that lead, but one more that has them is enough, so only one more is asked."""
    pairs = [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 1, "b": 1}, {"a": 9, "b": 9}]
    script = Script(*map(Says, pairs))
    result, seconds = script.run(Pair, pace="thrifty")
    assert (result.output, seconds, script.order) == (Pair(a=1, b=1), 2.0, ["0", "1", "2", "3"])


def test_patience_is_learned() -> None:
    """With ``hedged`` the next is asked after the third quartile of what recent answers took."""
    script = Script(Says(1, after=0.1), Says(1, after=0.1), Says(1, after=0.1))

    async def main() -> list[float]:
        ensemble = Ensemble(script.names, client=script.client, pace="hedged")
        for _ in range(3):
            await ensemble.run("Go", int)
        script.asked.clear()
        script.told["m/1"] = Says(1, after=7)
        began = asyncio.get_running_loop().time()
        await ensemble.run("Go", int)
        return [when - began for when, _ in script.asked]

    assert run_virtual(main()) == pytest.approx([0.0, 0.0, 0.1])


@pytest.mark.parametrize(("pace", "order"), [(None, ["0"]), ("thrifty", ["0"]), ("hedged", ["0", "1"])])
def test_failover_asks_one_by_one(pace: Any, order: list[str]) -> None:
    """``First`` is thrifty unless told otherwise, and never takes a less trusted answer while a better may come."""
    script = Script(Says(1, after=0.5), Says(2, after=0.1), Says(3, after=0.1))
    result, seconds = script.run(maker=First(), pace=pace)
    assert (result.output, seconds, script.order) == (1, 0.5, order)
    script = Script(Says(ConnectionError(), after=0.5), Says(2, after=0.2), Says(3, after=0.1))
    result, seconds = script.run(maker=First(), pace="parallel")
    assert (result.output, seconds) == (2, 0.5)


def test_a_judge_hears_all_who_were_asked() -> None:
    """In parallel it waits for all; thrifty asks nobody else once two say the same, and then no judge either."""
    script = Script(Says(1), Says(1), Says(2, after=5), judge='{"reasoning": "", "answer": 2}')
    result, seconds = script.run(maker=Judge("m/judge"))
    assert (result.output, seconds, script.order) == (2, 6.0, ["0", "1", "2", "judge"])
    script = Script(Says(1), Says(1), Says(2))
    result, _ = script.run(maker=Judge("m/judge"), pace="thrifty")
    assert (result.output, script.order) == (1, ["0", "1"])


@pytest.mark.parametrize("maker", [Unanimous(), Medoid(), Vote(stop="all")])
@pytest.mark.parametrize("pace", PACES)
def test_some_must_hear_everybody(maker: Any, pace: Any) -> None:
    """Whether all agree, and what is in the middle, is known when all have spoken."""
    script = Script(Says(1), Says(1), Says(2), Says(1))
    result, _ = script.run(maker=maker, pace=pace)
    assert (len(result.candidates), sorted(script.order)) == (4, ["0", "1", "2", "3"])


def test_two_who_agree_are_enough() -> None:
    """``stop="two"`` asks two of five, and the third where they differ; it leads, whatever the others would say."""
    script = Script(Says(1), Says(1), Says(2), Says(2), Says(2))
    result, _ = script.run(maker=Vote(stop="two"), pace="thrifty")
    assert (result.output, script.order) == (1, ["0", "1"])
    script = Script(Says(1), Says(2), Says(2), Says(1), Says(1))
    result, _ = script.run(maker=Vote(stop="two"), pace="thrifty")
    assert (result.output, script.order) == (2, ["0", "1", "2"])


def test_long_text_does_not_hold_the_answer_back() -> None:
    """What nobody repeats verbatim is no vote, so nobody is waited for on its account."""

    class Note(BaseModel):
        number: int
        text: str

    long = "The parties agree that the goods are delivered to the warehouse of the buyer. " * 2
    script = Script(*(Says({"number": 1, "text": f"{long}{at}"}, after=1 + at) for at in range(3)))
    result, seconds = script.run(Note)
    assert (result.output.number, seconds) == (1, 2.0)
    assert result.decision.verdicts["text"].how == "similarity"


def test_an_arbiter_is_asked_about_what_all_say() -> None:
    """With an arbiter a lead is not enough: what has no majority among all is its to decide."""
    script = Script(Says(1), Says(2), Says(1, after=3), judge='{"reasoning": "", "answer": {"q1": "A"}}')
    result, seconds = script.run(maker="m/judge")
    assert (result.output, seconds, script.order) == (1, 3.0, ["0", "1", "2"])


def test_a_decision_maker_of_ones_own() -> None:
    """One that says when it is settled is asked after every answer; one that does not hears everybody."""
    seen: list[tuple[int, tuple[int, ...], tuple[int, ...], float]] = []

    class Largest:
        async def decide(self, candidates: Sequence[Candidate[Any]], case: Case) -> Decision[Any]:
            del case
            return Decision(output=max(each.output for each in candidates), method="largest")

    class Enough(Largest):
        def settled(self, candidates: Sequence[Candidate[Any]], outstanding: Outstanding) -> bool:
            assert outstanding.case.request.format.type is int
            seen.append((len(candidates), outstanding.asked, outstanding.unasked, outstanding.weight))
            return max(each.output for each in candidates) >= 5

    script = Script(Says(1), Says(7, after=2), Says(9, after=3), Says(3, after=4))
    assert script.run(maker=Largest())[1] == 4.0
    assert script.run(maker=Enough())[1] == 2.0
    assert seen == [(1, (1, 2, 3), (), 3.0), (2, (2, 3), (), 2.0)]
    script.asked.clear()
    assert script.run(maker=Enough(), pace="thrifty")[0].output == 7
    assert script.order == ["0", "1"]


def test_so_many_candidates_at_least() -> None:
    """Nothing is settled with fewer than ``min_candidates``, and they are asked for at once."""
    script = Script(Says(1), Says(1), Says(1, after=2), Says(1, after=9))
    result, seconds = script.run(pace="thrifty", maker=Vote(stop="two"), min_candidates=3)
    assert (len(result.candidates), seconds, script.order) == (3, 2.0, ["0", "1", "2"])


def test_the_deadline_decides_upon_what_is_there() -> None:
    """Enough by then is a degraded result; fewer is an error that has what there was."""
    script = Script(Says(1), Says(2), Says(2, after=30))
    result, seconds = script.run(deadline=5)
    assert (result.output, len(result.candidates), result.status) == (1, 2, "degraded")
    assert {reason.kind for reason in result.reasons} == {"deadline", "undecided"}
    assert seconds == pytest.approx(5, abs=0.1)
    with pytest.raises(DeadlineExceeded, match="2 valid answers within the deadline of 5 s") as caught:
        script.run(deadline=5, min_candidates=3)
    assert [each.output for each in caught.value.candidates] == [1, 2]


def test_a_pace_that_there_is_not() -> None:
    """Settings are checked when they are given."""
    with pytest.raises(ConfigurationError, match="'parallel', 'hedged', 'thrifty'"):
        Ensemble(["m/0"], pace="fast")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="did you mean 'parallel'"):
        Ensemble(["m/0"], pace="paralel")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="'unbeatable', 'two', 'all'"):
        Vote(stop="three")  # type: ignore[arg-type]


def test_samples_are_asked_for_one_by_one_where_they_must() -> None:
    """Samples of one model are candidates like any others: what the first three agree on needs no more."""
    client = FunctionClient(lambda _: 1)
    ensemble = Ensemble([Processor("m/0", n=5)], client=client, pace="thrifty", examples=[("1", 1), ("2", 2)])
    result = ensemble.run_sync("Go", int)
    assert [each.name for each in result.candidates] == ["m/0#1", "m/0#2", "m/0#3"]


class Measure(BaseModel):
    """A measure, and a letter that is right or wrong."""

    a: Annotated[float, Tolerance(rel=0.01)]
    b: Literal["x", "y"]


@pytest.mark.parametrize(
    ("type_", "told", "heard"),
    [
        # Three of five say the very same.
        (Annotated[str, Text(similar=0.7)], ["blue", *["colour"] * 4], 4),
        (Annotated[float, Tolerance(rel=0.01)], [101.5, *[100.0] * 4], 4),
        (Annotated[float, Tolerance(rel=0.01)], [105.0, *[100.0] * 4], 4),
        (Annotated[Decimal, Tolerance(rel=0.01)], ["1e999999", *["1.5"] * 4], 4),
        (Any, [10**400, *[1.5] * 4], 4),
        (Annotated[Measure, Whole()], [{"a": 1, "b": "y"}, *[{"a": 1, "b": "x"}] * 4], 4),
        (Annotated[Measure, Whole()], [{"a": 1.015, "b": "x"}, *[{"a": 1, "b": "x"}] * 4], 4),
        # Three say about the same, and another value may yet be near more of them.
        (Annotated[float, Tolerance(rel=0.01)], [100.0, 100.5, 100.0, 300.0, 100.0], 5),
        (Annotated[str, Text(similar=0.7)], ["colour", "colours", "colour", "blue", "colour"], 5),
        (
            Annotated[Measure, Whole()],
            [{"a": 1, "b": "x"}, {"a": 1.005, "b": "x"}, {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": "x"}],
            5,
        ),
    ],
)
def test_what_could_still_be_joined_is_not_settled(type_: Any, told: list[Any], heard: int) -> None:
    """What most say themselves is settled, whatever is near it; what is only near may still be joined otherwise."""
    script = Script(*(Says(each, after=at) for at, each in enumerate(told)))
    result, _ = script.run(type_, pace="parallel")
    assert len(result.candidates) == heard


def kinds(events: list[Event]) -> list[tuple[str, str | None]]:
    """What happened, to whom."""
    return [(event.kind, event.processor and event.processor.removeprefix("m/")) for event in events]


def test_events_tell_what_happens() -> None:
    """Everything that happens is told as it happens; the last event has the result."""
    busy = iter([ConnectionError(), 2])

    async def say(call: ModelCall[Any]) -> Any:
        await asyncio.sleep({"m/0": 1, "m/1": 2, "m/2": 3, "m/3": 99}[call.model])
        if call.model == "m/0":
            raise ValueError
        said = next(busy) if call.model == "m/1" else 2
        if isinstance(said, Exception):
            raise said
        return said

    async def main() -> list[Event]:
        names = [
            Processor(f"m/{at}", retry=RetryPolicy(attempts=2, timeout=999, wait=lambda _: 0.5)) for at in range(4)
        ]
        ensemble = Ensemble(names[1:], client=FunctionClient(say))
        return [event async for event in ensemble.stream("Go", int)]

    events = run_virtual(main())
    assert kinds(events) == [
        ("asked", "1"),
        ("asked", "2"),
        ("asked", "3"),
        ("retried", "1"),
        ("answered", "2"),
        ("answered", "1"),
        ("settled", None),
        ("cancelled", "3"),
        ("decided", None),
    ]
    assert events[-1].result is not None
    assert events[-1].result.output == 2
    assert events[3].error is not None
    assert [event.candidate.output for event in events if event.candidate] == [2, 2]
    assert [event.seconds for event in events] == sorted(event.seconds for event in events)


@pytest.mark.parametrize(
    "decider", [Vote(arbiter=Judge("j/1", fallback="j/2")), Judge("j/1", "select", fallback="j/2")]
)
def test_events_of_a_judge(decider: Any) -> None:
    """Who watches sees that a judge is asked, that it failed, and that another one is asked instead."""

    def say(call: Any) -> Any:
        if call.model == "j/1":
            raise TimeoutError
        if call.model == "j/2":
            return {"reasoning": "it is", "answer": {"q1": "A"} if isinstance(decider, Vote) else "A"}
        return int(call.model[-1])

    async def main() -> list[Event]:
        ensemble = Ensemble(["m/1", "m/2"], decider, client=FunctionClient(say))
        return [event async for event in ensemble.stream("Go", int)]

    events = [(event.kind, event.processor) for event in run_virtual(main())]
    assert events[-4:] == [("asked", "judge j/1"), ("failed", "judge j/1"), ("asked", "judge j/2"), ("decided", None)]


def test_the_summary_tells_what_was_cancelled() -> None:
    """The line under the table says how many of the requests were cut off because they made no difference."""

    async def say(call: Any) -> int:
        await asyncio.sleep({"m/1": 1, "m/2": 1, "m/3": 9}[call.model])
        return 2

    result = run_virtual(Ensemble(["m/1", "m/2", "m/3"], client=FunctionClient(say)).run("Go", int))
    assert "3 requests (1 cancelled)" in result._repr_html_()


def test_events_of_a_failure() -> None:
    """What led to an error is told before it is raised."""

    async def main() -> list[Event]:
        events: list[Event] = []
        with contextlib.suppress(AllProcessorsFailed):
            script = Script(Says(ConnectionError()), Says(ConnectionError()))
            async for event in Ensemble(script.names, client=script.client).stream("Go", int):
                events.append(event)  # noqa: PERF401 - what came before the error
        return events

    assert kinds(run_virtual(main())) == [("asked", "0"), ("asked", "1"), ("failed", "0"), ("failed", "1")]


def test_whoever_stops_listening_stops_the_call() -> None:
    """Leaving the loop cancels what is under way and leaves no task."""

    async def main() -> tuple[int, float]:
        script = Script(Says(1, after=5), Says(2, after=5))
        stream = Ensemble(script.names, client=script.client).stream("Go", int)
        async with contextlib.aclosing(stream) as events:
            async for _ in events:
                break
        return len(asyncio.all_tasks()), asyncio.get_running_loop().time()

    assert run_virtual(main()) == (1, 0.0)


ANSWERS = st.sampled_from([1, 1, 1, 2, 3])


@st.composite
def schedules(draw: st.DrawFn) -> list[Says]:
    """Draw what processors say, in what order they answer, and who fails."""
    says = st.builds(
        Says,
        st.builds(lambda a, b: {"a": a, "b": b}, ANSWERS, ANSWERS) | st.just(ConnectionError()),
        st.sampled_from([0.1, 0.5, 1.0, 1.5, 3.0, 8.0]),
    )
    return draw(st.lists(says, min_size=1, max_size=6))


@settings(max_examples=1000)
@given(schedules(), st.sampled_from(PACES), st.lists(st.sampled_from([1.0, 1.0, 2.0, 0.5]), min_size=6, max_size=6))
def test_no_pace_changes_the_answer(told: list[Says], pace: Any, weights: list[float]) -> None:
    """Whoever answers when, and whoever fails: the answer is the one that waiting for everybody gives."""

    def ask(**options: Any) -> Any:
        script = Script(*told)
        names = [Processor(f"m/{at}", retry=ONCE, weight=weights[at]) for at in range(len(told))]

        async def main() -> Any:
            try:
                return (await Ensemble(names, client=script.client, **options).run("Go", Pair)).output
            except AllProcessorsFailed:
                return None

        return run_virtual(main())

    assert ask(pace=pace) == ask(decision_maker=Vote(stop="all"))


def test_nothing_is_left_behind() -> None:
    """Thousands of calls that succeed, fail, are cancelled or out of time: no task, no reservation, no more memory."""
    rng = random.Random(7)  # noqa: S311 - the same schedules every time
    budget = Budget(calls=1_000_000)

    async def call(script: Script, pace: Literal["parallel", "hedged", "thrifty"]) -> None:
        deadline = rng.choice([None, None, 2.0])
        ensemble = Ensemble(script.names, client=script.client, pace=pace, deadline=deadline, budget=budget)
        task = asyncio.ensure_future(ensemble.run("Go", int))
        if rng.random() < 0.2:
            asyncio.get_running_loop().call_later(rng.random() * 3, task.cancel)
        with contextlib.suppress(AllProcessorsFailed, DeadlineExceeded, asyncio.CancelledError):
            await task

    async def some(count: int) -> int:
        for _ in range(count):
            said = (rng.choice([1, 1, 2, ConnectionError()]) for _ in range(rng.randint(1, 4)))
            await call(Script(*(Says(each, rng.choice([0.1, 1.0, 4.0])) for each in said)), rng.choice(PACES))
        return len(asyncio.all_tasks()) + budget.reserved.calls

    assert run_virtual(some(200)) == 1
    gc.collect()
    tracemalloc.start()
    try:
        assert run_virtual(some(300)) == 1
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        assert run_virtual(some(2000)) == 1
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 200_000
