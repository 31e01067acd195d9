"""What may be spent, how fast one may ask, and who is left alone: through the ensemble."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from tenacity import wait_fixed

from ensemble_parse import (
    AllProcessorsFailed,
    Budget,
    BudgetExceeded,
    ConfigurationError,
    DeadlineExceeded,
    Ensemble,
    First,
    Judge,
    Processor,
    ProviderError,
    RateLimit,
    Result,
    RetryPolicy,
    Vote,
)
from ensemble_parse.testing import FunctionClient, ScriptedClient
from tests.loopback import Answer, Hang, Loopback, Status, Text
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from ensemble_parse import ModelCall

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1, timeout=30)


class Number(BaseModel):
    """A number."""

    a: int


def priced(name: str, **settings: Any) -> Processor:
    """A processor at a dollar for every million tokens, with answers of 1,000 tokens at most."""
    prices = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    return Processor(f"openai/{name}", max_tokens=1000, **prices, **settings)


# -- budgets --------------------------------------------------------------------------------------------------------


async def test_a_budget_is_never_passed(server: Loopback) -> None:
    """The worst case of every request is set aside before it goes out; what it cost is settled after it."""
    server.default(Answer({"a": 1}))
    budget = Budget(calls=5, tokens=100_000, usd=1.0)
    ensemble = Ensemble([priced("alpha"), priced("bravo")], Vote(stop="all"), budget=budget)
    results = await asyncio.gather(*(ensemble.run("Go", Number) for _ in range(5)), return_exceptions=True)
    assert server.count() == 5
    assert (budget.spent.calls, budget.spent.tokens, budget.reserved.calls) == (5, 600, 0)
    assert budget.spent.usd == pytest.approx(0.0006)
    refused = [each for each in results if isinstance(each, BudgetExceeded)]
    assert len(refused) + sum(isinstance(each, Result) for each in results) == 5
    assert refused
    assert "Budget(calls=5) would be passed" in str(refused[0])


async def test_it_is_refused_before_anything_is_spent(server: Loopback) -> None:
    """A budget that does not hold the worst case of the first request lets nothing out."""
    server.default(Answer({"a": 1}))
    with pytest.raises(BudgetExceeded, match=r"set a smaller max_tokens") as caught:
        await Ensemble([priced("alpha"), priced("bravo")]).run("Go", Number, budget=Budget(usd=0.001))
    assert server.count() == 0
    assert caught.value.needed is not None
    assert 0.001 < caught.value.needed.usd < 0.003


async def test_one_call_within_all(server: Loopback) -> None:
    """A call's own budget and the ensemble's both hold; what fits into neither is a processor that failed."""
    server.default(Answer({"a": 1}))
    budget = Budget(calls=10)
    ensemble = Ensemble(["openai/alpha", "openai/bravo"], Vote(stop="all"), budget=budget)
    result = await ensemble.run("Go", Number, budget=Budget(calls=1))
    assert (len(result.candidates), result.status, server.count()) == (1, "degraded", 1)
    assert isinstance(result.errors[0], BudgetExceeded)
    assert budget.spent.calls == 1
    assert Result.from_dict(result.to_dict(), Number) == result


async def test_failures_and_reasks_count(server: Loopback) -> None:
    """Every request is one call, whatever came of it, the judge's included."""
    server.on("alpha", Status(500), Text("hm"), Answer({"a": 1}))
    server.on("bravo", Answer({"a": 2}))
    server.on("judge", Answer({"reasoning": "", "answer": {"a": 2}}))
    retry = RetryPolicy(attempts=2, wait=lambda _: 0, reasks=1)
    budget = Budget(calls=5)
    processors = [Processor("openai/alpha", retry=retry), Processor("openai/bravo", retry=retry)]
    result = await Ensemble(processors, Judge("openai/judge"), budget=budget).run("Go", Number)
    assert result.output == Number(a=2)
    assert budget.spent.calls == server.count() == 5


