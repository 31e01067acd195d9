"""Which variables hold a vendor's key, so that one can be missed before anybody is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ensemble_parse._client._libraries import loaded
from ensemble_parse._client._modes import provider_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# LiteLLM reads these, any of which is enough. Vendors whose credentials are more than a key, such as a cloud's, and
# those nobody has tried, are not here: a wrong alarm is worse than none.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "azure": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "cohere_chat": ("COHERE_API_KEY", "CO_API_KEY"),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks_ai": ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY", "OR_API_KEY"),
    "perplexity": ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
    "together_ai": ("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
    "xai": ("XAI_API_KEY",),
}
_NONE_NEEDED: Final = frozenset({"hosted_vllm", "llamafile", "lm_studio", "ollama", "ollama_chat"})


async def key(model: str, api_base: str | None = None) -> tuple[tuple[str, ...], bool] | None:
    """Name the variables that a model's key is read from, and say whether one of them is set.

    Args:
        model: a LiteLLM model string.
        api_base: of a server of one's own.

    Returns:
        The names, any of which is enough, none if no key is needed, and whether that is fulfilled; ``None`` where it is
        not known which variables the vendor's are.

    Raises:
        ConfigurationError: no such provider.
    """
    _, provider = provider_of((await loaded()).litellm, model, api_base)
    if provider in _NONE_NEEDED:
        return (), True
    names = _NAMES.get(provider)
    return None if names is None else (names, any(os.environ.get(name) for name in names))
