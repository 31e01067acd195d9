"""How sure a difference is: a bootstrap over groups, since the items of one document err together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.replay.panels import SEED
from benchmarks.replay.runs import BEST, accuracy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.replay.runs import Table

RESAMPLES = 2000
CHUNK = 200


@dataclass(frozen=True, slots=True)
class Gain:
    """A difference of two accuracies, mean over panels, in points."""

    mean: float
    low: float
    high: float
    worst: float


class Bootstrap:
    """The same resamples of groups for every method of a table."""

    def __init__(self, table: Table, *, resamples: int = RESAMPLES) -> None:
        """Draw the resamples."""
        self._table = table
        groups = len(table.groups)
        chance = np.random.default_rng(SEED)
        self._weights = chance.multinomial(groups, np.full(groups, 1 / groups), size=resamples).astype(np.float32)

    def gain(self, method: str, metric: str, over: str = BEST) -> Gain:
        """How much better one method is than another."""
        one, other = self._table.tallies[method], self._table.tallies[over]
        items = self._table.items
        each = accuracy(one, items, metric) - accuracy(other, items, metric)
        drawn = (self._resampled(method, metric) - self._resampled(over, metric)).mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return Gain(100 * float(each.mean()), 100 * float(low), 100 * float(high), 100 * float(each.min()))

    def _resampled(self, method: str, metric: str) -> NDArray[np.float64]:
        """Accuracy of every panel in every resample."""
        tally = self._table.tallies[method]
        right, total = (tally.right, tally.total) if metric == "field" else (tally.whole, self._table.items)
        return np.asarray(
            (self._weights @ right.T.astype(np.float32)) / np.maximum(self._weights @ total.T.astype(np.float32), 1e-9),
            dtype=np.float64,
        )
