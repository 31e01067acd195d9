"""The middle and the mean of what was said: exact, and whatever is said a number that can be."""

from __future__ import annotations

import decimal
import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from ensemble_parse._consensus import _values as values

if TYPE_CHECKING:
    from collections.abc import Sequence

Weighed: TypeAlias = "tuple[Any, float]"  # a number, and the weight of who said it


def median(numbers: Sequence[Weighed]) -> Any:
    """Take the weighted median; of what is no number only if nobody says one."""
    known = sorted(_known(numbers), key=lambda each: each[0])
    if not known:
        return numbers[0][0]
    half, below = math.fsum(weight for _, weight in known) / 2, 0.0
    for at, (value, weight) in enumerate(known):
        below += weight
        if abs(below - half) <= values.REL * half and not isinstance(value, int):
            return _between(value, known[at + 1][0])
        if below >= half * (1 - values.REL):
            return value
    return known[-1][0]


def mean(numbers: Sequence[Weighed]) -> Any:
    """Take the weighted mean, a whole number of whole numbers; where there is none, as of infinities, the median."""
    known = _known(numbers)
    if not known or not all(_finite(value) for value, _ in known):
        return median(numbers)
    if any(isinstance(value, Decimal) for value, _ in known):
        return _decimal_mean(known)
    # Exact on the way: sums of floats overflow, and whole numbers are longer than floats hold.
    exact = sum(Fraction(value) * Fraction(weight) for value, weight in known) / sum(
        Fraction(weight) for _, weight in known
    )
    if all(isinstance(value, int) for value, _ in known):
        return round(exact)
    try:
        return float(exact)
    except OverflowError:
        return median(numbers)


def _known(numbers: Sequence[Weighed]) -> list[Weighed]:
    return [each for each in numbers if not (each[0].is_nan() if isinstance(each[0], Decimal) else each[0] != each[0])]


def _finite(value: Any) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else isinstance(value, int) or math.isfinite(value)


def _between(low: Any, high: Any) -> Any:
    if low == high or not (_finite(low) and _finite(high)):
        return low
    return mean([(low, 1.0), (high, 1.0)])


def _decimal_mean(numbers: Sequence[Weighed]) -> Any:
    with decimal.localcontext(values.WIDE):
        said = [Decimal(str(value)) if isinstance(value, float) else Decimal(value) for value, _ in numbers]
        weights = [Decimal(str(weight)) for _, weight in numbers]
        weighed = sum((value * weight for value, weight in zip(said, weights, strict=True)), Decimal())
        made = weighed / sum(weights, Decimal())
    return made if made.is_finite() else median(numbers)
