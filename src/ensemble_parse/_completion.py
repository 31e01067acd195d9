"""What an ensemble gives, in the OpenAI client's own classes: completions and exceptions.

The one module that imports ``openai``; it is itself imported at the first ``chat.completions.parse``.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeAlias

import httpx
import openai
from openai.types import CompletionUsage
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionMessage,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedChoice,
)
from openai.types.chat.chat_completion import Choice
from openai.types.chat.parsed_chat_completion import ContentType as T
from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails
from pydantic import PrivateAttr

from ensemble_parse._errors import (
    AllProcessorsFailed,
    InvalidOutput,
    ProcessorError,
    ProcessorTimeout,
    ProviderError,
    Refused,
    Truncated,
)
from ensemble_parse._models import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ensemble_parse._errors import DeadlineExceeded
    from ensemble_parse._models import Attempt, Result

Message: TypeAlias = ParsedChatCompletionMessage[Any]

# By the status of the vendor's answer, as the OpenAI client has them; every other 5xx is an InternalServerError.
_BY_STATUS: Final[dict[int, type[openai.APIStatusError]]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}


class Completion(ParsedChatCompletion[T], Generic[T]):
    """An OpenAI completion that an ensemble decided; it dumps as one, without the ``ensemble``."""

    _made_of: Any = PrivateAttr(default=None)

    @classmethod
    def of(cls, made_of: Result[T] | AllProcessorsFailed, **fields: Any) -> Self:
        """Make a completion, and keep what it was made of."""
        made = cls(**fields)
        made._made_of = made_of
        return made

    @property
    def ensemble(self) -> Result[T]:
        """Everything about the call.

        Raises:
            AttributeError: there is no result, since every model refused; ``refusals`` says who.
        """
        if isinstance(self._made_of, AllProcessorsFailed):
            message = "every model refused, so there is no result: see .refusals"
            raise AttributeError(message)  # noqa: TRY004 - so that hasattr works
        result: Result[T] = self._made_of
        return result

    @property
    def refusals(self) -> AllProcessorsFailed | None:
        """The models' refusals, where all of them refused."""
        return self._made_of if isinstance(self._made_of, AllProcessorsFailed) else None


class NoAnswer(AllProcessorsFailed, openai.OpenAIError):
    """Every processor failed, and no exception of the OpenAI client says how; ``except openai.OpenAIError`` sees it."""


def completion(result: Result[T]) -> Completion[T]:
    """Put a result into an OpenAI completion.

    Its ``model`` is the one that wrote the answer, as its vendor names it: the decided candidate's, or the judge's that
    put it together. Its ``content`` is the answer as the model wrote it, or should have.
    """
    decision = result.decision
    candidate = decision.candidate
    format_ = result.format
    if candidate is not None and candidate.text and format_.wrapper is None and not candidate.repaired:
        content = candidate.text
    else:
        content = format_.adapter.dump_json(result.output, by_alias=True, warnings=False).decode()
    writer = candidate.processor if candidate else decision.by
    message = ParsedChatCompletionMessage(role="assistant", content=content, parsed=result.output)
    return _completion(message, result, result.attempts, model=_model(result.attempts, writer) or result.name)


def refusal(failed: AllProcessorsFailed) -> Completion[Any] | None:
    """The completion that holds the most trusted model's refusal, if refusing is all that they did."""
    refused = [error for error in failed.errors if isinstance(error, Refused)]
    words = next((error for error in refused if not error.content_filter), None)
    if words is None or len(refused) < len(failed.errors):
        return None
    message: Message = ParsedChatCompletionMessage(role="assistant", refusal=words.refusal, parsed=None)
    return _completion(message, failed, failed.attempts, model=_model(words.attempts, words.processor) or "")


def openai_error(error: AllProcessorsFailed | DeadlineExceeded) -> Exception:  # noqa: PLR0911 - one for each failure
    """The exception that the OpenAI client raises where all processors failed in the same way."""
    request = httpx.Request("POST", "https://ensemble-parse.invalid/chat/completions")
    if not isinstance(error, AllProcessorsFailed):
        return openai.APITimeoutError(request)
    errors = error.errors
    first = errors[0]
    different = len({_kind(each) for each in errors}) > 1
    match first:
        case _ if different:
            return NoAnswer(errors, error.attempts)
        case Truncated():
            return openai.LengthFinishReasonError(completion=_cut_off(first, error))
        case Refused():
            return openai.ContentFilterFinishReasonError()
        case InvalidOutput() if first.validation_error is not None:
            return first.validation_error
        case ProcessorTimeout():
            return openai.APITimeoutError(request)
        case ProviderError(status_code=None):
            return openai.APIConnectionError(message=str(error), request=request)
        case ProviderError(status_code=int(status)):
            headers = {} if first.retry_after is None else {"retry-after": f"{first.retry_after:g}"}
            response = httpx.Response(status, headers=headers, request=request)
            return _status_error(status)(str(error), response=response, body=None)
        case _:
            return NoAnswer(errors, error.attempts)


def _kind(error: ProcessorError) -> type[Exception]:
    if isinstance(error, ProviderError) and error.status_code is not None:
        return _status_error(error.status_code)
    return type(error)


def _status_error(status: int) -> type[openai.APIStatusError]:
    other = openai.InternalServerError if status >= httpx.codes.INTERNAL_SERVER_ERROR else openai.APIStatusError
    return _BY_STATUS.get(status, other)


def _completion(
    message: Message,
    made_of: Result[T] | AllProcessorsFailed,
    attempts: Sequence[Attempt],
    *,
    model: str,
) -> Completion[T]:
    choice = ParsedChoice(index=0, finish_reason="stop", logprobs=None, message=message)
    kind: type[Completion[T]] = Completion
    return kind.of(made_of, **_head(attempts, model), choices=[choice])


def _cut_off(error: Truncated, failed: AllProcessorsFailed) -> ChatCompletion:
    message = ChatCompletionMessage(role="assistant", content=error.text)
    choice = Choice(index=0, finish_reason="length", logprobs=None, message=message)
    model = _model(error.attempts, error.processor) or ""
    return ChatCompletion(**_head(failed.attempts, model), choices=[choice])


def _head(attempts: Iterable[Attempt], model: str) -> dict[str, Any]:
    used = sum((attempt.usage for attempt in attempts), Usage())
    usage = CompletionUsage(
        prompt_tokens=used.input_tokens,
        completion_tokens=used.output_tokens,
        total_tokens=used.total_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=used.cached_tokens),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=used.reasoning_tokens),
    )
    return {
        "id": f"ensemble-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "usage": usage,
    }


def _model(attempts: Iterable[Attempt], writer: str | None) -> str | None:
    answered = [each for each in attempts if each.processor == writer and each.error is None]
    return answered[-1].answered_by or answered[-1].model if answered else None
