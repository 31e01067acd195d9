"""When a processor may be asked: a rate that no period exceeds, and a rest after it could not be reached."""

from __future__ import annotations

import asyncio
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ensemble_parse import ConfigurationError, RateLimit
from ensemble_parse._limits import Rest, Turn
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Sequence

PER = 10.0


def about(seconds: Any) -> Any:
    """Compare moments: waiting ends a little later than it must, and never earlier."""
    return pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({}, "at least one limit"),
        ({"per": 30}, "at least one limit"),
        ({"requests": 0}, "requests=0"),
        ({"requests": 1.5}, "requests=1.5"),
        ({"tokens": True}, "tokens=True"),
        ({"tokens": 5, "per": 0}, "per=0"),
        ({"tokens": 5, "per": math.inf}, "per=inf"),
    ],
)
def test_limits_that_cannot_be(limits: dict[str, Any], says: str) -> None:
    """A limit is a positive number, there is at least one, and the message names what was given."""
    with pytest.raises(ConfigurationError, match=says):
        RateLimit(**limits)


def test_it_shows_its_limits() -> None:
    """What stands in a log is how it was built."""
    assert repr(RateLimit(requests=5, per=PER)) == "RateLimit(requests=5, tokens=None, per=10.0)"


@dataclass(frozen=True)
class Job:
    """A request of a schedule: when it comes, what it needs, how long it takes and how it ends."""

    at: float
    tokens: int = 0
    seconds: float = 0.0
    part: float = 1.0
    end: str = "answer"  # or "silence", "429", "429 now", "429 later"; and "cancel", while it waits

    async def run(self, limit: RateLimit, order: list[Job]) -> Turn:
        """Wait for the turn, and report how it ended."""
        await asyncio.sleep(self.at)
        order.append(self)
        turn = await limit.acquire(self.tokens)
        await asyncio.sleep(self.seconds)
        if self.end == "answer":
            limit.settle(turn, int(self.tokens * self.part))
        elif self.end.startswith("429"):
            limit.slow_down(turn, {"429": None, "429 now": 0, "429 later": 7.0}[self.end])
        return turn


TIMES = st.integers(0, 30).map(float) | st.floats(0, 30).map(lambda each: round(each, 2))  # whole ones meet more often
JOBS = st.builds(Job, at=TIMES, tokens=st.integers(0, 12), seconds=TIMES, part=st.floats(0, 1))
ENDS = st.sampled_from(["answer", "answer", "silence", "429", "429 now", "429 later", "cancel"])
MIXED = st.builds(Job, at=TIMES, tokens=st.integers(0, 12), seconds=TIMES, part=st.floats(0, 1), end=ENDS)
LIMITS = st.sampled_from([{"requests": 3}, {"tokens": 10}, {"requests": 1, "tokens": 10}, {"requests": 4, "tokens": 9}])


def check(turns: Sequence[Turn], limits: dict[str, int], per: float = PER) -> None:
    """Check every period that begins with a start; any other period holds no more than one of these."""
    ordered = sorted(turns, key=lambda turn: turn.started)
    for turn in ordered:
        period = [each for each in ordered if turn.started <= each.started < turn.started + per]
        assert len(period) <= limits.get("requests", math.inf)
        tokens = [each.tokens for each in period if each.tokens]
        assert sum(tokens) <= limits.get("tokens", math.inf) or len(tokens) == 1


@settings(max_examples=500)
@given(limits=LIMITS, jobs=st.lists(MIXED, max_size=20), others=st.lists(MIXED, max_size=20))
def test_no_period_has_too_many(limits: dict[str, int], jobs: list[Job], others: list[Job]) -> None:
    """Two ensembles' requests, some cancelled, some turned down: the limit holds, and all others go, in their order."""
    limit = RateLimit(**limits, per=PER)

    async def main() -> tuple[list[Job], dict[Job, list[Turn]]]:
        order: list[Job] = []
        turns: dict[Job, list[Turn]] = {}

        async def one(job: Job) -> None:
            task = asyncio.create_task(job.run(limit, order))
            if job.end == "cancel":
                # Some are cancelled before they come, some in the queue, some when they have long begun.
                asyncio.get_running_loop().call_later(job.at + job.seconds * job.part, task.cancel)
            await asyncio.wait([task])
            if not task.cancelled():
                turns.setdefault(job, []).append(task.result())

        async def ensemble(jobs: list[Job]) -> None:
            await asyncio.gather(*map(one, jobs))

        await asyncio.gather(ensemble(jobs), ensemble(others))
        return order, turns

    order, turns = run_virtual(main())
    started = [turn for each in turns.values() for turn in each]
    check(started, limits)
    assert len(started) >= sum(job.end != "cancel" for job in jobs + others)
    assert limit.waiting == 0
    begun = [min(turn.started for turn in turns[job]) for job in dict.fromkeys(order) if job in turns]
    assert begun == sorted(begun)


