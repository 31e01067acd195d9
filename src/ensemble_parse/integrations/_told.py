"""What a result tells in a response of LiteLLM: content, usage, cost, details; and what an error tells."""

from __future__ import annotations

import dataclasses
import uuid
from typing import TYPE_CHECKING, Any, Final

import httpx

from ensemble_parse._client._libraries import load
from ensemble_parse._errors import (
    AllProcessorsFailed,
    BudgetExceeded,
    ConfigurationError,
    DeadlineExceeded,
    DecisionError,
    EnsembleError,
    InvalidOutput,
    ProcessorTimeout,
    ProviderError,
    Refused,
    Truncated,
)
from ensemble_parse._models import Cost, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ensemble_parse._models import Attempt, Result
    from ensemble_parse.integrations._asked import Asked

PROVIDER: Final = "ensemble"
_CLASSES: Final = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    408: "Timeout",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    502: "BadGatewayError",
    503: "ServiceUnavailableError",
}


class NoSuchEnsemble(ConfigurationError):
    """A request names an ensemble that is not there."""


_STATUSES: Final[Mapping[type[EnsembleError], int]] = {
    NoSuchEnsemble: 404,
    ConfigurationError: 400,
    DeadlineExceeded: 408,
    DecisionError: 422,
}


def fill(response: Any, result: Result[Any], asked: Asked) -> None:
    """Put a result into LiteLLM's response."""
    text = (
        result.output
        if asked.type is str
        else result.format.adapter.dump_json(result.output, by_alias=True, round_trip=True, warnings=False).decode()
    )
    _fill(response, text, "stop", result.attempts, tool=asked.tool)
    response.ensemble = details(result)


def fill_cut_off(response: Any, failed: AllProcessorsFailed) -> bool:
    """Put the most trusted answer into LiteLLM's response, if being cut off is all that went wrong with each."""
    errors = failed.errors
    cut_off = [error for error in errors if isinstance(error, Truncated)]
    if not cut_off or len(cut_off) < len(errors):
        return False
    _fill(response, cut_off[0].text, "length", failed.attempts)
    response.ensemble = {"status": "failed", "errors": _errors(errors)}
    return True


def details(result: Result[Any]) -> dict[str, Any]:
    """What the ensemble has to tell besides its answer, as JSON-like data."""
    decision = result.decision
    return {
        "name": result.name,
        "status": result.status,
        "reasons": [dataclasses.asdict(reason) for reason in result.reasons],
        "method": decision.method,
        "by": decision.by,
        "review": list(decision.review),
        "verdicts": {path: dataclasses.asdict(verdict) for path, verdict in decision.verdicts.items()},
        "errors": _errors(result.errors),
        "cost": {"total": result.cost.total, "processors": dict(result.cost.processors)},
        "requests": result.usage.requests,
        "seconds": result.seconds,
    }


def chunk(response: Any) -> dict[str, Any]:
    """The whole response as the one chunk of a stream."""
    (choice,) = response.choices
    tool = choice.message.tool_calls[0] if choice.message.tool_calls else None
    usage: dict[str, Any] = response.usage.model_dump()
    return {
        "text": choice.message.content or "",
        "tool_use": tool and {"id": tool.id, "type": "function", "index": 0, "function": tool.function.model_dump()},
        "is_finished": True,
        "finish_reason": choice.finish_reason,
        "index": 0,
        # In a stream this is where LiteLLM reads what was spent.
        "usage": {**usage, "cost": response._hidden_params["response_cost"]},  # noqa: SLF001 - has no other name
        "provider_specific_fields": {"ensemble": response.ensemble},
    }


def error(failure: EnsembleError, model: str) -> Exception:
    """The exception of LiteLLM that says the same, and says not to ask again.

    Whoever asked has no retries left to make: the processors have made theirs.
    """
    exceptions = load().litellm.exceptions
    status = _status(failure)
    kind: Any = getattr(exceptions, _CLASSES[status])
    if isinstance(failure, AllProcessorsFailed) and all(isinstance(each, Refused) for each in failure.errors):
        kind = exceptions.ContentPolicyViolationError
    response = httpx.Response(status, request=httpx.Request("POST", "https://ensemble-parse.invalid"))
    about = {"message": str(failure), "model": f"{PROVIDER}/{model}", "llm_provider": PROVIDER}
    made: Any = kind(**about) if kind is exceptions.Timeout else kind(**about, response=response)
    made.num_retries = 0  # LiteLLM's router reads it
    made.headers = {"x-should-retry": "false"}  # and the OpenAI clients this
    told: Exception = made
    return told


def _status(failure: EnsembleError) -> int:
    for kind, status in _STATUSES.items():
        if isinstance(failure, kind):
            return status
    errors = failure.errors if isinstance(failure, AllProcessorsFailed) else (failure,)
    statuses = {_of_processor(each) for each in errors}
    return statuses.pop() if len(statuses) == 1 else 503


def _of_processor(each: Exception) -> int:
    match each:
        case Refused():
            return 400
        case BudgetExceeded():
            return 429
        case ProcessorTimeout():
            return 408
        case InvalidOutput():
            return 502
        case ProviderError(status_code=int(status)) if status in _CLASSES:
            return status
        case _:
            return 503


def _errors(errors: Sequence[Exception]) -> list[dict[str, Any]]:
    return [
        {"kind": type(each).__name__, "processor": getattr(each, "processor", None), "message": str(each)}
        for each in errors
    ]


def _fill(response: Any, text: str, finish: str, attempts: Sequence[Attempt], *, tool: str | None = None) -> None:
    litellm = load().litellm
    (choice,) = response.choices
    call = {"id": f"call_{uuid.uuid4().hex}", "type": "function", "function": {"name": tool, "arguments": text}}
    choice.message = litellm.Message(content=None, tool_calls=[call]) if tool else litellm.Message(content=text)
    choice.finish_reason = finish
    used = sum((attempt.usage for attempt in attempts), Usage())
    response.usage = litellm.Usage(
        prompt_tokens=used.input_tokens,
        completion_tokens=used.output_tokens,
        total_tokens=used.total_tokens,
        prompt_tokens_details={"cached_tokens": used.cached_tokens},
        completion_tokens_details={"reasoning_tokens": used.reasoning_tokens},
    )
    # Where a price is unknown, what is known: LiteLLM would count it as nothing.
    response._hidden_params["response_cost"] = Cost.of(attempts).known  # noqa: SLF001 - has no other name
