"""The OpenAI chat completions wire, which most vendors and local servers also speak."""

from __future__ import annotations

from typing import Any

from .ask import CREATED, Ask, Body, Said, Trouble, Turn


def read(body: Body, _path: str) -> Ask:
    """Say what a chat completions request asks for."""
    model, n, stream = body["model"], body.get("n") or 1, bool(body.get("stream"))
    form = body.get("response_format") or {}
    choice = body.get("tool_choice")
    functions = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
    forced = choice == "required" or isinstance(choice, dict)
    if functions and (forced or (choice != "none" and not form)):
        name = choice["function"]["name"] if isinstance(choice, dict) else functions[0]["name"]
        tool = next((one for one in functions if one["name"] == name), functions[0])
        schema = tool.get("parameters")
        return Ask(
            model=model,
            body=body,
            form="tool",
            tool=tool["name"],
            schema=schema,
            n=n,
            stream=stream,
        )
    if form.get("type") == "json_schema":
        schema = form["json_schema"].get("schema")
        return Ask(model=model, body=body, form="json", schema=schema, n=n, stream=stream)
    if form.get("type") == "json_object":
        return Ask(model=model, body=body, form="json", n=n, stream=stream)
    return Ask(model=model, body=body, n=n, stream=stream)


def write(turn: Turn) -> dict[str, object]:
    """Put an answer in the shape of a ``chat.completion``."""
    return {
        "id": f"chatcmpl-{turn.number:08d}",
        "object": "chat.completion",
        "created": CREATED,
        "model": turn.model,
        "choices": [_choice(turn.number, index, said) for index, said in enumerate(turn.said)],
        "usage": {
            "prompt_tokens": turn.prompt,
            "completion_tokens": turn.completion,
            "total_tokens": turn.prompt + turn.completion,
            "prompt_tokens_details": {"cached_tokens": turn.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_loopback",
    }


def _choice(number: int, index: int, said: Said) -> dict[str, object]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None}
    finish = "content_filter" if said.finish == "prompt" else said.finish
    if said.tool:
        function = {"name": said.tool, "arguments": said.text}
        call = {"id": f"call_{number:08d}_{index}", "type": "function", "function": function}
        message |= {"content": None, "tool_calls": [call]}
    elif said.finish == "refusal":
        message |= {"content": None, "refusal": said.text}
        finish = "stop"
    # A forced function call finishes with "stop" at OpenAI, not with "tool_calls".
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}


def error(code: int, trouble: Trouble, model: str) -> dict[str, object]:
    """Give the body OpenAI sends with a status."""
    if trouble == "context_window":
        message = (
            "This model's maximum context length is 128000 tokens. However, your messages "
            "resulted in 130000 tokens. Please reduce the length of the messages."
        )
        return _error(message, "invalid_request_error", "context_length_exceeded", "messages")
    if trouble == "content_policy":
        message = (
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy. "
            "Please try again with a different prompt."
        )
        return _error(message, "invalid_request_error", "invalid_prompt")
    if code == 404:
        message = f"The model `{model}` does not exist or you do not have access to it."
        return _error(message, "invalid_request_error", "model_not_found")
    if code == 429:
        message = (
            f"Rate limit reached for {model} in organization org-loopback on requests per min "
            "(RPM): Limit 3, Used 3, Requested 1. Please try again in 20s."
        )
        return _error(message, "requests", "rate_limit_exceeded")
    message, kind, reason = _ERRORS.get(code, (f"Status {code}.", "server_error", None))
    return _error(message, kind, reason)


_ERRORS: dict[int, tuple[str, str, str | None]] = {
    400: ("Invalid value for 'temperature'.", "invalid_request_error", "invalid_value"),
    401: ("Incorrect API key provided: sk-l****back.", "invalid_request_error", "invalid_api_key"),
    403: (
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
    ),
    408: ("Request timed out.", "timeout", None),
    500: ("The server had an error while processing your request.", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", None),
}


def _error(message: str, kind: str, code: str | None, param: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