@settings(max_examples=500)
@given(limits=LIMITS, jobs=st.lists(JOBS, max_size=15, unique_by=lambda job: job.at))
@example(limits={"tokens": 10}, jobs=[Job(0, 12), Job(1, 1), Job(2, 12)])
def test_nobody_waits_longer_than_needed(limits: dict[str, int], jobs: list[Job]) -> None:
    """Each starts at the first moment at which the limit and those before it allow, found by trying all moments."""
    limit = RateLimit(**limits, per=PER)
    jobs = sorted(jobs, key=lambda job: job.at)
    most_tokens = limits.get("tokens", math.inf)

    async def one(job: Job) -> float:
        await asyncio.sleep(job.at)
        return (await limit.acquire(job.tokens)).started

    async def main() -> list[float]:
        return await asyncio.gather(*map(one, jobs))

    wanted: list[tuple[float, int]] = []
    for job in jobs:
        soonest = max([job.at, *(start for start, _ in wanted)])
        for moment in sorted([soonest, *(start + PER for start, _ in wanted if start + PER > soonest)]):
            period = [tokens for start, tokens in wanted if start + PER > moment]
            room = len(period) < limits.get("requests", math.inf)
            if room and sum(period) + min(job.tokens, most_tokens) <= most_tokens:
                wanted.append((moment, job.tokens))
                break
    assert run_virtual(main()) == about([start for start, _ in wanted])


def test_a_request_larger_than_the_limit_goes_alone() -> None:
    """It waits until nothing else counts, and the next waits until it counts no more."""

    async def main() -> list[float]:
        limit = RateLimit(tokens=100, per=PER)
        return [(await limit.acquire(tokens)).started for tokens in (1, 500, 1)]

    assert run_virtual(main()) == about([0, PER, 2 * PER])


def test_what_was_not_used_lets_the_next_one_in_at_once() -> None:
    """Waiting ends when tokens are given back, not only when a start falls out of the period."""

    async def main() -> tuple[float, float]:
        limit = RateLimit(tokens=100, per=PER)
        first = await limit.acquire(90)
        second = asyncio.create_task(limit.acquire(60))
        await asyncio.sleep(3)
        limit.settle(first, 40)
        third = asyncio.create_task(limit.acquire(1))
        return (await second).started, (await third).started

    assert run_virtual(main()) == about((3, PER))


def test_what_was_used_beyond_is_charged() -> None:
    """A request that used more than expected makes the next one wait; once its period is over, it matters no more."""

    async def main() -> tuple[float, float]:
        limit = RateLimit(tokens=100, per=PER)
        first = await limit.acquire(10)
        limit.settle(first, 95)
        second = await limit.acquire(10)
        limit.settle(first, 1000)
        return second.started, (await limit.acquire(90)).started

    assert run_virtual(main()) == about((PER, PER))


def test_cancelled_at_the_head_of_the_queue() -> None:
    """The one behind takes its place at once, if it needs less."""

    async def main() -> float:
        limit = RateLimit(tokens=100, per=PER)
        await limit.acquire(60)
        large = asyncio.create_task(limit.acquire(50))
        small = asyncio.create_task(limit.acquire(40))
        await asyncio.sleep(1)
        assert limit.waiting == 2
        large.cancel()
        return (await small).started

    assert run_virtual(main()) == 1


@pytest.mark.parametrize(
    ("retry_after", "until"), [(None, 1), (0, 0), (5, 5), (-3, 0), (math.nan, 0), (3600, 60), (math.inf, 60)]
)
def test_a_429_pauses_everybody(retry_after: float | None, until: float) -> None:
    """Whoever waits, or comes, until the vendor's time, goes then; nobody is paused for more than a minute."""

    async def main() -> list[float]:
        limit = RateLimit(requests=100, per=PER)
        limit.slow_down(await limit.acquire(), retry_after)
        return [turn.started for turn in await asyncio.gather(*(limit.acquire() for _ in range(3)))]

    assert run_virtual(main()) == about([until] * 3)


