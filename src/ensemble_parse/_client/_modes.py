"""How structure is asked for, model by model: looked up, never guessed from a name, never by a request."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._client._protocol import Fit
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._schema import Strictness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ensemble_parse._client._protocol import ModelCall
    from ensemble_parse._models import Mode

# Vendors and servers that take a native schema, though LiteLLM knows it for few or none of their model names. For
# Ollama and Mistral it is also the only way: LiteLLM drops the forced tool choice for them. (``openai`` stands for any
# server with OpenAI's wire format; OpenAI's own models without native schemas are known to LiteLLM by name.)
_NATIVE: Final = frozenset({"ollama_chat", "ollama", "hosted_vllm", "lm_studio", "llamafile", "mistral", "openai"})
# Vendors that refuse a forced tool as well as a schema, whatever LiteLLM lists for them.
_PROMPTED: Final = frozenset({"cohere", "cohere_chat"})
# Strict is sent where the wire knows the word; elsewhere LiteLLM makes its own native form of the schema.
_STRICT: Final = frozenset(
    {"openai", "azure", "hosted_vllm", "mistral", "openrouter", "xai", "together_ai", "lm_studio"}
)
# Vendors that honour ``n``; others take the parameter and answer once, or refuse it.
_SAMPLES: Final = frozenset({"openai", "azure", "hosted_vllm", "together_ai", "gemini"})
# LiteLLM closes every object for Anthropic's native schemas: a mapping with free keys could only come back empty.
_CLOSED: Final = frozenset({"anthropic"})
_OLLAMA: Final = frozenset({"ollama", "ollama_chat"})
_OPENAI_HOSTS: Final = ("api.openai.com", "openai.azure.com")
# Transport, not sampling: these are LiteLLM's, whatever the vendor.
_TRANSPORT: Final = frozenset(
    {
        "api_base",
        "api_key",
        "api_version",
        "base_url",
        "default_headers",
        "deployment_id",
        "extra_headers",
        "organization",
    }
)
# LiteLLM puts the first into the body, where no vendor looks for it, and loses the second; the third is about streams.
_NOT_SENT: Final = frozenset({"extra_query", "prompt_cache_retention", "stream_options"})
# Where the answer itself is asked for as a tool, the caller's own would compete with it.
_TOOLS: Final = frozenset({"tools", "tool_choice", "functions", "function_call", "parallel_tool_calls"})


def provider_of(litellm: Any, model: str, api_base: str | None) -> tuple[str, str]:
    """Split a model string into the model and its provider, as LiteLLM does.

    Raises:
        ConfigurationError: no such provider.
    """
    try:
        name, provider, _, _ = litellm.get_llm_provider(model=model, api_base=api_base)
    except Exception:  # noqa: BLE001 - LiteLLM raises several kinds here, and all mean the same
        prefix = model.partition("/")[0]
        known = [str(getattr(each, "value", each)) for each in litellm.provider_list]
        close = difflib.get_close_matches(prefix, known, n=1)
        hint = f" Did you mean '{close[0]}/{model.partition('/')[2]}'?" if close and "/" in model else ""
        message = (
            f"model {model!r}: LiteLLM knows no provider for it.{hint} Write 'vendor/model', such as "
            "'openai/gpt-5-mini'; for a server with OpenAI's wire format, 'openai/<name>' with api_base"
        )
        raise ConfigurationError(message) from None
    return str(name), str(provider)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a call goes out, with the strict schema that it carries, if it carries one."""

    fit: Fit
    schema: dict[str, Any] | None


def plan(litellm: Any, call: ModelCall[Any]) -> Plan:
    """Decide how a call goes out; once for each type, model and set of parameters.

    Raises:
        ConfigurationError: it cannot; see ``Client.fit``.
    """
    params = tuple((name, repr(value)) for name, value in call.params.items() if name != "api_key")
    key = (call.processor, call.model, call.mode, call.strict, params)
    if key not in call.format.cache:
        call.format.cache[key] = _plan(litellm, call)
    made: Plan = call.format.cache[key]
    return made


