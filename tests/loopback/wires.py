"""Which wire format a path belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import anthropic, gemini, ollama, openai

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .ask import Ask, Body, Trouble, Turn, Vendor


@dataclass(frozen=True, slots=True)
class Wire:
    """One vendor's way to be asked, to answer and to fail."""

    vendor: Vendor
    read: Callable[[Body, str], Ask]
    write: Callable[[Turn], Mapping[str, object]]
    error: Callable[[int, Trouble, str], Mapping[str, object]]


_OPENAI = Wire("openai", openai.read, openai.write, openai.error)
_ANTHROPIC = Wire("anthropic", anthropic.read, anthropic.write, anthropic.error)
_GEMINI = Wire("gemini", gemini.read, gemini.write, gemini.error)
_OLLAMA_CHAT = Wire("ollama", ollama.read, ollama.write_chat, ollama.error)
_OLLAMA_GENERATE = Wire("ollama", ollama.read, ollama.write_generate, ollama.error)


def wire_of(path: str) -> Wire | None:
    """Find the wire of a model request; any prefix before the vendor's own path is allowed."""
    if path.endswith("/chat/completions"):
        return _OPENAI
    if path.endswith("/messages"):
        return _ANTHROPIC
    if path.endswith(("/api/chat", "/api/generate")):
        return _OLLAMA_CHAT if path.endswith("chat") else _OLLAMA_GENERATE
    return _GEMINI if "/models/" in path and path.endswith("enerateContent") else None


def lookup(path: str) -> tuple[Vendor, Mapping[str, object]] | None:
    """Answer the side requests that ask about models rather than ask one."""
    if path.endswith("/api/show"):
        return "ollama", ollama.SHOW
    if path.endswith("/api/tags"):
        return "ollama", {"models": []}
    if path.endswith("/models"):
        return "openai", {"object": "list", "data": []}
    return None