def test_a_429_ends_waiting_for_nobody() -> None:
    """Who was waiting for an earlier moment waits for the later one."""

    async def main() -> float:
        limit = RateLimit(requests=1, per=PER)
        turn = await limit.acquire()
        waiting = asyncio.create_task(limit.acquire())
        await asyncio.sleep(PER - 1)
        limit.slow_down(turn, 30)
        return (await waiting).started

    assert run_virtual(main()) == about(PER - 1 + 30)


def test_one_burst_halves_the_rate_once() -> None:
    """Fifty 429s of requests that were under way together are one piece of news; another one later is another."""

    async def main() -> list[float]:
        limit = RateLimit(requests=64, per=PER)
        turns = [await limit.acquire() for _ in range(50)]
        shares = [limit.share]
        await asyncio.sleep(1)
        for turn in turns:
            limit.slow_down(turn, 2)
            limit.settle(turn, 0)  # an answer to one of them is no news, either
        shares.append(limit.share)
        again = await limit.acquire()
        await asyncio.sleep(1)
        limit.slow_down(again)
        return [*shares, limit.share]

    assert run_virtual(main()) == [1, 0.5, 0.25]


def test_answers_win_the_rate_back() -> None:
    """Half the rate after a 429, then more with every period of answers, and never more than the configured rate."""

    async def main() -> tuple[list[int], list[float]]:
        limit = RateLimit(requests=40, per=PER)
        limit.slow_down(await limit.acquire(), 0)
        await asyncio.sleep(PER)
        began, rates, shares = asyncio.get_running_loop().time(), [], []
        for period in range(1, 6):
            answered = 0
            while asyncio.get_running_loop().time() < began + period * PER - 0.01:
                try:
                    async with asyncio.timeout_at(began + period * PER - 0.01):
                        turn = await limit.acquire()
                except TimeoutError:
                    break
                await asyncio.sleep(0.1)
                limit.settle(turn, 0)
                answered += 1
            rates.append(answered)
            shares.append(limit.share)
        return rates, shares

    rates, shares = run_virtual(main())
    assert 20 <= rates[0] <= 40
    assert rates == sorted(rates)
    assert rates[-1] == 40
    assert 0.5 < shares[0] < 1
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_however_slow_it_still_goes() -> None:
    """After any number of 429s one request goes out in a period, whatever it needs."""

    async def main() -> float:
        limit = RateLimit(requests=5, tokens=100, per=PER)
        for _ in range(20):
            limit.slow_down(await limit.acquire(80), 1)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == about(19 * PER)


@settings(max_examples=100)
@given(jobs=st.lists(JOBS, max_size=15, unique_by=lambda job: job.at), storm=st.lists(TIMES, min_size=1, max_size=15))
def test_a_storm_delays_its_own_vendor_alone(jobs: list[Job], storm: list[float]) -> None:
    """Beside a vendor that turns everything down, another one's requests start when they would have without it."""

    async def main(storm: list[float]) -> list[float]:
        limits = {"requests": 4, "tokens": 30}
        stormy, calm = RateLimit(**limits, per=PER), RateLimit(**limits, per=PER)
        refused = [Job(at, tokens=10, end="429 later").run(stormy, []) for at in storm]
        answered = [asyncio.create_task(job.run(calm, [])) for job in jobs]
        refused_turns = await asyncio.gather(*refused)
        pauses = [turn.started for turn in refused_turns]
        assert not any(start < other < start + 7 for start in pauses for other in pauses)
        return [turn.started for turn in await asyncio.gather(*answered)]

    assert run_virtual(main(storm)) == about(run_virtual(main([])))


