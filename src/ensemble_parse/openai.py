"""The face of an OpenAI client: ``chat.completions.parse`` with the whole ensemble behind it.

A call site keeps its arguments, its ``completion.choices[0].message.parsed`` and its ``except openai.RateLimitError``:

    >>> from ensemble_parse import Ensemble
    >>> client = Ensemble(["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"])
    >>> messages = [{"role": "user", "content": "What is the capital of France?"}]
    >>> completion = await client.chat.completions.parse(model="gpt-4o", messages=messages, response_format=str)
    >>> type(completion.choices[0].message.parsed)
    <class 'str'>

For code that does not await there is ``client.sync.chat.completions.parse``.

Where it differs: there is one choice, the decided one; ``n`` and ``timeout`` are about the ensemble (see
``parse``); a model that calls one of the caller's ``tools`` has given no answer to decide on. ``extra_query`` and
``prompt_cache_retention`` do not get through LiteLLM, which the result says; ``metadata`` is for LiteLLM's callbacks,
and ``extra_body={"metadata": ...}`` for the vendor.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar

from ensemble_parse._errors import AllProcessorsFailed, ConfigurationError, DeadlineExceeded
from ensemble_parse._sync import run_sync

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

    from openai import NotGiven, Omit, Timeout
    from openai.types import Metadata, ReasoningEffort
    from openai.types.chat import (
        ChatCompletionAudioParam,
        ChatCompletionMessageParam,
        ChatCompletionPredictionContentParam,
        ChatCompletionStreamOptionsParam,
        ChatCompletionToolChoiceOptionParam,
        ChatCompletionToolUnionParam,
    )
    from openai.types.chat import completion_create_params as create

    from ensemble_parse._completion import Completion
    from ensemble_parse._ensemble import Ensemble
    from ensemble_parse._models import Result
    from ensemble_parse._processor import Processor

    Absent: TypeAlias = Omit | NotGiven | None

__all__ = ["Chat", "Completions", "OpenAIFace", "SyncCompletions"]

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Bound:
    ask: Callable[..., Awaitable[Result[Any]]]


async def parse(  # noqa: PLR0913, D417 - the signature, and what it means, is the OpenAI client's
    self: _Bound,
    *,
    messages: Iterable[ChatCompletionMessageParam] | str,
    model: str | Absent = None,
    response_format: type[T] | Absent = None,
    audio: ChatCompletionAudioParam | Absent = None,
    frequency_penalty: float | Absent = None,
    function_call: create.FunctionCall | Absent = None,
    functions: Iterable[create.Function] | Absent = None,
    logit_bias: Mapping[str, int] | Absent = None,
    logprobs: bool | Absent = None,
    max_completion_tokens: int | Absent = None,
    max_tokens: int | Absent = None,
    metadata: Metadata | Absent = None,
    modalities: Iterable[str] | Absent = None,
    moderation: create.Moderation | Absent = None,
    n: int | Absent = None,
    parallel_tool_calls: bool | Absent = None,
    prediction: ChatCompletionPredictionContentParam | Absent = None,
    presence_penalty: float | Absent = None,
    prompt_cache_key: str | Absent = None,
    prompt_cache_options: create.PromptCacheOptions | Absent = None,
    prompt_cache_retention: str | Absent = None,
    reasoning_effort: ReasoningEffort | Absent = None,
    safety_identifier: str | Absent = None,
    seed: int | Absent = None,
    service_tier: str | Absent = None,
    stop: str | Iterable[str] | Absent = None,
    store: bool | Absent = None,
    stream_options: ChatCompletionStreamOptionsParam | Absent = None,
    temperature: float | Absent = None,
    tool_choice: ChatCompletionToolChoiceOptionParam | Absent = None,
    tools: Iterable[ChatCompletionToolUnionParam] | Absent = None,
    top_logprobs: int | Absent = None,
    top_p: float | Absent = None,
    user: str | Absent = None,
    verbosity: str | Absent = None,
    web_search_options: create.WebSearchOptions | Absent = None,
    extra_headers: Mapping[str, str | Omit] | Absent = None,
    extra_query: Mapping[str, object] | Absent = None,
    extra_body: object | Absent = None,
    timeout: float | Timeout | Absent = None,  # noqa: ASYNC109 - the OpenAI client's name
    **params: Any,
) -> Completion[T]:
    """Ask the ensemble as one asks an OpenAI client, and get an OpenAI completion.

    Every argument that is neither omitted nor ``None`` goes to every processor as a model parameter; what a processor
    sets itself wins. These five are about the ensemble:

    Args:
        self: what it is asked of.
        messages: as the OpenAI client takes them, messages of its earlier completions included, or one text.
        model: the model of processors that name none.
        response_format: what the answer must be; more types are taken than the OpenAI client takes.
        n: samples of each processor that is set to one. There is one choice all the same: the decided one.
        timeout: seconds for the whole call, instead of the ensemble's deadline.
        params: further model parameters, and what ``Ensemble.run`` takes: ``pass_reasoning``, ``examples``.

    Returns:
        An OpenAI ``ParsedChatCompletion``, whose usage is the sum over all requests and whose ``ensemble`` is the
        ``Result``. Where every model refused, ``parsed`` is ``None`` and ``refusal`` says why.

    Raises:
        ConfigurationError: before any request: it could not run as asked.
        openai.LengthFinishReasonError: every answer was cut off at the length limit.
        openai.ContentFilterFinishReasonError: a filter stopped every answer.
        pydantic.ValidationError: no answer validated.
        openai.APIStatusError, openai.APIConnectionError, openai.APITimeoutError: every vendor failed in this way; the
            subclass is that of the OpenAI client.
        AllProcessorsFailed: they failed in different ways; it is an ``openai.OpenAIError``, too. For all of these,
            the ensemble's own error is the ``__cause__``.
        DecisionError: there are answers, and none could be chosen.
    """
    given = {**locals(), **params}  # in the first line, while there is nothing else among them
    del given["self"], given["params"]
    if "stream" in given:
        message = "parse() got an unexpected keyword argument 'stream': a typed answer comes whole"
        raise TypeError(message)
    # In a thread: the import takes a second, and the event loop has other work.
    await asyncio.to_thread(importlib.import_module, "ensemble_parse._completion")
    from ensemble_parse._completion import completion, openai_error, refusal

    try:
        result = await self.ask(**given)
    except AllProcessorsFailed as failed:
        if said := refusal(failed):
            return said
        raise openai_error(failed) from failed
    except DeadlineExceeded as late:
        raise openai_error(late) from late
    return completion(result)


async def ask(ensemble: Ensemble, **given: Any) -> Result[Any]:
    """Run an ensemble with the arguments of an OpenAI client."""
    from openai import NotGiven, Omit, Timeout

    absent = (type(None), Omit, NotGiven)
    given = {name: value for name, value in given.items() if not isinstance(value, absent)}
    type_ = given.get("response_format")
    if type_ is None or isinstance(type_, dict):
        message = f"response_format={type_!r}: an ensemble decides between typed answers; give a type, such as a model"
        raise ConfigurationError(message)
    n, seconds = given.pop("n", None), given.pop("timeout", None)
    if isinstance(seconds, Timeout):
        seconds = seconds.read
    if n is not None or seconds is not None:
        ensemble = _for_this_call(ensemble, n, seconds)
    return await ensemble.run(_plain(given.pop("messages")), **given)


def _for_this_call(ensemble: Ensemble, n: int | None, seconds: float | None) -> Ensemble:
    if n is not None and n < 1:
        message = f"n={n!r}: give 1 or more"
        raise ConfigurationError(message)
    if seconds is not None and not seconds > 0:
        message = f"timeout={seconds!r}: give seconds, more than 0"
        raise ConfigurationError(message)
    ensemble = copy.copy(ensemble)
    if n is not None:
        ensemble.processors = tuple(_sampled(each, n) if each.n == 1 else each for each in ensemble.processors)
    if seconds is not None:
        ensemble.deadline = seconds
    return ensemble


def _sampled(processor: Processor, n: int) -> Processor:
    processor = copy.copy(processor)
    object.__setattr__(processor, "n", n)
    return processor


def _plain(messages: Iterable[Any] | str) -> Any:
    """Turn messages that are objects, such as that of an earlier completion, into data."""
    from pydantic import BaseModel

    if isinstance(messages, str):
        return messages
    return [
        each.model_dump(mode="json", exclude={"parsed"}, exclude_none=True) if isinstance(each, BaseModel) else each
        for each in messages
    ]


def _blocking(method: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    @functools.wraps(method)
    def parse(*args: P.args, **kwargs: P.kwargs) -> R:
        return run_sync(method(*args, **kwargs))

    return parse


class Completions(_Bound):
    """``chat.completions`` of an async client."""

    __slots__ = ()
    parse = parse


class SyncCompletions(_Bound):
    """``chat.completions`` of a sync client."""

    __slots__ = ()
    parse = _blocking(parse)


C = TypeVar("C", Completions, SyncCompletions)


@dataclass(frozen=True, slots=True)
class Chat(Generic[C]):
    """``chat`` of a client."""

    completions: C


@dataclass(frozen=True, slots=True)
class OpenAIFace(Generic[C]):
    """As much of an OpenAI client as an application needs for typed answers."""

    chat: Chat[C]

    @property
    def beta(self) -> OpenAIFace[C]:
        """Where older code finds the same."""
        return self


def face(ask: Callable[..., Awaitable[Result[Any]]]) -> OpenAIFace[Completions]:
    """Give the face of an ``openai.AsyncOpenAI`` to what takes its arguments and decides on a result."""
    return OpenAIFace(Chat(Completions(ask)))


def sync_face(ask: Callable[..., Awaitable[Result[Any]]]) -> OpenAIFace[SyncCompletions]:
    """Give it the face of an ``openai.OpenAI``."""
    return OpenAIFace(Chat(SyncCompletions(ask)))
