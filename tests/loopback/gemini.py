"""The Gemini generateContent wire."""

from __future__ import annotations

from typing import Any

from .ask import Ask, Body, Said, Trouble, Turn, arguments


def read(body: Body, path: str) -> Ask:
    """Say what a generateContent request asks for; the model's name is in the path."""
    model, _, method = path.rpartition("/models/")[2].partition(":")
    stream = method != "generateContent"
    config = _get(body, "generationConfig", "generation_config") or {}
    n = _get(config, "candidateCount", "candidate_count") or 1
    form = {
        key: _get(config, *names)
        for key, names in {
            "mime": ("responseMimeType", "response_mime_type"),
            "json": ("responseJsonSchema", "response_json_schema"),
            "schema": ("responseSchema", "response_schema"),
        }.items()
    }
    calling = _get(body, "toolConfig", "tool_config") or {}
    calling = _get(calling, "functionCallingConfig", "function_calling_config") or {}
    allowed = _get(calling, "allowedFunctionNames", "allowed_function_names") or ()
    functions = [
        function
        for tool in body.get("tools") or ()
        for function in _get(tool, "functionDeclarations", "function_declarations") or ()
    ]
    forced = calling.get("mode") == "ANY"
    if functions and (forced or (calling.get("mode") != "NONE" and not any(form.values()))):
        tool = next((one for one in functions if one["name"] in allowed), functions[0])
        schema = _get(tool, "parameters", "parametersJsonSchema", "parameters_json_schema")
        return Ask(
            model=model,
            body=body,
            form="tool",
            tool=tool["name"],
            schema=schema,
            n=n,
            stream=stream,
        )
    schema = form["json"] or form["schema"]
    if schema or form["mime"] == "application/json":
        return Ask(model=model, body=body, form="json", schema=schema, n=n, stream=stream)
    return Ask(model=model, body=body, n=n, stream=stream)


def _get(mapping: Body, *names: str) -> Any:
    """Take the first spelling there is: Gemini accepts camel case and snake case."""
    return next((mapping[name] for name in names if name in mapping), None)


def write(turn: Turn) -> dict[str, object]:
    """Put an answer in the shape of a ``GenerateContentResponse``."""
    usage = {
        "promptTokenCount": turn.prompt,
        "candidatesTokenCount": turn.completion,
        "totalTokenCount": turn.prompt + turn.completion,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": turn.prompt}],
    }
    if turn.cached:
        usage["cachedContentTokenCount"] = turn.cached
    tail = {
        "usageMetadata": usage,
        "modelVersion": turn.model,
        "responseId": f"loopback-{turn.number:08d}",
    }
    if turn.said[0].finish == "prompt":
        rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH"}
        return {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [rating]}, **tail}
    candidates = [_candidate(index, said) for index, said in enumerate(turn.said)]
    return {"candidates": candidates, **tail}


def _candidate(index: int, said: Said) -> dict[str, object]:
    if said.finish in {"refusal", "content_filter", "prompt"}:
        return {"finishReason": "SAFETY", "index": index}
    part: dict[str, object] = {"text": said.text}
    if said.tool:
        part = {"functionCall": {"name": said.tool, "args": arguments(said)}}
    return {
        "content": {"role": "model", "parts": [part]},
        "finishReason": "MAX_TOKENS" if said.finish == "length" else "STOP",
        "avgLogprobs": -0.01,
        "index": index,
    }


def error(code: int, trouble: Trouble, model: str) -> dict[str, object]:
    """Give the body Google sends with a status."""
    if trouble == "context_window":
        message = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
        return _error(400, message, "INVALID_ARGUMENT")
    if trouble == "content_policy":
        return _error(400, "The response was blocked.", "INVALID_ARGUMENT")
    if code == 404:
        message = f"models/{model} is not found for API version v1beta."
        return _error(404, message, "NOT_FOUND")
    message, status = _ERRORS.get(code, (f"Status {code}.", "UNKNOWN"))
    return _error(code, message, status)


_ERRORS = {
    400: ("Invalid value at 'generation_config.temperature'.", "INVALID_ARGUMENT"),
    401: ("Request had invalid authentication credentials.", "UNAUTHENTICATED"),
    403: ("The caller does not have permission.", "PERMISSION_DENIED"),
    408: ("The request was cancelled.", "CANCELLED"),
    429: ("Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED"),
    500: ("An internal error has occurred. Please retry.", "INTERNAL"),
    503: ("The model is overloaded. Please try again later.", "UNAVAILABLE"),
    504: ("The deadline expired before the operation completed.", "DEADLINE_EXCEEDED"),
}


def _error(code: int, message: str, status: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": status}}
