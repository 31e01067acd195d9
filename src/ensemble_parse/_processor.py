"""One model with its settings: how it is asked, and the candidates that come of it."""

from __future__ import annotations

import asyncio
import difflib
import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from ensemble_parse._client._protocol import Gate, ModelCall
from ensemble_parse._errors import ConfigurationError, ProcessorError, ProcessorTimeout
from ensemble_parse._models import Attempt, Candidate, Event, Mode, T
from ensemble_parse._retry import RetryPolicy, is_positive, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from tenacity import AsyncRetrying

    from ensemble_parse._client._protocol import Client, Fit
    from ensemble_parse._format import Parsed
    from ensemble_parse._models import Message, Request

_TAKEN = frozenset(
    {
        *("messages", "n", "response_format", "response_model", "stream", "num_retries", "max_retries", "timeout"),
        *("judge", "retries", "attempts", "reasks"),
        # Settings of this library in the wrong place: a vendor would refuse them, or ignore them.
        *("deadline", "decision_maker", "min_candidates", "processors", "shuffle_examples", "strict"),
        *("max_concurrency", "mode", "retry", "weight", "examples", "pass_reasoning"),
        # LiteLLM's own ways to ask again, which would multiply ours.
        *("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"),
    }
)
# What models are asked with most, to tell a slip of the pen; whatever is far from all of these goes to the vendor.
_MODEL_PARAMETERS = frozenset(
    {
        *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "seed", "stop", "presence_penalty"),
        *("frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "reasoning_effort", "thinking", "verbosity"),
        *("service_tier", "parallel_tool_calls", "tools", "tool_choice", "api_base", "api_key", "api_version"),
        *("extra_headers", "extra_body", "extra_query", "models", "model_id", "user", "metadata"),
    }
)
_HINTS = {
    "judge": "use Ensemble(decision_maker=...)",
    "retries": "use retry=RetryPolicy(attempts=...)",
    "attempts": "use retry=RetryPolicy(attempts=...)",
    "reasks": "use retry=RetryPolicy(reasks=...)",
    "n": "use Processor(n=...), or Ensemble(n) for n samples of the model that the call names",
    "num_retries": "use retry=RetryPolicy(attempts=...)",
    "max_retries": "use retry=RetryPolicy(attempts=..., reasks=...)",
    "timeout": "use retry=RetryPolicy(timeout=...), or deadline= for the whole call",
    "stream": "a typed answer comes whole",
    "fallbacks": "name the other models as processors; First() asks them in turn",
    **dict.fromkeys(
        ("deadline", "decision_maker", "min_candidates", "processors", "shuffle_examples", "strict"),
        "give it to Ensemble",
    ),
    **dict.fromkeys(("max_concurrency", "mode", "retry", "weight"), "give it to a Processor"),
    **dict.fromkeys(("examples", "pass_reasoning"), "give it to run() or parse()"),
}


