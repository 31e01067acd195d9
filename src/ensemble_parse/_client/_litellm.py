"""Models through LiteLLM and instructor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ensemble_parse._client._batch import PROVIDER, LiteLLMBatches
from ensemble_parse._client._dialogue import Dialogue
from ensemble_parse._client._libraries import libraries, loaded
from ensemble_parse._client._modes import plan, provider_of
from ensemble_parse._client._prices import longest, price
from ensemble_parse._client._protocol import Client
from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from ensemble_parse._client._protocol import Batches, Fit, ModelCall, Reply
    from ensemble_parse._models import T, Usage

forbidden = 0
"""How many ``testing.no_model_requests()`` are open."""


class LiteLLMClient(Client):
    """Reaches every vendor that LiteLLM reaches.

    LiteLLM and instructor are imported at the first use, in a thread, with LiteLLM's network look-ups and its loading
    of ``.env`` turned off, unless the environment sets the variables that govern them.
    """

    async def fit(self, call: ModelCall[Any]) -> Fit:
        """Say how a call would go out, without sending anything."""
        litellm = (await loaded()).litellm
        fit = plan(litellm, call).fit
        # Where the price is unknown, the length is no matter: it is refused, or counted as 0, whatever it writes.
        limited = any(each.tokens or (each.usd and price(litellm, call, 1, 1)) for each in call.budgets)
        if limited and longest(litellm, call, call.params) is None:
            message = (
                f"{call.processor}: how long an answer of {call.model!r} may be is not known, so that no budget can "
                "hold it: give max_tokens"
            )
            raise ConfigurationError(message)
        return fit

    def price(self, call: ModelCall[Any], usage: Usage) -> float | None:
        """US dollars for so many tokens, as LiteLLM's price list has it."""
        known = libraries()
        return None if known is None else price(known.litellm, call, usage.input_tokens, usage.output_tokens)

    async def ask(self, call: ModelCall[T]) -> Reply[T]:
        """Ask a model, retries and re-asks included."""
        _allowed(call)
        imported = await loaded()
        return await Dialogue(call, plan(imported.litellm, call), imported).run()

    async def batches(self, call: ModelCall[Any]) -> Batches | None:
        """The batches of OpenAI, and of servers with its wire format; of no other vendor, for now."""
        _allowed(call)
        imported = await loaded()
        _, provider = provider_of(imported.litellm, call.model, call.params.get("api_base"))
        return LiteLLMBatches(imported) if provider == PROVIDER else None


def _allowed(call: ModelCall[Any]) -> None:
    if forbidden:
        message = f"{call.processor} would ask a model, and no_model_requests() is in force: give Ensemble(client=...)"
        raise ConfigurationError(message)
