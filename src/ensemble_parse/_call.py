"""One call: who is asked, the candidates that come of it, the decision over them, and the result."""

from __future__ import annotations

import asyncio
import inspect
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ensemble_parse._consensus import shape
from ensemble_parse._decision import Case, DecisionMaker, Outstanding, Vote, decided
from ensemble_parse._errors import (
    AllProcessorsFailed,
    BudgetExceeded,
    ConfigurationError,
    DeadlineExceeded,
    DecisionError,
    DegradedResult,
    ProcessorTimeout,
)
from ensemble_parse._estimates import estimated
from ensemble_parse._format import Parsed
from ensemble_parse._models import TRANSPORT, Attempt, Candidate, Cost, Decision, Event, Reason, Request, Result, T
from ensemble_parse._schedule import Patience, Plan, ask_all
from ensemble_parse._seats import as_candidate, run, seats
from ensemble_parse._telemetry import deciding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse._client._protocol import Client, Fit
    from ensemble_parse._errors import ProcessorError
    from ensemble_parse._models import Pace
    from ensemble_parse._processor import Processor
    from ensemble_parse._seats import Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """An ensemble as one call needs it.

    Attributes:
        name: the ensemble's.
        processors: who may be asked, in order of trust.
        maker: decides.
        client: how models are reached.
        pace: who is asked when.
        patience: what was learned of latencies.
        deadline: seconds for the whole call, or ``None``.
        min_candidates: fewer valid answers than this are no result.
        strict: whether a degraded result is an error.
        exhaustive: whether everybody is waited for, whatever the decision maker says.
    """

    name: str
    processors: tuple[Processor, ...]
    maker: DecisionMaker
    client: Client
    pace: Pace
    patience: Patience
    deadline: float | None
    min_candidates: int
    strict: bool
    exhaustive: bool


async def fits(panel: Panel, request: Request[Any]) -> tuple[Fit, ...]:
    """Find out that everybody can be asked, and the answers decided upon, before anybody is.

    Returns:
        For each processor how the request goes to its vendor, then the same for the judges.
    """
    shape(request.format.type, panel.maker.rules if isinstance(panel.maker, Vote) else None)
    judges: Sequence[Processor] = getattr(panel.maker, "processors", ())
    # A judge is given what says where requests go, and no other parameter of the call's.
    params = {name: value for name, value in request.params.items() if name in TRANSPORT}
    judging = replace(request, params=params, strict=False)
    calls = [
        *(each.call(request, [], n=each.n) for each in panel.processors),
        *(each.call(judging, []) for each in judges),
    ]
    return tuple([await panel.client.fit(call) for call in calls])


async def answer(panel: Panel, request: Request[T], started: float) -> Result[T]:
    """Ask the panel, decide, and give everything about it.

    Args:
        panel: the ensemble.
        request: what is asked.
        started: when the call began, by ``time.perf_counter``.
    """
    known = await fits(panel, request)
    if panel.deadline:
        # Counted from here: what a process imports at its first call is no model's time.
        request = replace(request, deadline=asyncio.get_running_loop().time() + panel.deadline)
    case = Case(request=request, client=panel.client, ledger=[])
    candidates, errors = await _candidates(panel, case, known[: len(panel.processors)])
    with deciding(panel.maker) as made:
        decision = await _decision(panel, case, candidates)
        made(decision)
    result = Result(
        output=decision.output,
        decision=decision,
        candidates=candidates,
        errors=errors,
        attempts=tuple(case.ledger),
        reasons=(*_reasons(errors, case.ledger), *decision.reasons),
        seconds=time.perf_counter() - started,
        name=panel.name,
        format=request.format,
    )
    request.tell(Event(kind="decided", result=result))
    if panel.strict and result.reasons:
        why = "; ".join(f"{reason.kind}: {reason.detail}" for reason in result.reasons)
        message = f"the result is degraded, and strict=True: {why}"
        raise DegradedResult(message, result=result)
    return result


async def _candidates(
    panel: Panel, case: Case, known: Sequence[Fit]
) -> tuple[tuple[Candidate[Any], ...], tuple[ProcessorError, ...]]:
    request, ledger = case.request, case.ledger
    permuted = bool(request.examples) and request.shuffle_examples
    places = seats(panel.processors, known, together=not permuted)
    plan = Plan(
        pace=panel.pace,
        fewest=max(panel.min_candidates, _fewest(panel.maker, [each.weight for each in places for _ in range(each.n)])),
        settled=partial(_settled, panel, case),
        hopeless=partial(_hopeless, panel, case),
        patience=panel.patience,
        deadline=request.deadline,
        tell=request.tell,
    )
    now = asyncio.get_running_loop().time()
    nobody = all(each.availability.resting(now) for each in panel.processors)
    answered = await ask_all(
        places,
        lambda seat: run(panel.processors[seat.position], request, panel.client, ledger, seat, always=nobody),
        plan,
    )
    named = {seat.name: panel.processors[seat.position] for seat in places}
    ledger[:] = estimated(ledger, lambda name, usage: panel.client.price(named[name].call(request, []), usage))
    candidates = tuple(candidate for each in answered for candidate in each.candidates)
    errors = tuple(error for each in answered for error in each.errors)
    if len(candidates) < panel.min_candidates:
        raise _too_few(panel, case, candidates, errors)
    return candidates, errors


