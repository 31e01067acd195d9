"""Models through LiteLLM and instructor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ensemble_parse._client._dialogue import Dialogue
from ensemble_parse._client._libraries import loaded
from ensemble_parse._client._modes import plan
from ensemble_parse._client._protocol import Client
from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from ensemble_parse._client._protocol import Fit, ModelCall, Reply
    from ensemble_parse._models import T

forbidden = 0
"""How many ``testing.no_model_requests()`` are open."""


class LiteLLMClient(Client):
    """Reaches every vendor that LiteLLM reaches.

    LiteLLM and instructor are imported at the first use, in a thread, with LiteLLM's network look-ups and its loading
    of ``.env`` turned off, unless the environment sets the variables that govern them.
    """

    async def fit(self, call: ModelCall[Any]) -> Fit:
        """Say how a call would go out, without sending anything."""
        return plan((await loaded()).litellm, call).fit

    async def ask(self, call: ModelCall[T]) -> Reply[T]:
        """Ask a model, retries and re-asks included."""
        if forbidden:
            message = (
                f"{call.processor} would ask a model, and no_model_requests() is in force: give Ensemble(client=...)"
            )
            raise ConfigurationError(message)
        libraries = await loaded()
        return await Dialogue(call, plan(libraries.litellm, call), libraries).run()
