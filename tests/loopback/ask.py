"""The nouns every wire format shares: what was asked, what is said, what it used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Body: TypeAlias = Mapping[str, Any]
Form: TypeAlias = Literal["tool", "json", "text"]
Finish: TypeAlias = Literal["stop", "length", "refusal", "content_filter", "prompt"]
Trouble: TypeAlias = Literal["status", "context_window", "content_policy"]
Vendor: TypeAlias = Literal["openai", "anthropic", "gemini", "ollama", "other"]

CREATED = 1_700_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How one request wants to be answered.

    ``form`` is ``"tool"`` for a function call, ``"json"`` for native structured output and
    ``"text"`` where nothing structural was sent.
    """

    model: str
    body: Body
    form: Form = "text"
    tool: str = ""
    schema: Body | None = None
    n: int = 1
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one choice says: ``text`` always, and ``tool`` with ``data`` for a function call."""

    text: str
    tool: str = ""
    data: object = None
    finish: Finish = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A whole answer: one ``Said`` per choice, with the tokens of the request."""

    number: int
    model: str
    said: Sequence[Said]
    prompt: int
    completion: int
    cached: int = 0


def arguments(said: Said) -> Mapping[str, object]:
    """Tool arguments as the object most vendors send; a cut answer keeps its first half."""
    if not isinstance(said.data, Mapping):
        return {"value": said.data}
    names = list(said.data)
    if said.finish == "length":
        names = names[: len(names) // 2]
    return {name: said.data[name] for name in names}


def schema_in_text(body: Body) -> Body | None:
    """Find a JSON schema written out in the prompt, as the unstructured modes send it."""
    decoder = json.JSONDecoder()
    for text in _strings(body):
        start = text.find("{")
        while start >= 0:
            try:
                found, end = decoder.raw_decode(text, start)
            except ValueError:
                end = start + 1
            else:
                if isinstance(found, dict) and not found.keys().isdisjoint(_SCHEMA_MARKS):
                    return found
            start = text.find("{", end)
    return None


_SCHEMA_MARKS = frozenset({"properties", "$defs", "$ref", "anyOf", "oneOf", "enum", "items"})


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if "{" in value:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)
