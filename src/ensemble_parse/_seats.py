"""A processor asked for candidates: what one request asks of it, and what comes of it."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._errors import BudgetExceeded, InvalidOutput, ProcessorError, ProcessorTimeout, ProviderError
from ensemble_parse._models import Attempt, Candidate, T
from ensemble_parse._telemetry import asking

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence

    from ensemble_parse._client._protocol import Client, Fit
    from ensemble_parse._format import Parsed
    from ensemble_parse._models import Message, Request
    from ensemble_parse._processor import Processor

_BUSY: Final = frozenset({409, 425, 429})  # it is there, and says no for now
_FAILED: Final = frozenset({ProviderError.__name__, ProcessorTimeout.__name__})
_FAIR: Final = 1.0  # seconds; a vendor that had less before the deadline may be there all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one processor made of a request.

    Attributes:
        candidates: its valid answers.
        errors: why there is none, or one for each sample that is missing.
    """

    candidates: tuple[Candidate[Any], ...] = ()
    errors: tuple[ProcessorError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Seat:
    """What one request asks of one processor; seats are sorted by trust.

    Attributes:
        position: the processor's place in the order of trust.
        sample: the number of its first sample.
        n: how many samples the request asks for.
        name: the processor's.
        model: the model string.
        weight: of each candidate.
        alone: whether it is the processor's only sample.
        earlier: how many samples processors before it take of the same model with the same settings.
    """

    position: int
    sample: int = 0
    n: int = field(default=1, compare=False)
    name: str = field(compare=False)
    model: str = field(compare=False)
    weight: float = field(default=1.0, compare=False)
    alone: bool = field(default=True, compare=False)
    earlier: int = field(default=0, compare=False)


def seats(processors: Sequence[Processor], fits: Sequence[Fit], *, together: bool = True) -> list[Seat]:
    """Make a request of all samples of a processor where its vendor takes ``n``, else one of each.

    Args:
        processors: in order of trust.
        fits: what the client said of each.
        together: whether samples may share a request; with a prompt of its own for each they cannot.
    """
    found: list[Seat] = []
    for position, (processor, fit) in enumerate(zip(processors, fits, strict=True)):
        at_once = processor.n if together and fit.together else 1
        settings = (processor.model, processor.mode, processor.params)
        earlier = sum(each.n for each in processors[:position] if (each.model, each.mode, each.params) == settings)
        found += [
            Seat(
                position=position,
                sample=sample,
                n=at_once,
                name=processor.name or fit.model,
                model=fit.model,
                weight=processor.weight,
                alone=processor.n == 1,
                earlier=earlier,
            )
            for sample in range(0, processor.n, at_once)
        ]
    return found


async def run(
    processor: Processor,
    request: Request[T],
    client: Client,
    ledger: list[Attempt],
    seat: Seat,
    *,
    always: bool = False,
) -> Answered:
    """Ask one processor; its failure is a value.

    Args:
        processor: who is asked.
        request: what.
        client: how models are reached.
        ledger: takes every attempt, also those of a call that is cancelled.
        seat: for which of its samples.
        always: whether to ask it even while it rests.
    """
    clock = asyncio.get_running_loop().time
    let_through = clock()
    if not always and not processor.availability.may_ask(let_through):
        message = f"{seat.name}: not asked; it could not be reached less than rest={processor.rest:g} s ago"
        return Answered(errors=(ProviderError(message, processor=seat.name, retryable=True),))
    try:
        answered = await _asked(processor, request, client, ledger, seat)
    except BaseException:
        processor.availability.cancelled(let_through)
        raise
    if answered.candidates:
        processor.availability.answered(clock())
    elif all(map(_unreached, answered.errors)):
        processor.availability.failed(let_through, clock())
    elif all(map(_unknown, answered.errors)):
        processor.availability.cancelled(let_through)
    else:
        processor.availability.answered(clock())
    return answered


def _unreached(error: ProcessorError) -> bool:
    """Whether nobody was there: no answer in time, no connection, or a server that is out of order."""
    if isinstance(error, ProcessorTimeout) and error.cut_off:
        last = _last(error)
        if last is None or last.error == "Cancelled":
            return last is not None and last.seconds >= _FAIR
        return last.error in _FAILED and last.status_code not in _BUSY  # it was to be tried again
    if isinstance(error, ProviderError):
        return error.retryable and error.status_code not in _BUSY
    return isinstance(error, ProcessorTimeout)


def _unknown(error: ProcessorError) -> bool:
    """Whether it says nothing about the vendor: nothing was sent, or it was cut off before there could be an answer."""
    if isinstance(error, ProcessorTimeout) and error.cut_off:
        last = _last(error)
        return last is None or last.error == "Cancelled"
    return isinstance(error, BudgetExceeded)


def _last(error: ProcessorError) -> Attempt | None:
    return error.attempts[-1] if error.attempts else None


async def _asked(
    processor: Processor, request: Request[T], client: Client, ledger: list[Attempt], seat: Seat
) -> Answered:
    started = time.perf_counter()
    mine: list[Attempt] = []
    candidates: list[Candidate[T]] = []
    errors: list[ProcessorError] = []

    async def ask(sample: int, n: int) -> None:
        call = processor.call(request, mine, n=n, sample=seat.earlier + sample)
        messages = with_examples(request, seed=f"{seat.position}.{sample}")
        try:
            reply = await client.ask(replace(call, messages=messages))
        except ProcessorError as error:
            # A value needs no traceback: its frames would keep the request, with the key, as long as the result lives.
            errors.append(error.with_traceback(None))
            return
        seconds = time.perf_counter() - started
        for number, answer in enumerate(reply.answers, sample):
            candidates.append(as_candidate(seat, number, answer, seconds))
        errors.extend(reply.errors)
        given = len(reply.answers) + len(reply.errors)
        if not given:
            message = f"{seat.name}: the client's reply holds no answer and no error; it must hold at least one of them"
            errors.append(InvalidOutput(message, processor=seat.name))
            return
        await _all(ask(each, 1) for each in range(sample + given, sample + n))  # it took ``n``, and gave fewer

    # Here as well as over all processors, so that the samples that are there by then are not lost.
    limit = asyncio.timeout_at(request.deadline)
    with asking(seat, mine, candidates, errors):
        try:
            async with limit:
                await ask(seat.sample, seat.n)
        except TimeoutError:
            if not limit.expired():
                raise
            missing = max(1, seat.n - len(candidates) - len(errors))
            errors.extend(ProcessorTimeout.by_deadline(seat.name) for _ in range(missing))
        finally:
            ledger.extend(mine)
    for error in errors:
        error.attempts = tuple(mine)
    return Answered(candidates=tuple(sorted(candidates, key=lambda each: each.sample)), errors=tuple(errors))


def as_candidate(seat: Seat, sample: int, answer: Parsed[T], seconds: float) -> Candidate[T]:
    """Make an answer a candidate of whoever gave it."""
    return Candidate(
        name=seat.name if seat.alone else f"{seat.name}#{sample + 1}",
        processor=seat.name,
        position=seat.position,
        sample=sample,
        model=seat.model,
        output=answer.value,
        weight=seat.weight,
        reasoning=answer.reasoning,
        text=answer.text,
        repaired=answer.repaired,
        seconds=seconds,
    )


def with_examples(request: Request[T], *, seed: str) -> Sequence[Message]:
    """Put the few-shot turns behind the system messages, in an order of this seed's own."""
    if not request.examples:
        return request.messages
    examples = list(request.examples)
    if request.shuffle_examples:
        random.Random(seed).shuffle(examples)  # noqa: S311 - an order, not a secret
    head = 0
    while head < len(request.messages) and request.messages[head].get("role") in {"system", "developer"}:
        head += 1
    turns = [turn for example in examples for turn in example]
    return [*request.messages[:head], *turns, *request.messages[head:]]


async def _all(asking: Iterable[Coroutine[Any, Any, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for each in asking:
                group.create_task(each)
    except BaseExceptionGroup as bugs:
        # What one sample raises is raised as it is, however many samples there are.
        raise bugs.exceptions[0] from None