def test_threads_share_it() -> None:
    """Event loops of four threads wake each other, and their starts together keep the limit."""
    limits = {"requests": 20, "tokens": 1000}
    limit = RateLimit(**limits, per=0.05)
    turns: list[Turn] = []

    async def one() -> None:
        turn = await limit.acquire(30)
        await asyncio.sleep(0.001)
        limit.settle(turn, 20)
        turns.append(turn)

    async def many() -> None:
        await asyncio.gather(*(one() for _ in range(40)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(turns) == 160
    check(turns, limits, per=0.05)


def test_a_loop_that_is_gone_blocks_nobody() -> None:
    """A request whose event loop was closed while it waited is forgotten, and who comes later gets a turn."""
    limit = RateLimit(requests=1, per=0.05)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # asyncio's word about the task that is destroyed
    loop.run_until_complete(limit.acquire())
    left = loop.create_task(limit.acquire())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert limit.waiting == 1
    del left
    asyncio.run(limit.acquire())
    assert limit.waiting == 0


def test_it_keeps_one_period_only() -> None:
    """Memory does not grow with the number of requests."""

    async def main() -> int:
        limit = RateLimit(requests=10, per=PER)
        for _ in range(5000):
            limit.settle(await limit.acquire(7), 3)
        return len(limit._starts)

    assert run_virtual(main()) <= 10


def test_a_vendor_that_is_down_costs_one_time_out() -> None:
    """One call after another: the first fails, the rest leaves the vendor out, then one probe each rest."""
    rest, now, asked = Rest(30), 0.0, []
    for _ in range(200):
        if rest.may_ask(now):
            asked.append(now)
            now += 5  # the time-out
            rest.failed(asked[-1], now)
        now += 1
    assert asked == [0, 35, 70, 105, 140, 175, 210, 245][: len(asked)]
    assert len(asked) >= 6


def test_it_comes_back() -> None:
    """After the rest one is let through; its answer lets everybody through, its failure begins another rest."""
    rest = Rest(30)
    rest.failed(0, 5)
    assert [rest.may_ask(at) for at in (5, 34.9, 35, 36)] == [False, False, True, False]
    rest.failed(35, 40)
    assert [rest.may_ask(at) for at in (40, 69.9, 70, 71)] == [False, False, True, False]
    rest.answered(72)
    assert all(rest.may_ask(at) for at in (72, 72, 73))


def test_a_slow_request_proves_nothing() -> None:
    """Where others were answered since it began, a failure leaves nobody out; where none was, it does."""
    rest = Rest(30)
    rest.answered(10)
    rest.failed(5, 35)
    assert rest.may_ask(35)
    rest.failed(10, 40)  # it began when the last answer came
    assert not rest.may_ask(40)


def test_calls_that_were_under_way_are_heard() -> None:
    """An answer to an earlier call ends the rest; its failure neither renews it nor frees another's probe."""
    rest = Rest(30)
    rest.failed(0, 5)
    rest.failed(1, 20)
    rest.cancelled(2)
    assert rest.may_ask(35)
    rest.failed(3, 36)
    rest.cancelled(4)
    assert not rest.may_ask(37)
    rest.answered(38)
    assert rest.may_ask(38)


def test_a_probe_that_is_cancelled_is_given_back() -> None:
    """The next one to look is the probe."""
    rest = Rest(30)
    rest.failed(0, 5)
    assert rest.may_ask(35)
    rest.cancelled(35)
    assert [rest.may_ask(36), rest.may_ask(36)] == [True, False]
    rest.cancelled(36)
    rest.answered(37)
    rest.cancelled(38)
    assert rest.may_ask(38)


def test_no_rest() -> None:
    """Zero seconds turn it off."""
    rest = Rest(0)
    rest.failed(0, 5)
    assert rest.may_ask(5)


CALLS = st.lists(
    st.tuples(TIMES, TIMES, st.sampled_from(["answered", "failed", "failed", "cancelled"])), min_size=1, max_size=30
)


@settings(max_examples=500)
@given(calls=CALLS, seconds=st.sampled_from([5.0, 30.0]))
def test_rests_under_concurrency(calls: list[tuple[float, float, str]], seconds: float) -> None:
    """Whatever overlaps: a rest begins only where no answer came since the call began, and has one probe at a time."""
    rest = Rest(seconds)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        answered = began = -math.inf  # the last answer, the last rest
        probed: set[float] = set()  # rests whose probe is under way

        async def one(at: float, takes: float, end: str) -> None:
            nonlocal answered, began
            await asyncio.sleep(at)
            started, mine = loop.time(), began
            resting = began > answered
            due = started >= began + seconds and began not in probed
            assert rest.may_ask(started) == (due or not resting)
            if resting and not due:
                return
            probed.update({mine} if resting else ())
            await asyncio.sleep(takes + 0.001)
            probed.discard(mine if resting else math.nan)
            if end == "answered":
                answered = loop.time()
                rest.answered(answered)
            elif end == "failed":
                rest.failed(started, loop.time())
                if started >= answered and (began <= answered or started > began):
                    began = loop.time()
            else:
                rest.cancelled(started)

        await asyncio.gather(*(one(*call) for call in calls))
        free = loop.time() + seconds
        if rest.may_ask(free):
            rest.answered(free)
        assert rest.may_ask(free)

    run_virtual(main())


def test_threads_share_one_probe() -> None:
    """Of many threads that look after a rest, one is let through."""
    rest = Rest(30)
    rest.failed(0, 5)
    through: list[bool] = []
    threads = [threading.Thread(target=lambda: through.append(rest.may_ask(40))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(through) == 1