async def test_a_judge_that_is_not_paid_for_leaves_the_vote(server: Loopback) -> None:
    """What is left of the budget may not hold the judge; then the vote decides, and the result says so."""
    server.on("alpha", Answer({"a": 1}))
    server.on("bravo", Answer({"a": 2}))
    result = await Ensemble(["openai/alpha", "openai/bravo"], "openai/judge", budget=Budget(calls=2)).run("Go", Number)
    assert result.output == Number(a=1)
    assert {reason.kind for reason in result.reasons} == {"judge failed", "undecided"}
    assert server.count("judge") == 0


@pytest.mark.parametrize("settings", [{"max_tokens": None}, {}])
async def test_how_long_an_answer_may_be_must_be_known(server: Loopback, settings: dict[str, Any]) -> None:
    """Without that nothing can be set aside, and the error says so before anybody is asked."""
    server.default(Answer({"a": 1}))
    with pytest.raises(ConfigurationError, match=r"openai/nobody-knows' may be is not known.*give max_tokens"):
        await Ensemble([Processor("openai/nobody-knows", **settings)], budget=Budget(tokens=9999)).run("Go", Number)
    assert server.count() == 0


async def test_prices_that_are_not_known(server: Loopback) -> None:
    """They are refused where dollars are limited, or counted as nothing where that is allowed."""
    server.default(Answer({"a": 1}))
    ensemble = Ensemble([Processor("openai/nobody-knows", max_tokens=100)])
    with pytest.raises(BudgetExceeded, match="its price is unknown"):
        await ensemble.run("Go", Number, budget=Budget(usd=5))
    budget = Budget(usd=5, unknown_price="allow")
    result = await ensemble.run("Go", Number, budget=budget)
    assert "out, price unknown, " in result._repr_html_()
    assert (server.count(), budget.spent.usd, budget.spent.unpriced) == (1, 0.0, 1)


async def test_what_has_no_price_needs_no_length(server: Loopback) -> None:
    """Where dollars alone are limited, an unknown price fails one processor, or is nothing, however long it writes."""
    server.default(Answer({"a": 1}))
    ensemble = Ensemble([priced("alpha"), Processor("openai/nobody-knows")], Vote(stop="all"))
    result = await ensemble.run("Go", Number, budget=Budget(usd=5))
    assert [type(error) for error in result.errors] == [BudgetExceeded]
    result = await ensemble.run("Go", Number, budget=Budget(usd=5, unknown_price="allow"))
    assert (len(result.candidates), server.count("nobody-knows")) == (2, 1)


async def test_a_price_of_ones_own_needs_a_length(server: Loopback) -> None:
    """A price that the caller gives is set aside as any other, so how long the answer may be must be known."""
    own = Processor("openai/nobody-knows", input_cost_per_token=1e-6, output_cost_per_token=1e-6)
    with pytest.raises(ConfigurationError, match="give max_tokens"):
        await Ensemble([own]).run("Go", Number, budget=Budget(usd=5))
    assert server.count() == 0


async def test_what_is_cut_off_is_counted(server: Loopback) -> None:
    """A request that is cancelled because it makes no difference counts, and nothing stays set aside."""
    server.on("alpha", Answer({"a": 1}))
    server.on("bravo", Answer({"a": 1}))
    server.on("charlie", Hang())
    budget = Budget(calls=3, usd=1)
    result = await Ensemble([priced("alpha"), priced("bravo"), priced("charlie")], budget=budget).run("Go", Number)
    await server.until_idle()
    assert server.cancelled("charlie") == 1
    assert (budget.spent.calls, budget.reserved.calls) == (3, 0)
    (cut_off,) = [each for each in result.attempts if each.error == "Cancelled"]
    assert (cut_off.estimated, cut_off.usage.input_tokens, cut_off.usage.output_tokens) == (True, 100, 20)
    assert result.cost.total == pytest.approx(3 * 120e-6)
    assert result.status == "complete"


