"""What the caller asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ensemble_parse._budget import Budget
    from ensemble_parse._format import ResponseFormat
    from ensemble_parse._models._result import Event

T = TypeVar("T")

Message: TypeAlias = "Mapping[str, Any]"
Messages: TypeAlias = "str | Sequence[Message]"
Mode: TypeAlias = Literal["auto", "json_schema", "tools", "json", "md_json"]
Pace: TypeAlias = Literal["parallel", "hedged", "thrifty"]

# Where a request goes and who pays for it: never dropped because a vendor's error names it, and the judge's, too.
TRANSPORT: Final = frozenset(
    {
        "api_base",
        "api_key",
        "api_version",
        "base_url",
        "default_headers",
        "deployment_id",
        "extra_headers",
        "organization",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """What the caller asked, checked.

    Attributes:
        messages: the conversation, in OpenAI's message format, exactly as it was given.
        format: what an answer must be.
        examples: few-shot turns; each item is the user's and the assistant's message of one example.
        params: model parameters for every processor; a processor's own win.
        model: the model of processors that name none.
        deadline: event-loop time by which the call must be over, or ``None``.
        strict: whether a parameter that a vendor does not take is an error instead of being dropped.
        budgets: what may be spent.
        tell: takes what happens meanwhile.
    """

    messages: tuple[Message, ...]
    format: ResponseFormat[T]
    examples: tuple[tuple[Message, Message], ...] = ()
    shuffle_examples: bool = True
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # keys are among them
    model: str | None = None
    deadline: float | None = None
    strict: bool = False
    budgets: tuple[Budget, ...] = ()
    tell: Callable[[Event], None] = field(default=lambda _: None, repr=False, compare=False)
