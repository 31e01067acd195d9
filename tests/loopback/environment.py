"""Environment variables that bring LiteLLM and the OpenAI client to the loopback server."""

from __future__ import annotations

_KEY = "sk-loopback"

# Where each vendor's variables expect the API to start, by how the client builds its URLs.
_BASES = {
    "/v1": (
        "OPENAI_BASE_URL",
        "OPENAI_API_BASE",
        # LiteLLM fills in the vendor's own address before it looks at MISTRAL_API_BASE.
        "MISTRAL_AZURE_API_BASE",
        "MISTRAL_API_BASE",
        "GROQ_API_BASE",
        "HOSTED_VLLM_API_BASE",
        "DEEPSEEK_API_BASE",
        "XAI_API_BASE",
        "OPENROUTER_API_BASE",
        "TOGETHER_AI_API_BASE",
        "PERPLEXITY_API_BASE",
        "CEREBRAS_API_BASE",
        "FIREWORKS_API_BASE",
        "LM_STUDIO_API_BASE",
        "LLAMAFILE_API_BASE",
        "LITELLM_PROXY_API_BASE",
    ),
    "/v1beta": ("GEMINI_API_BASE",),
    "": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL", "OLLAMA_API_BASE"),
}
_KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "MISTRAL_API_KEY",
    "GROQ_API_KEY",
    "HOSTED_VLLM_API_KEY",
    "DEEPSEEK_API_KEY",
    "XAI_API_KEY",
    "OPENROUTER_API_KEY",
    "TOGETHER_API_KEY",
    "PERPLEXITYAI_API_KEY",
    "CEREBRAS_API_KEY",
    "FIREWORKS_API_KEY",
    "LM_STUDIO_API_KEY",
    "LITELLM_PROXY_API_KEY",
)
_LOCAL = {
    # LiteLLM fetches two files from the network unless told to use its own copies.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "true",
    # A proxy in the environment would take loopback requests elsewhere.
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


def environment(url: str) -> dict[str, str]:
    """Give the variables for a server at ``url``."""
    bases = {name: f"{url}{path}" for path, names in _BASES.items() for name in names}
    return bases | dict.fromkeys(_KEYS, _KEY) | _LOCAL
