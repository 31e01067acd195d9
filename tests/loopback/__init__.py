"""A model server on 127.0.0.1 for tests, examples and benchmarks.

It speaks the wire formats of OpenAI, Anthropic, Gemini and Ollama over real sockets, says what it
is scripted to say, fails on demand, and counts.
"""

from .environment import environment
from .faults import (
    Garbage,
    Hang,
    HangBody,
    Reset,
    ResetMidBody,
    Status,
    Trickle,
    content_policy,
    context_window,
)
from .holes import black_hole
from .record import Recorded
from .replies import (
    Answer,
    Answers,
    ByRequest,
    Content,
    Empty,
    Fenced,
    Held,
    Refusal,
    Reply,
    Text,
    Truncated,
)
from .server import Loopback
from .synth import example

__all__ = [
    "Answer",
    "Answers",
    "ByRequest",
    "Content",
    "Empty",
    "Fenced",
    "Garbage",
    "Hang",
    "HangBody",
    "Held",
    "Loopback",
    "Recorded",
    "Refusal",
    "Reply",
    "Reset",
    "ResetMidBody",
    "Status",
    "Text",
    "Trickle",
    "Truncated",
    "black_hole",
    "content_policy",
    "context_window",
    "environment",
    "example",
]
