"""What requests are likely to have cost that were cut off, so that nobody knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ensemble_parse._models import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ensemble_parse._models import Attempt

_CUT_OFF: Final = frozenset({"Cancelled", "ProcessorTimeout"})


def estimated(ledger: Iterable[Attempt], price: Callable[[str, Usage], float | None]) -> list[Attempt]:
    """Count a request that was cut off as one that was answered, with as many tokens as the others used on average.

    Vendors bill what they had written, and some go on writing; none says how much it was.

    Args:
        ledger: the requests of one panel, which all had the same prompt.
        price: US dollars for so many tokens of a processor's model.
    """
    attempts = [*ledger]
    told = [each.usage for each in attempts if each.usage.total_tokens and each.error is None]
    if not told:
        return attempts
    usage = Usage(
        input_tokens=round(sum(each.input_tokens for each in told) / len(told)),
        output_tokens=round(sum(each.output_tokens for each in told) / len(told)),
        requests=1,
    )
    return [
        replace(each, usage=usage, cost=price(each.processor, usage), estimated=True)
        if each.error in _CUT_OFF and not each.usage.total_tokens
        else each
        for each in attempts
    ]
