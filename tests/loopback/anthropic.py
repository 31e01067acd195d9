"""The Anthropic messages wire."""

from __future__ import annotations

from .ask import Ask, Body, Said, Trouble, Turn, arguments

_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "refusal": "refusal",
    "content_filter": "refusal",
    "prompt": "refusal",
}


def read(body: Body, _path: str) -> Ask:
    """Say what a messages request asks for."""
    model, stream = body["model"], bool(body.get("stream"))
    choice = body.get("tool_choice") or {}
    tools = [tool for tool in body.get("tools") or () if "input_schema" in tool]
    form = body.get("output_format") or (body.get("output_config") or {}).get("format") or {}
    forced = choice.get("type") in {"tool", "any"}
    if tools and (forced or (choice.get("type") != "none" and not form)):
        tool = next((one for one in tools if one["name"] == choice.get("name")), tools[0])
        return Ask(
            model=model,
            body=body,
            form="tool",
            tool=tool["name"],
            schema=tool["input_schema"],
            stream=stream,
        )
    if form:
        return Ask(model=model, body=body, form="json", schema=form.get("schema"), stream=stream)
    return Ask(model=model, body=body, stream=stream)


def write(turn: Turn) -> dict[str, object]:
    """Put an answer in the shape of a ``message``."""
    said = turn.said[0]
    stop = _STOPS[said.finish]
    return {
        "id": f"msg_{turn.number:08d}",
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": _content(turn.number, said),
        "stop_reason": "tool_use" if said.tool and said.finish == "stop" else stop,
        "stop_sequence": None,
        "usage": {
            # Cached input is counted beside input_tokens here, not inside it.
            "input_tokens": turn.prompt - turn.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": turn.cached,
            "output_tokens": turn.completion,
            "service_tier": "standard",
        },
    }


def _content(number: int, said: Said) -> list[dict[str, object]]:
    if said.tool:
        call = {"id": f"toolu_{number:08d}", "name": said.tool, "input": arguments(said)}
        return [{"type": "tool_use", **call}]
    return [{"type": "text", "text": said.text}] if said.text else []


def error(code: int, trouble: Trouble, model: str) -> dict[str, object]:
    """Give the body Anthropic sends with a status."""
    if trouble == "context_window":
        message = "prompt is too long: 210000 tokens > 200000 maximum"
        return _error("invalid_request_error", message)
    if trouble == "content_policy":
        return _error("invalid_request_error", "Output blocked by content filtering policy")
    if code == 404:
        return _error("not_found_error", f"model: {model}")
    return _error(*_ERRORS.get(code, ("api_error", f"Status {code}.")))


_ERRORS = {
    400: ("invalid_request_error", "temperature: Input should be less than or equal to 1"),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use this resource."),
    408: ("timeout_error", "Request timed out."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "Request timed out."),
    529: ("overloaded_error", "Overloaded"),
}


def _error(kind: str, message: str) -> dict[str, object]:
    body = {"type": kind, "message": message}
    return {"type": "error", "error": body, "request_id": "req_loopback"}
