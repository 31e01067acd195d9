"""One model with its settings."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from ensemble_parse._client._protocol import Gate, ModelCall
from ensemble_parse._consensus._paths import one_of
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._limits import RateLimit, Rest
from ensemble_parse._models import Attempt, Event, Mode, T
from ensemble_parse._retry import RetryPolicy, is_positive, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tenacity import AsyncRetrying

    from ensemble_parse._models import Request

_TAKEN = frozenset(
    {
        *("messages", "n", "response_format", "response_model", "stream", "num_retries", "max_retries", "timeout"),
        *("judge", "retries", "attempts", "reasks", "concurrency"),
        # Settings of this library in the wrong place: a vendor would refuse them, or ignore them.
        *("deadline", "decision_maker", "min_candidates", "processors", "shuffle_examples", "strict"),
        *("max_concurrency", "mode", "rate_limit", "rest", "retry", "weight", "examples", "pass_reasoning"),
        *("budget", "pace", "rules", "cache", "weights", "arbiter"),
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
        ("deadline", "decision_maker", "min_candidates", "pace", "processors", "shuffle_examples", "strict"),
        "give it to Ensemble",
    ),
    "budget": "give it to Ensemble, or to run() or parse()",
    "concurrency": "give it to map() or batch(), or max_concurrency= to a Processor",
    "rules": "use Ensemble(decision_maker=Vote(rules=...)), or Annotated in the type",
    "cache": "use Ensemble(client=Cache(...))",
    "weights": "use Processor(weight=...)",
    "arbiter": "use Ensemble(decision_maker=...)",
    **dict.fromkeys(("max_concurrency", "mode", "rate_limit", "rest", "retry", "weight"), "give it to a Processor"),
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
        rate_limit: requests and tokens in a period, over all processors that are given the same ``RateLimit``.
        rest: seconds for which it is not asked after it could not be reached while nobody else's call to it was
            answered; 0 asks it every time. If all processors of an ensemble rest, all are asked.
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
    rate_limit: RateLimit | None
    rest: float
    name: str | None
    # Keys are among the parameters, and a repr ends up in logs.
    params: Mapping[str, Any] = field(repr=False)
    _gate: Gate | None = field(repr=False, compare=False)
    _rest: Rest = field(repr=False, compare=False)

    def __init__(
        self,
        model: str | None = None,
        *,
        n: int = 1,
        weight: float = 1.0,
        retry: RetryPolicy | AsyncRetrying | None = None,
        mode: Mode = "auto",
        max_concurrency: int | None = None,
        rate_limit: RateLimit | None = None,
        rest: float = 30.0,
        name: str | None = None,
        **params: Any,
    ) -> None:
        """Check and keep the settings."""
        who = f"Processor({model!r})"
        _check(model is None or is_text(model), f"{who}: give a LiteLLM model string, such as 'openai/gpt-5-mini'")
        _check(name is None or is_text(name), f"{who}: name={name!r}; give a text")
        _check(is_whole(n, least=1), f"{who}: n={n!r}; give a whole number, 1 or more")
        _check(is_positive(weight), f"{who}: weight={weight!r}; give more than 0, or leave the processor out")
        _check(mode in get_args(Mode), f"{who}: mode={mode!r}; {one_of(mode, get_args(Mode))}")
        limit = max_concurrency
        _check(limit is None or is_whole(limit, least=1), f"{who}: max_concurrency={limit!r}; give 1 or more, or None")
        _check(
            rate_limit is None or isinstance(rate_limit, RateLimit),
            f"{who}: rate_limit={rate_limit!r}; give a RateLimit, such as RateLimit(requests=500), or None",
        )
        _check(rest == 0 or is_positive(rest), f"{who}: rest={rest!r}; give seconds, 0 or more")
        check_params(params, who, ("model", "weight", "retry", "mode", "max_concurrency", "rate_limit", "rest", "name"))
        values = {
            "model": model,
            "n": n,
            "weight": float(weight),
            "retry": RetryPolicy.of(retry),
            "mode": mode,
            "max_concurrency": max_concurrency,
            "rate_limit": rate_limit,
            "rest": rest,
            "name": name,
            "params": params,
            "_gate": Gate(max_concurrency) if max_concurrency else None,
            "_rest": Rest(rest),
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
            rate_limit=self.rate_limit,
            budgets=request.budgets,
            deadline=request.deadline,
            strict=request.strict,
            retried=lambda error: request.tell(Event(kind="retried", processor=error.processor, error=error)),
        )

    @property
    def availability(self) -> Rest:
        """Whether it is left alone for now, because it could not be reached; shared by all copies."""
        return self._rest


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
    return _but(processor, name=name)


def restless(processor: Processor) -> Processor:
    """The same processor, asked every time: for where its answers are there already."""
    return _but(processor, rest=0.0, _rest=Rest(0.0))


def _but(processor: Processor, **changed: Any) -> Processor:
    copy = object.__new__(Processor)
    for slot in Processor.__slots__:
        object.__setattr__(copy, slot, changed.get(slot, getattr(processor, slot)))
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