def _plan(litellm: Any, call: ModelCall[Any]) -> Plan:
    name, provider = provider_of(litellm, call.model, call.params.get("api_base"))
    if provider in _OLLAMA:
        # LiteLLM asks the server about a model that it does not know, synchronously, several times for every call.
        litellm.model_cost.setdefault(f"{provider}/{name}", _unpriced(provider))
    strictness = Strictness(call.format.schema, portable=_is_openai(provider, call.params))
    mode = call.mode if call.mode != "auto" else _mode(litellm, name, provider, strictness)
    if mode == "json_schema" and provider in _CLOSED and strictness.problems:
        path, why = next(iter(strictness.problems.items()))
        message = (
            f"{call.processor}: {provider} takes no such schema as 'json_schema': {path!r} {why}. Use mode 'tools'"
        )
        raise ConfigurationError(message)
    supported = litellm.get_supported_openai_params(model=name, custom_llm_provider=provider)
    known = set(litellm.constants.OPENAI_CHAT_COMPLETION_PARAMS) - _TRANSPORT
    not_sent = _NOT_SENT | (_TOOLS if mode == "tools" else frozenset[str]())
    dropped = tuple(
        p for p in call.params if p in not_sent or (supported is not None and p in known and p not in supported)
    )
    dropped += _unsupported(
        litellm, name, provider, {p: v for p, v in call.params.items() if p in known and p not in dropped}
    )
    if dropped and call.strict:
        message = (
            f"{call.processor}: {provider} does not take {', '.join(dropped)} as given; leave it out, or strict=True"
        )
        raise ConfigurationError(message)
    strict = mode in {"json_schema", "tools"} and provider in _STRICT
    fit = Fit(
        processor=call.processor,
        model=call.model,
        mode=mode,
        strict=strict and strictness.schema is not None,
        problems=strictness.problems,
        dropped=dropped,
        together=provider in _SAMPLES and "n" in (supported or ()),
    )
    return Plan(fit, strictness.schema if strict else None)


def _unsupported(litellm: Any, name: str, provider: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Parameters that the vendor takes, but not for this model or not with this value; LiteLLM knows before it asks."""
    dropped: tuple[str, ...] = ()
    while left := {name: value for name, value in params.items() if name not in dropped}:
        try:
            litellm.utils.get_optional_params(model=name, custom_llm_provider=provider, drop_params=False, **left)
        except litellm.UnsupportedParamsError as error:
            said = str(error)
            named = tuple(each for each in left if re.search(rf"\b{re.escape(each)}\b", said))
            if not named:
                break
            dropped += named
        else:
            break
    return dropped


def _unpriced(provider: str) -> dict[str, Any]:
    return {
        "litellm_provider": provider,
        "mode": "chat",
        "input_cost_per_token": 0.0,
        "output_cost_per_token": 0.0,
        "supports_function_calling": True,
    }


def _is_openai(provider: str, params: Any) -> bool:
    named = params.get("api_base") or params.get("base_url")
    base = str(named or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE") or "")
    return provider in {"openai", "azure"} and (not base or any(host in base for host in _OPENAI_HOSTS))


def _mode(litellm: Any, name: str, provider: str, strictness: Strictness) -> Mode:
    if provider in _PROMPTED:
        return "md_json"
    if provider in _CLOSED and strictness.problems:
        return "tools"
    if provider in _NATIVE and (provider != "openai" or name not in litellm.model_cost):
        return "json_schema"
    if litellm.supports_response_schema(model=name, custom_llm_provider=provider):
        return "json_schema"
    supported = litellm.get_supported_openai_params(model=name, custom_llm_provider=provider) or ()
    return "tools" if {"tools", "tool_choice"} <= {*supported} else "md_json"
