"""The Ollama wire: /api/chat, and as much of /api/generate and /api/show as LiteLLM needs."""

from __future__ import annotations

from collections.abc import Mapping

from .ask import Ask, Body, Trouble, Turn, arguments

_STAMP = "2024-01-15T12:00:00.000000Z"


def read(body: Body, _path: str) -> Ask:
    """Say what a chat or generate request asks for; streaming is Ollama's default."""
    model, stream = body["model"], body.get("stream", True)
    form = body.get("format")
    functions = [tool["function"] for tool in body.get("tools") or ()]
    if form:
        schema = form if isinstance(form, Mapping) else None
        return Ask(model=model, body=body, form="json", schema=schema, stream=stream)
    if functions:
        tool = functions[0]
        schema = tool.get("parameters")
        return Ask(model=model, body=body, form="tool", tool=tool["name"], schema=schema, stream=stream)
    return Ask(model=model, body=body, stream=stream)


def write_chat(turn: Turn) -> dict[str, object]:
    """Put an answer in the shape /api/chat gives."""
    said = turn.said[0]
    message: dict[str, object] = {"role": "assistant", "content": said.text}
    if said.tool:
        call = {"function": {"name": said.tool, "arguments": arguments(said)}}
        message |= {"content": "", "tool_calls": [call]}
    return {"model": turn.model, "created_at": _STAMP, "message": message, **_end(turn)}


def write_generate(turn: Turn) -> dict[str, object]:
    """Put an answer in the shape /api/generate gives."""
    text = turn.said[0].text
    return {"model": turn.model, "created_at": _STAMP, "response": text, **_end(turn)}


def _end(turn: Turn) -> dict[str, object]:
    return {
        "done": True,
        # A local model has no filter: what it will not answer it says in prose.
        "done_reason": "length" if turn.said[0].finish == "length" else "stop",
        "total_duration": 200_000_000,
        "load_duration": 10_000_000,
        "prompt_eval_count": turn.prompt,
        "prompt_eval_duration": 40_000_000,
        "eval_count": turn.completion,
        "eval_duration": 150_000_000,
    }


def error(code: int, trouble: Trouble, model: str) -> dict[str, object]:
    """Give the body Ollama sends with a status."""
    if trouble == "context_window":
        return {"error": "the request exceeds the available context size, try increasing it"}
    if trouble == "content_policy":
        return {"error": "request rejected by content policy"}
    if code == 404:
        return {"error": f"model '{model}' not found"}
    return {"error": _ERRORS.get(code, f"status {code}")}


_ERRORS = {
    400: "invalid options: temperature",
    401: "unauthorized",
    403: "forbidden",
    429: "too many requests",
    500: "llama runner process has terminated",
    503: "server busy, please try again. maximum pending requests exceeded",
}

SHOW: dict[str, object] = {
    "license": "",
    "modelfile": "",
    "parameters": "",
    "template": "{{ .Prompt }} {{ .Tools }}",
    "details": {"format": "gguf", "family": "loopback", "parameter_size": "1B"},
    "model_info": {"general.architecture": "loopback", "loopback.context_length": 32768},
    "capabilities": ["completion", "tools"],
}
