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
    functions: list[dict[str, Any]] = [tool.get("function") or {} for tool in given["tools"]]
    tools = {function.get("name"): function for function in functions}
    if isinstance(choice, Mapping):
        named = cast("dict[str, Any]", choice)
        name = named.get("function", named).get("name")
        if name and name in tools:
            return tools[name]
    elif choice in {"required", "any"} and len(functions) == 1 and functions[0].get("name"):
        return functions[0]
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
    match cast("dict[str, Any]", wanted):
        case {"type": "text"}:
            return str
        case {"type": "json_object", "response_schema": schema} if schema:
            return _type(schema, "Answer", known)
        case {"type": "json_object"}:
            return dict[str, Any]
        case {"type": "json_schema", "json_schema": {"schema": schema, **told}}:
            return _type(schema, str(told.get("name") or "Answer"), known)
        case _:
            message = (
                "response_format is not understood: give {'type': 'json_schema', 'json_schema': {'name': ..., "
                "'schema': ...}}, {'type': 'json_object'} or {'type': 'text'}"
            )
            raise ConfigurationError(message)


def _type(schema: Any, name: str, known: Mapping[str, Any]) -> Any:
    from ensemble_parse._json_schema import type_of

    made = type_of(schema, name)
    ours = known.get(name)
    return ours if ours is not None and _properties(ours) == _properties(made) else made


def _properties(type_: Any) -> set[str]:
    return {*response_format(type_).schema.get("properties", ())}
