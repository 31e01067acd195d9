"""An answer as JSON text, and the way back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from ensemble_parse._format import Parsed
from ensemble_parse._models import T, Usage
from ensemble_parse._stored import json_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse._format import ResponseFormat
    from ensemble_parse._models import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What it took to get an answer, and who gave it.

    Attributes:
        usage: of all attempts.
        cost: US dollars; 0.0 where a price is unknown.
        answered_by: the model that the vendor says answered.
        dropped: parameters that the vendor did not take.
    """

    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    answered_by: str | None = None
    dropped: tuple[str, ...] = ()

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> Price:
        """Sum what was recorded."""
        last = attempts[-1] if attempts else None
        return cls(
            usage=sum((attempt.usage for attempt in attempts), Usage()),
            cost=sum(attempt.cost or 0.0 for attempt in attempts),
            answered_by=last.answered_by if last else None,
            dropped=last.dropped if last else (),
        )

    def further(self) -> Price:
        """The price of a further sample of the same request, which the first one has paid."""
        return Price(answered_by=self.answered_by, dropped=self.dropped)


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """An answer that was kept, and what it had cost."""

    parsed: Parsed[T]
    price: Price


def write(format_: ResponseFormat[T], parsed: Parsed[T], price: Price) -> str | None:
    """Write an answer, or return ``None`` where what is read back would be another one."""
    entry: dict[str, Any] = {"text": parsed.text, "price": asdict(price)}
    if _reads_as(format_, entry, parsed):
        return json_bytes(entry).decode()
    # Its text does not say it all: a client of one's own gave none, or the class fills in something new each time.
    entry |= {"value": format_.data(parsed.value), "reasoning": parsed.reasoning, "repaired": parsed.repaired}
    return json_bytes(entry).decode() if _reads_as(format_, entry, parsed) else None


def read(format_: ResponseFormat[T], text: str) -> Kept[T] | None:
    """Read an answer and validate it again; ``None`` where it does not, or is none."""
    try:
        entry: dict[str, Any] = json.loads(text)
        paid: dict[str, Any] = entry["price"]
        paid |= {"usage": Usage(**paid["usage"]), "dropped": tuple(paid["dropped"])}
        return Kept(_parsed(format_, entry), Price(**paid))
    except Exception:  # noqa: BLE001 - what a validator raises by now, it raises of the model's next answer, too
        return None


def _parsed(format_: ResponseFormat[T], entry: dict[str, Any]) -> Parsed[T]:
    if "value" not in entry:
        return format_.parse(entry["text"])
    return Parsed(
        value=format_.coerce(entry["value"]),
        text=entry["text"],
        reasoning=entry["reasoning"],
        repaired=entry["repaired"],
    )


def _reads_as(format_: ResponseFormat[T], entry: dict[str, Any], parsed: Parsed[T]) -> bool:
    try:
        return _parsed(format_, entry) == parsed
    except Exception:  # noqa: BLE001 - a validator's own; then it is not kept
        return False