def test_a_vendor_that_times_out_is_estimated(server: Loopback) -> None:
    """What a request cost that nobody answered is as good as known from the others."""
    server.on("alpha", Answer({"a": 1}))
    server.on("bravo", Hang())
    bravo = priced("bravo", retry=RetryPolicy(attempts=1, timeout=30))
    result = run_virtual(Ensemble([priced("alpha"), bravo]).run("Go", Number), server)
    assert [reason.kind for reason in result.reasons] == ["processor failed"]
    assert result.cost.processors["openai/bravo"] == pytest.approx(120e-6)


def test_budgets_that_are_none() -> None:
    """A number is no budget."""
    with pytest.raises(ConfigurationError, match=r"give a Budget, such as Budget\(usd=1.5\)"):
        Ensemble(["m/0"], budget=5)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="budget"):
        Ensemble(["m/0"], client=FunctionClient(lambda _: 1)).run_sync("Go", int, budget="much")
    with pytest.raises(ConfigurationError, match="'budget' is no model parameter here"):
        Processor("m/0", budget=Budget(calls=1))


async def test_other_kinds_of_content_are_counted(server: Loopback) -> None:
    """A picture, a file, and letters of other scripts have their worst case, too."""
    server.default(Answer({"a": 1}))
    parts = [
        {"type": "text", "text": "数を読んでください"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64," + "A" * 40_000}},
    ]
    needed: list[int] = []
    for content in ("Read the number", parts[:1], parts[:2], parts):
        with pytest.raises(BudgetExceeded) as caught:
            await Ensemble([priced("alpha")]).run(
                [{"role": "user", "content": content}], Number, budget=Budget(tokens=1)
            )
        assert caught.value.needed is not None
        needed.append(caught.value.needed.tokens)
    assert needed == sorted(needed)
    assert needed[2] - needed[1] == 3000
    assert needed[3] - needed[2] > 10_000
    assert server.count() == 0


# -- rate limits ----------------------------------------------------------------------------------------------------


class Clocked:
    """A client that remembers when it was asked, on the loop's clock."""

    def __init__(self, answer: Callable[[str], Any] = lambda _: 1) -> None:
        """Take what to answer."""
        self.starts: list[tuple[float, str]] = []
        self._answer = answer
        self.client = FunctionClient(self._say)

    async def _say(self, call: ModelCall[Any]) -> Any:
        self.starts.append((asyncio.get_running_loop().time(), call.model))
        await asyncio.sleep(0.1)
        said = self._answer(call.model)
        if isinstance(said, Exception):
            raise said
        return said

    def busiest(self, per: float) -> int:
        """The most starts in any such period."""
        times = [when for when, _ in self.starts]
        return max(sum(begin <= each < begin + per for each in times) for begin in times)


def test_two_ensembles_share_a_rate() -> None:
    """However many ask, no period has more starts than the limit; nobody fails, all wait."""
    clocked = Clocked()
    limit = RateLimit(requests=10, per=60)
    ensembles = [Ensemble([Processor(f"m/{at}", rate_limit=limit, retry=ONCE)], client=clocked.client) for at in (1, 2)]

    async def main() -> float:
        await asyncio.gather(*(ensembles[at % 2].run("Go", int) for at in range(55)))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(300, abs=1)
    assert (len(clocked.starts), clocked.busiest(60)) == (55, 10)


def test_a_storm_of_429_delays_that_vendor_alone() -> None:
    """A vendor that says 429 is asked less; the others are asked as before."""
    storm = iter(range(6))

    def answer(model: str) -> Any:
        if model == "m/slow" and next(storm, None) is not None:
            return ProviderError("busy", processor=model, status_code=429, retry_after=20.0, retryable=True)
        return 1

    clocked = Clocked(answer)
    retry = RetryPolicy(attempts=5, timeout=1000)
    slow = Processor("m/slow", rate_limit=RateLimit(requests=100, per=60), retry=retry)
    quick = Processor("m/quick", rate_limit=RateLimit(requests=100, per=60), retry=retry)
    alone = [Ensemble([each], client=clocked.client) for each in (slow, quick)]

    async def main() -> None:
        await asyncio.gather(*(ensemble.run("Go", int) for ensemble in alone for _ in range(20)))

    run_virtual(main())
    last = {model: max(when for when, each in clocked.starts if each == model) for model in ("m/slow", "m/quick")}
    assert last["m/quick"] < 1
    assert last["m/slow"] >= 20
    assert slow.rate_limit is not None
    assert slow.rate_limit.share < 1


async def test_tokens_are_limited_and_corrected(server: Loopback) -> None:
    """A request counts as many tokens as it is likely to use, and when it is answered those that it used."""
    server.default(Answer({"a": 1}))
    limit = RateLimit(tokens=100_000)
    ensemble = Ensemble([Processor("openai/alpha", rate_limit=limit, max_tokens=50)])
    for _ in range(3):
        await ensemble.run("Go", Number)
    assert limit._used == 3 * 120


# -- rest -----------------------------------------------------------------------------------------------------------


def answers(*models: str) -> Clocked:
    """A client by which these models cannot be reached."""
    return Clocked(lambda model: ConnectionError() if model in models else 1)


def test_a_vendor_that_is_down_is_left_alone() -> None:
    """It costs one failure, not one for each document; after its rest it is tried again, by one call."""
    down = ["m/down"]
    clocked = Clocked(lambda model: ConnectionError() if model in down else 1)
    names = [Processor(each, retry=ONCE, rest=30) for each in ("m/down", "m/up")]
    ensemble = Ensemble(names, client=clocked.client)

    async def main() -> list[list[str]]:
        seen: list[list[str]] = []
        for pause in (0, 1, 1, 40, 1):
            await asyncio.sleep(pause)
            before = len(clocked.starts)
            if pause == 40:
                down.clear()
            result = await ensemble.run("Go", int)
            assert result.output == 1
            assert (result.status == "degraded") is (len(clocked.starts) - before < 2 or bool(down))
            seen.append([model for _, model in clocked.starts[before:]])
        return seen

    assert run_virtual(main()) == [["m/down", "m/up"], ["m/up"], ["m/up"], ["m/down", "m/up"], ["m/down", "m/up"]]


def test_the_error_says_that_it_was_not_asked() -> None:
    """Whoever reads the errors sees why there is no attempt."""
    clocked = answers("m/down")
    ensemble = Ensemble([Processor(each, retry=ONCE) for each in ("m/down", "m/up")], client=clocked.client)

    async def main() -> Result[int]:
        await ensemble.run("Go", int)
        return await ensemble.run("Go", int)

    (error,) = run_virtual(main()).errors
    assert str(error) == "m/down: not asked; it could not be reached less than rest=30 s ago"
    assert error.attempts == ()


def test_if_all_rest_all_are_asked() -> None:
    """There is nothing to lose by asking."""
    clocked = answers("m/down", "m/out")
    ensemble = Ensemble([Processor(each, retry=ONCE) for each in ("m/down", "m/out")], client=clocked.client)

    async def main() -> None:
        for _ in range(3):
            with contextlib.suppress(AllProcessorsFailed):
                await ensemble.run("Go", int)

    run_virtual(main())
    assert len(clocked.starts) == 6


@pytest.mark.parametrize(
    "said",
    [
        ProviderError("no", processor="m/0", status_code=401),
        ProviderError("busy", processor="m/0", status_code=429, retryable=True),
        {"not": "an int"},
    ],
    ids=["401", "429", "invalid"],
)
def test_an_answer_is_an_answer(said: Any) -> None:
    """Whoever says no is there; it is asked again the next time."""
    clocked = Clocked(lambda model: said if model == "m/0" else 1)
    ensemble = Ensemble([Processor(each, retry=ONCE) for each in ("m/0", "m/1")], client=clocked.client)

    async def main() -> None:
        for _ in range(3):
            await ensemble.run("Go", int)

    run_virtual(main())
    assert sum(model == "m/0" for _, model in clocked.starts) >= 3


def test_failover_goes_past_who_rests() -> None:
    """With ``First`` a vendor that is down costs the first document its time, and the others nothing."""
    clocked = answers("m/down")
    processors = [Processor(each, retry=ONCE) for each in ("m/down", "m/up")]
    ensemble = Ensemble(processors, First(), client=clocked.client)

    async def main() -> None:
        for _ in range(4):
            assert await ensemble.parse("Go", int) == 1

    run_virtual(main())
    assert [model for _, model in clocked.starts] == ["m/down", "m/up", "m/up", "m/up", "m/up"]


BUSY = ProviderError("busy", processor="m/0", status_code=429, retryable=True)


@pytest.mark.parametrize(
    ("said", "rests"), [(BUSY, False), (ConnectionError(), True)], ids=["turned down", "not reached"]
)
def test_the_deadline_cuts_off_who_waits_to_try_again(said: Exception, rests: bool) -> None:  # noqa: FBT001
    """What the tries before it came to counts: a vendor that says "not now" is there."""
    clocked = Clocked(lambda model: said if model == "m/0" else 1)
    patient = RetryPolicy(attempts=9, timeout=30, wait=wait_fixed(3))
    names = [Processor("m/0", retry=patient), Processor("m/1", retry=ONCE)]
    ensemble = Ensemble(names, Vote(stop="all"), deadline=5, client=clocked.client)

    async def main() -> Result[int]:
        await ensemble.run("Go", int)
        return await ensemble.run("Go", int)

    (error,) = run_virtual(main()).errors
    assert ("not asked" in str(error)) is rests


@pytest.mark.parametrize("limits", [{"rate_limit": RateLimit(requests=1, per=60)}, {"max_concurrency": 1}])
def test_our_own_queue_is_no_outage(limits: dict[str, Any]) -> None:
    """Whoever waits for a turn until the deadline has not been at the vendor's, which therefore is not left alone."""

    async def say(call: ModelCall[Any]) -> int:
        await asyncio.sleep(10 if call.model == "m/slow" else 0)
        return 1

    retry = RetryPolicy(attempts=1, timeout=30)
    limited = Processor("m/slow" if "max_concurrency" in limits else "m/quick", retry=retry, **limits)
    client = FunctionClient(say)
    patient = Ensemble([limited], client=client)
    hasty = Ensemble([limited, Processor("m/other", retry=retry)], Vote(stop="all"), client=client, deadline=3)

    async def main() -> str:
        first = asyncio.ensure_future(patient.run("Go", int))
        await asyncio.sleep(1)
        await hasty.run("Go", int)
        again = await hasty.run("Go", int)
        await first
        return str(again.errors[0])

    assert run_virtual(main()) == f"{limited.model}: cut off by the deadline"


@pytest.mark.parametrize(("deadline", "rests"), [(0.2, False), (1.2, True)])
async def test_the_deadline_cuts_off_who_hangs(deadline: float, rests: bool) -> None:  # noqa: FBT001
    """A vendor that had its time and said nothing is left alone; one that was hardly asked is not."""

    async def say(call: ModelCall[Any]) -> int:
        await asyncio.sleep(60 if call.model == "m/hangs" else 0)
        return 1

    names = [Processor(each, retry=RetryPolicy(attempts=1, timeout=90)) for each in ("m/hangs", "m/other")]
    ensemble = Ensemble(names, Vote(stop="all"), client=FunctionClient(say), deadline=deadline)
    await ensemble.run("Go", int)
    (error,) = (await ensemble.run("Go", int)).errors
    assert ("not asked" in str(error)) is rests


def test_settings_are_checked() -> None:
    """What is no rate limit, or no number of seconds, is refused."""
    with pytest.raises(ConfigurationError, match="give a RateLimit"):
        Processor("m/0", rate_limit=500)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="rest=-1; give seconds, 0 or more"):
        Processor("m/0", rest=-1)
    client = ScriptedClient({"m/0": [ConnectionError(), 1]})
    ensemble = Ensemble([Processor("m/0", retry=ONCE, rest=0)], client=client)
    with pytest.raises(AllProcessorsFailed):
        ensemble.parse_sync("Go", int)
    assert ensemble.parse_sync("Go", int) == 1


