"""Clients without models, for tests of code that uses an ensemble: no key, no network, no patching.

    client = ScriptedClient({"openai/gpt-5-mini": [{"total": 12}], "anthropic/claude-haiku-4-5": [TimeoutError()]})
    ensemble = Ensemble(["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"], client=client)

Answers go through the same validation, local repair, retries and re-asks as a model's.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import ValidationError, to_json

from ensemble_parse._budget import Spending
from ensemble_parse._client import _faults, _litellm
from ensemble_parse._client._admission import Admission
from ensemble_parse._client._protocol import Client, ModelCall, Reply
from ensemble_parse._errors import ConfigurationError, InvalidOutput, ProcessorError, ProviderError
from ensemble_parse._format import Parsed
from ensemble_parse._models import Attempt, T, Usage
from ensemble_parse._retry import with_retries

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

__all__ = ["FunctionClient", "ScriptedClient", "no_model_requests"]


class FunctionClient(Client):
    """Answers with a function instead of a model.

    The function is given the ``ModelCall`` and returns an object of the response type, data that validates as
    one, or a text as a model would write it; or it raises: a ``ProcessorError`` as it is, ``TimeoutError`` as a
    timeout, ``ConnectionError`` as a failed connection. It may be a coroutine function. Each sample is one call of it.

    Attributes:
        calls: every call so far, retries and re-asks included.

    Examples:
        >>> from ensemble_parse import Ensemble
        >>> client = FunctionClient(lambda call: 4 if "2 + 2" in str(call.messages) else 0)
        >>> Ensemble(["any/model"], client=client).parse_sync("What is 2 + 2?", int)
        4
    """

    def __init__(self, function: Callable[[ModelCall[Any]], Any]) -> None:
        """Take the function."""
        self._function = function
        self.calls: list[ModelCall[Any]] = []

    async def ask(self, call: ModelCall[T]) -> Reply[T]:
        """Call the function, as often as the retry policy allows a model to be asked."""
        answers: list[Parsed[T]] = []
        errors: list[ProcessorError] = []
        for _ in range(call.n):
            try:
                answers.append(await self._sample(call))
            except ProcessorError as error:
                errors.append(error)
        if not answers:
            raise errors[0]
        return Reply(answers=answers, errors=errors)

    async def _sample(self, call: ModelCall[T]) -> Parsed[T]:
        for round_ in range(call.policy.reasks + 1):
            try:
                return await with_retries(
                    call.policy, partial(self._attempt, call), deadline=call.deadline, retried=call.retried
                )
            except InvalidOutput as error:
                if round_ == call.policy.reasks:
                    raise
                call.retried(error)
                turn = {"role": "user", "content": str(error)}
                call = replace(call, messages=[*call.messages, turn])
        raise AssertionError  # pragma: no cover - the last round returns or raises

    def price(self, call: ModelCall[Any], usage: Usage) -> float | None:
        """It costs nothing."""
        del call, usage
        return 0.0

    async def _attempt(self, call: ModelCall[T]) -> Parsed[T]:
        one = Spending(calls=1)
        async with Admission(call, worst=lambda: one, expected=lambda: 0, cut_off=lambda: one) as admission:
            self.calls.append(call)
            started = time.perf_counter()
            error: ProcessorError
            try:
                async with asyncio.timeout(call.policy.timeout):
                    said = self._function(call)
                    if inspect.isawaitable(said):
                        said = await said
                parsed = _parsed(call, said)
            except ProcessorError as raised:
                error = raised
            except ValidationError as raised:
                error = _faults.invalid(call, raised)
            except TimeoutError:
                error = _faults.timed_out(call)
            except asyncio.CancelledError:
                _record(call, started, "Cancelled")
                raise
            except ConnectionError:
                model = "" if call.model == call.processor else f"{call.model}: "
                message = f"{call.processor}: {model}could not be reached"
                error = ProviderError(message, processor=call.processor, retryable=True)
            else:
                _record(call, started)
                admission.answered(one)
                return parsed
            admission.refused(error)
        _record(call, started, error.kind, error.status_code if isinstance(error, ProviderError) else None)
        raise error


class ScriptedClient(FunctionClient):
    """Answers from a script: for each processor or model its answers in order, the last one again and again.

    An answer is what ``FunctionClient`` takes from a function; an exception in the script is raised.

    Raises:
        ConfigurationError: the script is empty for somebody, or does not know who is asked.

    Examples:
        >>> from ensemble_parse import Ensemble
        >>> client = ScriptedClient({"a/model": [ConnectionError(), 1], "b/model": [1]})
        >>> result = Ensemble(["a/model", "b/model"], client=client).run_sync("One?", int)
        >>> result.output, result.usage.requests
        (1, 3)
    """

    def __init__(self, script: Mapping[str, Sequence[Any]]) -> None:
        """Take the script."""
        if not isinstance(script, Mapping):
            message = (
                "ScriptedClient: give a mapping from processor or model to its answers, {'openai/gpt-5-mini': [...]}"
            )
            raise ConfigurationError(message)
        for name, answers in script.items():
            if not isinstance(cast("object", answers), list | tuple) or not answers:
                message = f"script[{name!r}] must be a list of one or more answers"
                raise ConfigurationError(message)
        super().__init__(self._next)
        self._script: Final = {name: list(answers) for name, answers in script.items()}

    def _next(self, call: ModelCall[Any]) -> Any:
        answers = self._script.get(call.processor) or self._script.get(call.model)
        if answers is None:
            known = ", ".join(sorted(self._script))
            message = f"the script has no answers for {call.processor!r}; it has some for {known}"
            raise ConfigurationError(message)
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(said, Exception):
            raise said
        return said


@contextlib.contextmanager
def no_model_requests() -> Generator[None]:
    """Let no request reach a model while this is open, whoever makes it; a test that forgot its client fails.

    It holds for the whole process, so that it covers threads and other event loops.

    Raises:
        ConfigurationError: at the place that would have asked a model.

    Examples:
        >>> with no_model_requests():
        ...     pass
    """
    _litellm.forbidden += 1
    try:
        yield
    finally:
        _litellm.forbidden -= 1


def _record(call: ModelCall[Any], started: float, error: str | None = None, status: int | None = None) -> None:
    call.record(
        Attempt(
            processor=call.processor,
            model=call.model,
            seconds=time.perf_counter() - started,
            usage=Usage(requests=1),
            cost=0.0,
            error=error,
            status_code=status,
        )
    )


def _parsed(call: ModelCall[T], said: Any) -> Parsed[T]:
    """Take an answer itself, or what a model would have written: with its reasoning, in the wrapper of the wire."""
    try:
        if isinstance(said, str):
            return call.format.parse(said)
        value = call.format.coerce(said)
    except ValidationError as error:
        if isinstance(said, str):
            return Parsed(value=call.format.coerce(said), text=said)
        try:
            written = to_json(said).decode()
        except ValueError:  # such as bytes that are no text, which no model could have written
            raise error from None
        return call.format.parse(written)
    return Parsed(value=value, text=call.format.text(value))
