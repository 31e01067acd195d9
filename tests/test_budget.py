"""What may be spent: no limit is ever passed, nothing stays reserved, and a refusal says what to do."""

from __future__ import annotations

import asyncio
import pickle
import random
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble_parse import (
    Budget,
    BudgetExceeded,
    ConfigurationError,
    Ensemble,
    ModelCall,
    ProcessorError,
    Result,
    Spending,
)
from ensemble_parse.testing import FunctionClient
from tests.virtual import run_virtual

NOTHING = Spending()
ONE = Spending(usd=0.1, tokens=100, calls=1)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({}, "at least one limit"),
        ({"usd": 0}, "usd=0"),
        ({"usd": -1.0}, "usd=-1.0"),
        ({"usd": float("inf")}, "usd=inf"),
        ({"usd": float("nan")}, "usd=nan"),
        ({"usd": "5"}, "usd='5'"),
        ({"usd": True}, "usd=True"),
        ({"tokens": 1.5}, "tokens=1.5"),
        ({"tokens": 0}, "tokens=0"),
        ({"calls": -3}, "calls=-3"),
        ({"usd": 1, "unknown_price": "ignore"}, "unknown_price='ignore'"),
    ],
)
def test_limits_that_cannot_be(limits: dict[str, Any], says: str) -> None:
    """A limit is a positive finite number, there is at least one, and the message names what was given."""
    with pytest.raises(ConfigurationError, match=says):
        Budget(**limits)


@pytest.mark.parametrize(
    "amount", [{"usd": -0.1}, {"usd": float("nan")}, {"usd": float("inf")}, {"tokens": -1}, {"calls": 0.5}]
)
def test_amounts_that_cannot_be(amount: dict[str, Any]) -> None:
    """A price that is no number would switch every limit off."""
    with pytest.raises(ConfigurationError, match=next(iter(amount))):
        Spending(**amount)


def test_spending_adds_up() -> None:
    """Sums of dollars are exact, and an unknown price is counted, once for each of its requests."""
    assert Spending(usd=0.1) + Spending(usd=0.2) == Spending(usd=0.3)
    assert sum([ONE] * 10, NOTHING) - ONE == Spending(usd=0.9, tokens=900, calls=9)
    assert Spending(usd=None, calls=3).unpriced == 3
    assert Spending(usd=None).unpriced == 1
    assert Spending(usd=None, calls=1) + ONE == Spending(usd=0.1, tokens=100, calls=2, unpriced=1)
    assert pickle.loads(pickle.dumps(ONE)) == ONE


def test_a_reservation_is_held_then_settled() -> None:
    """What is reserved is not left for others; what was not used of it is."""
    budget = Budget(usd=0.3, tokens=1000, calls=5)
    reservation = budget.reserve(Spending(usd=0.2, tokens=800, calls=1))
    assert budget.reserved == Spending(usd=0.2, tokens=800, calls=1)
    assert budget.left == {"usd": 0.1, "tokens": 200, "calls": 4}
    reservation.settle(ONE)
    assert (budget.spent, budget.reserved) == (ONE, NOTHING)
    assert budget.left == {"usd": 0.2, "tokens": 900, "calls": 4}
    assert repr(budget) == "Budget(usd=0.1 of 0.3, tokens=100 of 1000, calls=1 of 5)"


def test_a_budget_can_be_spent_to_the_last_cent() -> None:
    """Three times 0.1 is 0.3, and not a cent more."""
    budget = Budget(usd=0.3)
    for _ in range(3):
        budget.reserve(ONE).settle(ONE)
    assert budget.left == {"usd": 0}
    with pytest.raises(BudgetExceeded):
        budget.reserve(Spending(usd=0.000001))


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"usd": 0.25}, r"Budget\(usd=0.25\) would be passed: 0.1 spent, 0.1 reserved .* needs 0.1 .* max_tokens"),
        ({"tokens": 299}, r"Budget\(tokens=299\) would be passed: 100 spent, 100 reserved .* needs 100 .* max_tokens"),
        ({"calls": 2}, r"Budget\(calls=2\) would be passed: 1 spent, 1 reserved .* needs 1 at worst; raise the limit$"),
    ],
)
def test_what_would_pass_a_limit_is_refused(limits: dict[str, Any], says: str) -> None:
    """The message has the limit, what is gone, what is needed and what to do; nothing is set aside for the refused."""
    budget = Budget(**limits)
    budget.reserve(ONE).settle(ONE)
    held = budget.reserve(ONE)
    with pytest.raises(BudgetExceeded, match=says) as refused:
        budget.reserve(ONE, processor="a/1")
    assert str(refused.value).startswith("a/1: Budget(")
    assert (refused.value.processor, refused.value.spent, refused.value.needed) == ("a/1", ONE, ONE)
    assert isinstance(refused.value, ProcessorError)
    assert not refused.value.retryable
    assert budget.reserved == ONE
    held.release()
    budget.reserve(ONE)  # what was given back can be reserved again


def test_unknown_prices() -> None:
    """With a limit in dollars they are refused, or allowed and noted; without one they do no harm."""
    unknown = Spending(usd=None, tokens=50, calls=1)
    with pytest.raises(BudgetExceeded, match=r"^its price is unknown, .* unknown_price='allow'"):
        Budget(usd=1).reserve(unknown)
    for budget in (Budget(usd=1, unknown_price="allow"), Budget(tokens=100)):
        budget.reserve(unknown).settle(unknown)
        assert budget.spent == Spending(tokens=50, calls=1, unpriced=1)