# -- nothing is left ------------------------------------------------------------------------------------------------


async def test_no_socket_is_left(server: Loopback) -> None:
    """Calls that are settled early, fail, run out of time or are cancelled leave nothing under way at the vendors'."""
    server.on("alpha", Answer({"a": 1}))
    server.on("bravo", Answer({"a": 1}, latency=0.02))
    server.on("charlie", Hang())
    server.on("delta", Status(500))
    budget = Budget(calls=10_000)
    retry = RetryPolicy(attempts=1, timeout=5)
    names = [Processor(f"openai/{each}", retry=retry, rest=0) for each in ("alpha", "bravo", "charlie", "delta")]
    settled = Ensemble(names[:3], budget=budget)
    late = Ensemble([names[0], names[2]], Vote(stop="all"), deadline=0.3, budget=budget)
    failing = Ensemble([names[3]], budget=budget)
    before = len(asyncio.all_tasks())

    async def one(at: int) -> None:
        task = asyncio.ensure_future((settled, late, failing, settled)[at % 4].run("Go", Number))
        if at % 4 == 3:
            await asyncio.sleep(0.01)
            task.cancel()
        with contextlib.suppress(AllProcessorsFailed, DeadlineExceeded, asyncio.CancelledError):
            await task

    await asyncio.gather(*(one(at) for at in range(80)))
    await server.until_idle()
    assert budget.reserved.calls == 0
    assert len(asyncio.all_tasks()) <= before + 1  # LiteLLM's logging worker


