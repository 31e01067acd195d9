"""What was sent, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, summed over requests.

    Attributes:
        input_tokens: tokens of the prompts.
        output_tokens: tokens of the answers, reasoning tokens included.
        cached_tokens: the part of ``input_tokens`` that came from the vendor's prompt cache.
        reasoning_tokens: the part of ``output_tokens`` that was hidden reasoning.
        requests: how many requests were sent.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Sum the two."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            requests=self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to one model, whatever came of it: a line of the ledger.

    Attributes:
        processor: who asked.
        model: the model string that was asked for.
        seconds: from sending to the last byte, or to giving up.
        usage: tokens that the vendor reported; zero where it reported none.
        cost: US dollars; ``None`` where the price is unknown, also for a request that was cut off.
        error: the class name of what went wrong, ``"Cancelled"`` where the request was cut off, or ``None``.
        status_code: the HTTP status of an error, or ``None``.
        answered_by: the model that the vendor says answered, or ``None``.
        dropped: parameters that this vendor did not take.
        cached: whether the answer came from a cache, and nothing was sent.
        estimated: whether usage and cost are an estimate, made of what the others used: the request was cut off.
    """

    processor: str
    model: str
    seconds: float
    usage: Usage = Usage()
    cost: float | None = None
    error: str | None = None
    status_code: int | None = None
    answered_by: str | None = None
    dropped: tuple[str, ...] = ()
    cached: bool = False
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars, where the price is known.

    Attributes:
        processors: dollars for each processor and judge; ``None`` where one of its requests has no known price.
    """

    processors: Mapping[str, float | None]

    @classmethod
    def of(cls, attempts: Iterable[Attempt]) -> Cost:
        """Add up a ledger."""
        spent: dict[str, float | None] = {}
        for attempt in attempts:
            known = spent.get(attempt.processor, 0.0)
            spent[attempt.processor] = None if known is None or attempt.cost is None else known + attempt.cost
        return cls(spent)

    @property
    def total(self) -> float | None:
        """The sum, or ``None`` where a price is unknown."""
        return None if None in self.processors.values() else self.known

    @property
    def known(self) -> float:
        """The sum of what is known: at least this much was spent."""
        return sum(cost for cost in self.processors.values() if cost is not None)