def test_what_nobody_knows_costs_the_worst() -> None:
    """A request that was cut off is charged in full; one whose price alone is unknown, at the worst price."""
    budget = Budget(usd=1)
    budget.reserve(ONE).settle()
    assert budget.spent == ONE
    budget.reserve(ONE).settle(Spending(usd=None, tokens=10, calls=1))
    assert budget.spent == Spending(usd=0.2, tokens=110, calls=2, unpriced=1)


def test_a_reservation_ends_once() -> None:
    """Settled twice, or released after it, it is charged once; and what was given back is not charged."""
    budget = Budget(usd=1)
    settled, released = budget.reserve(ONE), budget.reserve(ONE)
    for _ in range(2):
        settled.settle(ONE)
        released.release()
    settled.release()
    released.settle()
    assert (budget.spent, budget.reserved) == (ONE, NOTHING)


def test_more_than_the_worst_case_is_told() -> None:
    """What a vendor bills beyond its own limit has been spent: it is charged, and only free requests pass."""
    budget = Budget(usd=0.15)
    budget.reserve(ONE).settle(Spending(usd=0.5, tokens=100, calls=1))
    assert budget.spent.usd == 0.5
    assert budget.left == {"usd": 0}
    budget.reserve(Spending(tokens=100, calls=1))
    with pytest.raises(BudgetExceeded):
        budget.reserve(ONE)


def ask(budget: Budget) -> Result[int]:
    """Ask a client that keeps the budget before it answers."""

    def answer(call: ModelCall[Any]) -> int:
        with budget.reserve(ONE, processor=call.processor) as reservation:
            reservation.settle(ONE)
        return 4

    return Ensemble(["a/1", "b/2", "c/3"], client=FunctionClient(answer)).run_sync("2 + 2", int)


def test_it_is_a_processors_failure() -> None:
    """An ensemble answers with those that were within the budget, and the error survives pickle and storage."""
    result = ask(Budget(calls=2))
    (error,) = result.errors
    assert result.output == 4
    assert isinstance(error, BudgetExceeded)
    assert (error.spent, error.needed) == (ONE + ONE, ONE)
    for copy in (pickle.loads(pickle.dumps(error)), Result.from_dict(result.to_dict(), int).errors[0]):
        assert copy == error
        assert (copy.spent, copy.needed) == (ONE + ONE, ONE)
    assert BudgetExceeded("another") != error


REQUESTS = st.tuples(
    st.floats(0, 0.4),  # dollars at worst
    st.integers(0, 400),  # tokens at worst
    st.sampled_from(["settle", "release", "worst", "raise", "cancel", "twice"]),
    st.floats(0, 1),  # how much of the worst case it costs
    st.floats(0, 3),  # when it is sent
    st.floats(0, 3),  # how long it takes
)
LIMITS = st.fixed_dictionaries(
    {"usd": st.none() | st.floats(0.01, 1), "tokens": st.none() | st.integers(1, 900), "calls": st.integers(1, 12)}
)


@settings(max_examples=500)
@given(limits=LIMITS, requests=st.lists(REQUESTS, max_size=25))
def test_concurrent_calls_keep_it(limits: dict[str, Any], requests: list[Any]) -> None:
    """However requests overlap and end, also by an error or a cancellation: within the limits, and nothing is left."""
    budget = Budget(**limits)
    charged: list[Spending] = []

    def within() -> bool:
        taken = budget.spent + budget.reserved
        return all(limit is None or getattr(taken, name) <= limit for name, limit in limits.items())

    async def request(usd: float, tokens: int, end: str, part: float, at: float, seconds: float) -> None:
        await asyncio.sleep(at)
        worst = Spending(usd=usd, tokens=tokens, calls=1)
        actual = Spending(usd=usd * part, tokens=int(tokens * part), calls=1)
        with budget.reserve(worst) as reservation:
            charged.append(NOTHING if end == "release" else actual if end in {"settle", "twice"} else worst)
            assert within()
            await asyncio.sleep(seconds)
            if end == "raise":
                raise ConnectionError
            if end in {"settle", "twice"}:
                reservation.settle(actual)
            if end == "twice":
                reservation.settle(worst)
            if end == "release":
                reservation.release()
        assert within()

    async def main() -> list[BaseException | None]:
        tasks = [asyncio.create_task(request(*each)) for each in requests]
        for task, (_, _, end, part, at, seconds) in zip(tasks, requests, strict=True):
            if end == "cancel":
                asyncio.get_running_loop().call_at(at + seconds * part * 0.99, task.cancel)
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended = run_virtual(main())
    assert {type(each) for each in ended if each} <= {BudgetExceeded, ConnectionError, asyncio.CancelledError}
    assert budget.reserved == NOTHING
    assert budget.spent == sum(charged, NOTHING)
    assert within()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_threads_keep_it(seed: int) -> None:
    """Eight threads that spend as fast as they can: never beyond a limit, and the sum is what each of them was told."""
    budget = Budget(usd=3, tokens=9000, calls=150)
    passed: list[Spending] = []
    charged: list[Spending] = []

    def spend(number: int) -> None:
        dice = random.Random(seed + number)  # noqa: S311 - a schedule, not a secret
        for _ in range(60):
            worst = Spending(usd=dice.random() / 10, tokens=dice.randrange(200), calls=1)
            try:
                reservation = budget.reserve(worst)
            except BudgetExceeded:
                continue
            taken = budget.spent + budget.reserved
            if taken.usd > 3 or taken.tokens > 9000 or taken.calls > 150:
                passed.append(taken)
            if dice.random() < 0.3:
                reservation.release()
            else:
                charged.append(Spending(usd=worst.usd * dice.random(), tokens=worst.tokens, calls=1))
                reservation.settle(charged[-1])

    threads = [threading.Thread(target=spend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert passed == []
    assert budget.reserved == NOTHING
    assert budget.spent == sum(charged, NOTHING)
