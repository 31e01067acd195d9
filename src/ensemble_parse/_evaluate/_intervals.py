"""How sure a share is: a bootstrap over groups, since what comes of one document errs together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ensemble_parse._evaluate._report import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Bootstrap:
    """The same resamples of groups for everything that is compared."""

    def __init__(self, groups: list[int], *, resamples: int, seed: int) -> None:
        """Draw them.

        Args:
            groups: the group of each input, from 0.
            resamples: how many.
            seed: what they are drawn with.
        """
        import numpy as np

        count = max(groups) + 1
        self._groups = np.array(groups)
        self._drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)

    def share(self, right: Array, total: Array) -> Interval:
        """How much of the total is right."""
        return _interval(float(right.sum() / max(total.sum(), 1.0)), self._shares(right, total))

    def gain(self, right: Array, over: Array, total: Array) -> Interval:
        """How much more of the same total is right than over there."""
        value = float((right.sum() - over.sum()) / max(total.sum(), 1.0))
        return _interval(value, self._shares(right, total) - self._shares(over, total))

    def _shares(self, right: Array, total: Array) -> Array:
        import numpy as np

        size = self._drawn.shape[1]
        rights = self._drawn @ np.bincount(self._groups, weights=right, minlength=size)
        totals = self._drawn @ np.bincount(self._groups, weights=total, minlength=size)
        return np.asarray(rights / np.maximum(totals, 1e-9))


def _interval(value: float, drawn: Array) -> Interval:
    import numpy as np

    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value=value, low=float(low), high=float(high))