def _fewest(maker: DecisionMaker, weights: Sequence[float]) -> int:
    if not hasattr(maker, "settled"):
        return len(weights)
    fewest = getattr(maker, "fewest", None)
    return fewest(weights) if fewest else 1


def _settled(
    panel: Panel, case: Case, candidates: Sequence[Candidate[Any]], asked: Sequence[Seat], unasked: Sequence[Seat]
) -> bool:
    """Ask the decision maker whether what may still come could change its decision."""
    settled = getattr(panel.maker, "settled", None)
    if settled is None or panel.exhaustive or len(candidates) < panel.min_candidates:
        return False
    outstanding = Outstanding(
        asked=tuple(seat.position for seat in asked for _ in range(seat.n)),
        unasked=tuple(seat.position for seat in unasked for _ in range(seat.n)),
        weight=sum(seat.weight * seat.n for seat in (*asked, *unasked)),
        case=case,
    )
    enough = settled(candidates, outstanding)
    if not isinstance(enough, bool):
        if inspect.iscoroutine(enough):
            enough.close()
        who = f"{type(panel.maker).__name__}.settled"
        message = f"{who} returned {type(enough).__name__}: it is a plain function, not async, and says True or False"
        raise ConfigurationError(message)
    return enough


def _hopeless(
    panel: Panel, case: Case, candidates: Sequence[Candidate[Any]], asked: Sequence[Seat], unasked: Sequence[Seat]
) -> bool:
    """Whether a vote stays open even if those who are asked say what leads now; of other decision makers none knows."""
    if not isinstance(panel.maker, Vote):
        return False
    leading = Parsed(value=panel.maker.leading(candidates, case), text="")
    agreeing = [as_candidate(seat, seat.sample + at, leading, 0.0) for seat in asked for at in range(seat.n)]
    return not _settled(panel, case, sorted([*candidates, *agreeing], key=_trust), (), unasked)


def _trust(each: Candidate[Any]) -> tuple[int, int]:
    return each.position, each.sample


def _too_few(
    panel: Panel, case: Case, candidates: tuple[Candidate[Any], ...], errors: Sequence[ProcessorError]
) -> Exception:
    """Say why there is nothing to decide upon."""
    attempts = tuple(case.ledger)
    there = f"{len(candidates)} valid answer{'s' if len(candidates) > 1 else ''}"
    if _past(case.request.deadline):
        what = there if candidates else "no processor had answered"
        least = f", and min_candidates={panel.min_candidates}" if candidates else ""
        message = f"{what} within the deadline of {panel.deadline:g} s{least}"
        return DeadlineExceeded(message, candidates=candidates, attempts=attempts)
    if candidates:
        why = "".join(f"\n  {error}" for error in errors)
        message = f"{there}, and min_candidates={panel.min_candidates}:{why}"
        return DecisionError(message, candidates=candidates)
    # Each error's own traceback goes through tenacity, instructor and LiteLLM, and says nothing more.
    bare = [error.with_traceback(None) for error in errors]
    if bare and all(isinstance(error, BudgetExceeded) for error in bare):
        return bare[0]
    return AllProcessorsFailed(bare, attempts)


async def _decision(panel: Panel, case: Case, candidates: tuple[Candidate[Any], ...]) -> Decision[Any]:
    try:
        async with asyncio.timeout_at(case.request.deadline):
            return await decided(panel.maker, candidates, case)
    except TimeoutError:
        if not _past(case.request.deadline):
            raise
    decision = await decided(Vote(), candidates, case)
    late = Reason(kind="deadline", detail="no time was left for the decision maker; the vote decided")
    return replace(decision, reasons=(late, *decision.reasons))


def _past(deadline: float | None) -> bool:
    return deadline is not None and asyncio.get_running_loop().time() >= deadline


def _reasons(errors: Sequence[ProcessorError], ledger: Sequence[Attempt]) -> tuple[Reason, ...]:
    failed = [
        Reason(
            kind="deadline" if isinstance(error, ProcessorTimeout) and error.cut_off else "processor failed",
            detail=str(error),
            processor=error.processor,
        )
        for error in errors
    ]
    dropped = {(attempt.processor, name) for attempt in ledger for name in attempt.dropped}
    parameters = [
        Reason(kind="dropped parameter", detail=f"{who}: its vendor does not take {name!r}", processor=who)
        for who, name in sorted(dropped)
    ]
    # What a request cost that was cut off because it made no difference is not known, and nothing is the matter.
    counted = [attempt for attempt in ledger if attempt.error != "Cancelled"]
    unpriced = [who for who, cost in Cost.of(counted).processors.items() if cost is None]
    answered = {attempt.processor for attempt in ledger if attempt.error is None and attempt.cost is None}
    prices = [
        Reason(
            kind="price unknown",
            detail=f"{who}: {'its model has no known price' if who in answered else 'a request of it was cut off'}",
            processor=who,
        )
        for who in unpriced
    ]
    return (*failed, *parameters, *prices)