# -- together -------------------------------------------------------------------------------------------------------


def test_a_gate_before_a_rate() -> None:
    """Whoever waits for a place among the processor's requests has no turn yet, so that turns never come in a heap."""
    clocked = Clocked()
    processor = Processor("m/0", rate_limit=RateLimit(requests=5, per=1), max_concurrency=5, retry=ONCE)

    async def slow_first(call: ModelCall[Any]) -> int:
        clocked.starts.append((asyncio.get_running_loop().time(), call.model))
        await asyncio.sleep(5 if len(clocked.starts) <= 5 else 0.05)
        return 1

    ensemble = Ensemble([processor], client=FunctionClient(slow_first))

    async def main() -> None:
        await asyncio.gather(*(ensemble.run("Go", int) for _ in range(30)))

    run_virtual(main())
    assert clocked.busiest(1) == 5


def test_what_no_budget_holds_does_not_wait() -> None:
    """A refusal takes no turn from those who have the money."""
    clocked = Clocked()
    limit = RateLimit(requests=1, per=60)
    poor = Ensemble([Processor("m/a", rate_limit=limit, retry=ONCE)], client=clocked.client, budget=Budget(calls=1))
    rich = Ensemble([Processor("m/b", rate_limit=limit, retry=ONCE)], client=clocked.client)

    async def main() -> float:
        await poor.run("Go", int)
        for _ in range(5):
            with pytest.raises(BudgetExceeded):
                await poor.run("Go", int)
        await rich.run("Go", int)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(60, abs=1)


def test_nobody_is_asked_when_time_is_up() -> None:
    """The deadline of a failover that hangs is no reason to pay all the others."""

    async def hang(call: ModelCall[Any]) -> int:
        del call
        await asyncio.sleep(1000)
        return 1

    client = FunctionClient(hang)
    ensemble = Ensemble(["m/1", "m/2", "m/3"], First(), client=client, deadline=2)

    async def main() -> None:
        with pytest.raises(DeadlineExceeded):
            await ensemble.run("Go", int)

    run_virtual(main())
    assert [call.model for call in client.calls] == ["m/1"]
