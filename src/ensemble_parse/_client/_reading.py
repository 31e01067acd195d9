"""What a completion holds, besides the answer that validates: text, tokens, price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ensemble_parse._client._prices import is_free
from ensemble_parse._models import Usage

if TYPE_CHECKING:
    from ensemble_parse._client._protocol import ModelCall
    from ensemble_parse._models import Mode


def text_of(message: Any, mode: Mode) -> str:
    """The answer's text: the arguments of the tool that was forced, or the content."""
    calls = message.tool_calls if mode == "tools" else None
    return str((calls[0].function.arguments if calls else message.content) or "")


def usage_of(completion: Any) -> Usage:
    """The tokens that the vendor reported; of ``None``, those of a request without an answer."""
    usage = getattr(completion, "usage", None)
    if usage is None:
        return Usage(requests=1)
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=getattr(usage.prompt_tokens_details, "cached_tokens", None) or 0,
        reasoning_tokens=getattr(usage.completion_tokens_details, "reasoning_tokens", None) or 0,
        requests=1,
    )


def cost_of(call: ModelCall[Any], completion: Any) -> float | None:
    """The price in US dollars, or ``None`` where it is unknown."""
    # Read before instructor touches the completion: it sums the usage of all rounds into it.
    cost = completion._hidden_params.get("response_cost")  # noqa: SLF001 - the only place that has it
    return float(cost) if cost or (cost == 0 and is_free(call)) else None
