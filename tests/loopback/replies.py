"""What a model may say: frozen values, to be scripted per model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .ask import Ask, Said, schema_in_text
from .synth import example

if TYPE_CHECKING:
    from collections.abc import Callable

    from .record import Recorded

Tokens: TypeAlias = tuple[int, int] | tuple[int, int, int]

# Round numbers, so that a test can add them up in its head.
TOKENS: Tokens = (100, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Anything the server can do with a request, after ``latency`` seconds."""

    latency: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Content(Reply):
    """A reply in which the model says something.

    ``usage`` is ``(prompt, completion)`` or ``(prompt, completion, cached)`` tokens, completion
    per choice; ``model`` is the name to answer under, else the one asked for.
    """

    usage: Tokens | None = None
    model: str | None = None

    def say(self, ask: Ask, recorded: Recorded) -> Said:
        """Say it in the form the request asked for."""
        raise NotImplementedError

    def choices(self, ask: Ask, recorded: Recorded) -> tuple[Said, ...]:
        """Give one ``Said`` per choice asked for."""
        return (self.say(ask, recorded),) * ask.n


@dataclass(frozen=True, slots=True)
class Answer(Content):
    """Data, wrapped the way the request asked for it.

    ``data`` may be a function of the recorded request. ``None`` stands for example data made from
    the request's schema. ``fenced`` puts a code fence around an answer in plain text; ``ignore_n``
    gives one choice, however many were asked for.
    """

    data: object | Callable[[Recorded], object] = None
    fenced: bool = False
    ignore_n: bool = False

    def choices(self, ask: Ask, recorded: Recorded) -> tuple[Said, ...]:
        """Give as many as asked for, or one, as servers do that take ``n`` and do not honour it."""
        return (self.say(ask, recorded),) * (1 if self.ignore_n else ask.n)

    def say(self, ask: Ask, recorded: Recorded) -> Said:
        """Say the data as a function call or as JSON."""
        data = _data(self.data, ask, recorded)
        text = json.dumps(data, ensure_ascii=False)
        if ask.form == "tool":
            return Said(text=text, tool=ask.tool, data=data)
        return Said(text=f"```json\n{text}\n```" if self.fenced and ask.form == "text" else text)


@dataclass(frozen=True, slots=True)
class Truncated(Content):
    """Data cut off in the middle by the length limit."""

    data: object | Callable[[Recorded], object] = None

    def say(self, ask: Ask, recorded: Recorded) -> Said:
        """Say the first half, finished for length."""
        data = _data(self.data, ask, recorded)
        text = json.dumps(data, ensure_ascii=False)
        tool = ask.tool if ask.form == "tool" else ""
        return Said(text=text[: len(text) // 2], tool=tool, data=data, finish="length")


@dataclass(frozen=True, slots=True)
class Fenced(Content):
    """Data in a code fence, with prose before and after it, whatever form was asked for."""

    data: object | Callable[[Recorded], object] = None

    def say(self, ask: Ask, recorded: Recorded) -> Said:
        """Say it as chatty text."""
        text = json.dumps(_data(self.data, ask, recorded), ensure_ascii=False, indent=2)
        prose = f"Here is the answer:\n\n```json\n{text}\n```\n\nLet me know if that helps!"
        return Said(text=prose)


@dataclass(frozen=True, slots=True)
class Text(Content):
    """Text as it stands, whatever form was asked for."""

    text: str

    def say(self, ask: Ask, recorded: Recorded) -> Said:  # noqa: ARG002 - the same for all requests
        """Say the text."""
        return Said(text=self.text)


@dataclass(frozen=True, slots=True)
class Empty(Content):
    """An answer with nothing in it."""

    def say(self, ask: Ask, recorded: Recorded) -> Said:  # noqa: ARG002 - the same for all requests
        """Say nothing."""
        return Said(text="")


@dataclass(frozen=True, slots=True)
class Refusal(Content):
    """The model, or a filter around it, declines.

    ``where`` is ``"refusal"`` (the model says so), ``"content_filter"`` (its output was stopped) or
    ``"prompt"`` (the input was; Gemini only, the others stop the output).
    """

    text: str = "I'm sorry, I can't help with that."
    where: Literal["refusal", "content_filter", "prompt"] = "refusal"

    def say(self, ask: Ask, recorded: Recorded) -> Said:  # noqa: ARG002 - the same for all requests
        """Say no."""
        return Said(text=self.text if self.where == "refusal" else "", finish=self.where)


@dataclass(frozen=True, slots=True, init=False)
class Answers(Content):
    """One item per choice: data, or any content reply. The last repeats when ``n`` is larger."""

    items: tuple[Content, ...]

    def __init__(
        self,
        *items: object,
        latency: float = 0.0,
        usage: Tokens | None = None,
        model: str | None = None,
    ) -> None:
        """Take the choices in order."""
        if not items:
            message = "Answers needs at least one item"
            raise ValueError(message)
        contents = tuple(one if isinstance(one, Content) else Answer(one) for one in items)
        for name, value in (
            ("items", contents),
            ("latency", latency),
            ("usage", usage),
            ("model", model),
        ):
            object.__setattr__(self, name, value)

    def choices(self, ask: Ask, recorded: Recorded) -> tuple[Said, ...]:
        """Give each choice its own item."""
        last = len(self.items) - 1
        return tuple(self.items[min(i, last)].say(ask, recorded) for i in range(ask.n))


@dataclass(frozen=True, slots=True)
class ByRequest(Reply):
    """Whatever reply ``choose`` makes of the recorded request, latency and tokens included."""

    choose: Callable[[Recorded], Reply]


@dataclass(frozen=True, slots=True)
class Held(Reply):
    """A reply that is kept back until ``until`` says yes, so that an order is certain and no race."""

    reply: Reply
    until: Callable[[], bool]


def _data(data: object, ask: Ask, recorded: Recorded) -> object:
    if callable(data):
        return data(recorded)
    if data is not None:
        return data
    schema = ask.schema or (schema_in_text(ask.body) if ask.form != "tool" else None)
    return "ok" if schema is None else example(schema)