@dataclass(frozen=True, slots=True, init=False)
class Processor:
    """One model with its settings, weight, retry policy and time limit.

    Attributes:
        model: a LiteLLM model string, or ``None``: the model that the call names.
        n: samples of this model; one request where the vendor takes ``n``.
        weight: of each of its candidates, more than 0.
        retry: tries, time limit and re-asks; a tenacity ``AsyncRetrying`` is copied for every call.
        mode: how structure is asked for; ``"auto"`` looks it up.
        max_concurrency: requests under way at a time, over all calls; ``None`` is no limit.
        name: unique in an ensemble; by default the model, with a number where it stands there twice.
        params: any other keyword: model parameters such as ``temperature``, ``api_base``, ``extra_headers``.

    Raises:
        ConfigurationError: a setting cannot work.

    Examples:
        >>> Processor("anthropic/claude-haiku-4-5", weight=1.2, retry=RetryPolicy(attempts=4, timeout=20)).weight
        1.2
    """

    model: str | None
    n: int
    weight: float
    retry: RetryPolicy
    mode: Mode
    max_concurrency: int | None
    name: str | None
    # Keys are among the parameters, and a repr ends up in logs.
    params: Mapping[str, Any] = field(repr=False)
    _gate: Gate | None = field(repr=False, compare=False)

    def __init__(
        self,
        model: str | None = None,
        *,
        n: int = 1,
        weight: float = 1.0,
        retry: RetryPolicy | AsyncRetrying | None = None,
        mode: Mode = "auto",
        max_concurrency: int | None = None,
        name: str | None = None,
        **params: Any,
    ) -> None:
        """Check and keep the settings."""
        who = f"Processor({model!r})"
        _check(model is None or is_text(model), f"{who}: give a LiteLLM model string, such as 'openai/gpt-5-mini'")
        _check(name is None or is_text(name), f"{who}: name={name!r}; give a text")
        _check(is_whole(n, least=1), f"{who}: n={n!r}; give a whole number, 1 or more")
        _check(is_positive(weight), f"{who}: weight={weight!r}; give more than 0, or leave the processor out")
        _check(mode in get_args(Mode), f"{who}: mode={mode!r}; give one of {', '.join(get_args(Mode))}")
        limit = max_concurrency
        _check(limit is None or is_whole(limit, least=1), f"{who}: max_concurrency={limit!r}; give 1 or more, or None")
        check_params(params, who, ("model", "weight", "retry", "mode", "max_concurrency", "name"))
        values = {
            "model": model,
            "n": n,
            "weight": float(weight),
            "retry": RetryPolicy.of(retry),
            "mode": mode,
            "max_concurrency": max_concurrency,
            "name": name,
            "params": params,
            "_gate": Gate(max_concurrency) if max_concurrency else None,
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def call(self, request: Request[T], ledger: list[Attempt], *, n: int = 1, sample: int = 0) -> ModelCall[T]:
        """Put a request into this processor's words."""
        model = self.model or request.model
        if model is None:
            message = f"processor {self.name!r} has no model, and the call names none: give model= to either"
            raise ConfigurationError(message)
        return ModelCall(
            processor=self.name or model,
            model=model,
            messages=request.messages,
            format=request.format,
            policy=self.retry,
            record=ledger.append,
            n=n,
            sample=sample,
            mode=self.mode,
            params={**request.params, **self.params},
            gate=self._gate,
            deadline=request.deadline,
            strict=request.strict,
            retried=lambda error: request.tell(Event(kind="retried", processor=error.processor, error=error)),
        )


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


async def run(processor: Processor, request: Request[T], client: Client, ledger: list[Attempt], seat: Seat) -> Answered:
    """Ask one processor; its failure is a value.

    Args:
        processor: who is asked.
        request: what.
        client: how models are reached.
        ledger: takes every attempt, also those of a call that is cancelled.
        seat: for which of its samples.
    """
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
            candidates.append(_candidate(seat, number, answer, seconds))
        errors.extend(reply.errors)
        given = len(reply.answers) + len(reply.errors)
        await _all(ask(each, 1) for each in range(sample + given, sample + n))  # it took ``n``, and gave fewer

    # Here as well as over all processors, so that the samples that are there by then are not lost.
    limit = asyncio.timeout_at(request.deadline)
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
    return Answered(candidates=tuple(candidates), errors=tuple(errors))


def _candidate(seat: Seat, sample: int, answer: Parsed[T], seconds: float) -> Candidate[T]:
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


def named(processors: Sequence[Processor]) -> tuple[Processor, ...]:
    """Give every processor a name of its own.

    Raises:
        ConfigurationError: two were given the same.
    """
    given = [processor.name for processor in processors if processor.name]
    twice = {name for name in given if given.count(name) > 1}
    if twice:
        message = f"two processors are called {min(twice)!r}: give each a name of its own"
        raise ConfigurationError(message)
    taken = set(given)
    out: list[Processor] = []
    for processor in processors:
        name = processor.name
        if name is None:
            stem, number = processor.model or "processor", 1
            name = stem
            while name in taken:
                number += 1
                name = f"{stem} ({number})"
            taken.add(name)
        out.append(renamed(processor, name))
    return tuple(out)


def renamed(processor: Processor, name: str) -> Processor:
    """The same processor, and the same gate, under a name."""
    copy = object.__new__(Processor)
    for slot in Processor.__slots__:
        object.__setattr__(copy, slot, getattr(processor, slot))
    object.__setattr__(copy, "name", name)
    return copy


def reweighed(processors: Sequence[Processor], weight: Callable[[str], float]) -> tuple[Processor, ...]:
    """The same processors, each with the weight that goes with its name."""
    out = tuple(renamed(each, each.name or "") for each in processors)
    for each in out:
        object.__setattr__(each, "weight", weight(each.name or ""))
    return out


def check_params(params: Mapping[str, Any], who: str, own: Iterable[str]) -> None:
    """Refuse keywords that this library sets itself, and those that are nearly one of its own.

    Args:
        params: keywords that would go to the models.
        who: whose they are, for the message.
        own: the keywords that are settings there.

    Raises:
        ConfigurationError: with what to use instead.
    """
    for name in params:
        if name in _TAKEN:
            message = f"{who}: {name!r} is no model parameter here; {_HINTS.get(name, 'the library sets it')}"
            raise ConfigurationError(message)
        close = difflib.get_close_matches(name, own, n=1, cutoff=0.8)
        close += difflib.get_close_matches(name, _MODEL_PARAMETERS, n=1, cutoff=0.85)
        if close and name not in _MODEL_PARAMETERS:
            message = f"{who}: there is no setting {name!r}; did you mean {close[0]!r}?"
            raise ConfigurationError(message)


def is_text(value: object) -> bool:
    """Whether a setting is a text that says something."""
    return isinstance(value, str) and bool(value.strip())


def _check(holds: bool, message: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ConfigurationError(message)


async def _all(asking: Iterable[Coroutine[Any, Any, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for each in asking:
                group.create_task(each)
    except BaseExceptionGroup as bugs:
        # What one sample raises is raised as it is, however many samples there are.
        raise bugs.exceptions[0] from None
