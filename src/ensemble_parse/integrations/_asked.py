"""What a request in OpenAI's format asks of an ensemble: a type to decide on, the tool it belongs to, parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._format import response_format
from ensemble_parse._models import TRANSPORT

# What is read here, and what LiteLLM does itself.
_READ: Final = frozenset(
    {
        *("response_format", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *("stream", "stream_options", "max_retries"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for.

    Attributes:
        type: what the answer must be; ``str`` where the request says nothing of it.
        tool: the name of the tool whose arguments the answer is, or ``None``.
        params: the model parameters, and the options of ``Ensemble.run``.
    """

    type: Any
    tool: str | None
    params: dict[str, Any]


def asked(given: Mapping[str, Any], known: Mapping[str, Any]) -> Asked:
    """Read the parameters of a request.

    Args:
        given: the request's parameters, without its model and messages.
        known: response types by name, each taken where a request sends that type's own schema.

    Raises:
        ConfigurationError: an ensemble cannot give what is asked for.
    """
    if astray := sorted(TRANSPORT & given.keys()):
        message = f"{astray[0]!r} says where requests go, which is the ensemble's to say: set it on its processors"
        raise ConfigurationError(message)
    params = {name: value for name, value in given.items() if name not in _READ}
    tool = _forced_tool(given)
    if tool is not None:
        name = str(tool["name"])
        return Asked(type=_type(tool.get("parameters") or {"type": "object"}, name, known), tool=name, params=params)
    return Asked(type=_wanted(given.get("response_format"), known), tool=None, params=params)


def _forced_tool(given: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The one tool that the answer has to call, if there is one."""
    if given.get("functions"):
        message = "'functions' is not supported: give 'tools', and force one with 'tool_choice'"
        raise ConfigurationError(message)
    choice: Any = given.get("tool_choice")
    if not given.get("tools") or choice == "none":
        return None
    tools: dict[str, Any] = {
        tool["function"]["name"]: tool["function"] for tool in given["tools"] if "function" in tool
    }
    if isinstance(choice, Mapping):
        named = cast("Mapping[str, Any]", choice)
        name = named.get("function", named).get("name")
        if name in tools:
            return tools[name]
    elif choice in {"required", "any"} and len(tools) == len(given["tools"]) == 1:
        return next(iter(tools.values()))
    message = (
        "an ensemble decides on the fields of one answer and chooses no tools: force one with 'tool_choice', or give "
        "'response_format'"
    )
    raise ConfigurationError(message)


def _wanted(wanted: Any, known: Mapping[str, Any]) -> Any:
    if wanted is None:
        return str
    if not isinstance(wanted, Mapping):
        return wanted  # a type, from a version of LiteLLM that passes it on
    kind: Any = wanted.get("type")
    if kind == "text":
        return str
    if kind == "json_object":
        schema = wanted.get("response_schema")
        return dict[str, Any] if schema is None else _type(schema, "Answer", known)
    try:
        if kind == "json_schema":
            told = wanted["json_schema"]
            return _type(told["schema"], told.get("name") or "Answer", known)
    except (KeyError, TypeError):
        pass
    message = (
        "response_format is not understood: give {'type': 'json_schema', 'json_schema': {'name': ..., 'schema': ...}}, "
        "{'type': 'json_object'} or {'type': 'text'}"
    )
    raise ConfigurationError(message)


def _type(schema: Any, name: str, known: Mapping[str, Any]) -> Any:
    from ensemble_parse._json_schema import type_of

    ours = known.get(name)
    if ours is not None and isinstance(schema, Mapping) and _properties(schema) == _properties(_schema(ours)):
        return ours
    return type_of(schema, name)


def _schema(type_: Any) -> Mapping[str, Any]:
    return response_format(type_).schema


def _properties(schema: Mapping[str, Any]) -> set[str]:
    if isinstance(reference := schema.get("$ref"), str):
        schema = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return set(schema.get("properties", ()))
