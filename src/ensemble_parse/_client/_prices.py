"""What a request costs, may cost at worst, and may have cost when it is cut off."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, cast

from ensemble_parse._budget import Spending

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ensemble_parse._client._protocol import ModelCall

FREE: Final = frozenset({"ollama", "ollama_chat", "hosted_vllm", "lm_studio", "llamafile"})
CLAUDE: Final = 8192  # tokens; every Claude takes as much, and LiteLLM sends 128000 for names that it does not know
LIMITS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_ROOM: Final = 1000  # tokens of an answer, where its length is not limited and only an estimate is wanted
_FASTEST: Final = 3000  # tokens a second; no vendor's model writes faster
_IMAGE: Final = 3000  # tokens; more than any vendor takes for one picture
_ENVELOPE: Final = 500  # tokens around messages and schema, instructor's own words included


def is_free(call: ModelCall[Any]) -> bool:
    """Whether a price of nothing is to be believed: LiteLLM lists some paid models at 0."""
    return call.model.partition("/")[0] in FREE or call.model.endswith(":free") or "input_cost_per_token" in call.params


def price(litellm: Any, call: ModelCall[Any], input_tokens: int, output_tokens: int) -> float | None:
    """US dollars for so many tokens of a call's model, or ``None`` where its price is unknown."""
    own = call.params.get("input_cost_per_token"), call.params.get("output_cost_per_token")
    if own != (None, None):
        return (own[0] or 0.0) * input_tokens + (own[1] or 0.0) * output_tokens
    try:
        parts = litellm.cost_per_token(model=call.model, prompt_tokens=input_tokens, completion_tokens=output_tokens)
    except Exception:  # noqa: BLE001 - it raises a bare one for models that it does not know
        parts = (0.0, 0.0)
    cost = float(sum(parts))
    return cost if cost or is_free(call) else None


def batch_price(litellm: Any, call: ModelCall[Any], usage: Any) -> float | None:
    """US dollars for what LiteLLM calls a usage, in a batch; ``None`` where LiteLLM has no price."""
    if not {"input_cost_per_token", "output_cost_per_token"}.isdisjoint(call.params):
        # The caller's own price is of whatever this server sells; nobody said that it is half of that in a batch.
        return price(litellm, call, usage.prompt_tokens or 0, usage.completion_tokens or 0)
    try:
        parts = litellm.cost_calculator.batch_cost_calculator(usage=usage, model=call.model)
    except Exception:  # noqa: BLE001 - as above
        parts = (0.0, 0.0)
    cost = float(sum(parts))
    return cost if cost or is_free(call) else None


def longest(litellm: Any, call: ModelCall[Any], request: Mapping[str, Any]) -> int | None:
    """Tokens of the longest answer that a request allows, or ``None`` where nothing says so."""
    for name in LIMITS:
        if isinstance(request.get(name), int):
            return int(request[name])
    if call.model.startswith("anthropic/") and call.model[10:] not in litellm.model_cost:
        return CLAUDE
    prices: dict[str, dict[str, Any]] = litellm.model_cost
    known = prices.get(call.model) or prices.get(call.model.partition("/")[2])
    most = known and known.get("max_output_tokens")
    return most if isinstance(most, int) else None


def prompt_tokens(request: Mapping[str, Any]) -> int:
    """Tokens of a prompt and its schema, never too few, whatever the tokenizer.

    No token is shorter than a byte, and lists of numbers come close to that; a picture has its own price; of a file or
    a recording it is the encoded length that counts.
    """
    messages = cast("Sequence[Mapping[str, Any]]", request["messages"])
    text = [_written(each.get("content")) + _tokens(json.dumps(each.get("tool_calls") or "")) for each in messages]
    schema = json.dumps([request.get("response_format"), request.get("tools")])
    return sum(text) + _tokens(schema) + _ENVELOPE


def worst_case(litellm: Any, call: ModelCall[Any], request: Mapping[str, Any]) -> Spending:
    """What a request costs if its answer is as long as it may be."""
    return _spending(litellm, call, prompt_tokens(request), (longest(litellm, call, request) or 0) * call.n)


def expected(call: ModelCall[Any], request: Mapping[str, Any]) -> int:
    """The tokens that a vendor's rate limit is likely to count."""
    limit = next((int(request[name]) for name in LIMITS if isinstance(request.get(name), int)), _ROOM)
    return prompt_tokens(request) // 4 + limit * call.n


def so_far(litellm: Any, call: ModelCall[Any], request: Mapping[str, Any], started: float) -> Spending:
    """What a request may have cost that is cut off now: its prompt, and all that could be written since it went out."""
    written = int((time.perf_counter() - started + 1) * _FASTEST)
    most = longest(litellm, call, request) or 0
    return _spending(litellm, call, prompt_tokens(request), min(written, most) * call.n)


def _spending(litellm: Any, call: ModelCall[Any], input_tokens: int, output_tokens: int) -> Spending:
    usd = price(litellm, call, input_tokens, output_tokens)
    return Spending(usd=usd, tokens=input_tokens + output_tokens, calls=1)


def _written(content: object) -> int:
    if isinstance(content, str):
        return _tokens(content)
    if not isinstance(content, list):
        return 0
    total = 0
    for part in cast("list[Any]", content):
        if isinstance(part, str) or part.get("type") == "text":
            total += _tokens(part if isinstance(part, str) else str(part.get("text")))
        elif part.get("type") == "image_url":
            total += _IMAGE
        else:
            total += max(_IMAGE, len(json.dumps(part)) // 4)
    return total


def _tokens(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
