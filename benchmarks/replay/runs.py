"""One set, one kind of panel, all methods: what each got right, group by group."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.replay.methods import Method, Outcome
    from benchmarks.replay.nouns import Item, Said, Score
    from benchmarks.replay.panels import Pool
    from benchmarks.replay.sets import Recording

MEAN, BEST, ORACLE, OURS = "mean member", "best member", "oracle", "ours"


@dataclass(slots=True)
class Tally:
    """What one method got right: an entry for every panel and group."""

    right: NDArray[np.float64]
    total: NDArray[np.float64]
    whole: NDArray[np.float64]
    invalid: int = 0

    @classmethod
    def empty(cls, panels: int, groups: int) -> Tally:
        """Nothing yet."""
        right, total, whole = np.zeros((3, panels, groups))
        return cls(right, total, whole)

    def add(self, panel: int, group: int, score: Score, weight: float = 1.0) -> None:
        """Count one answer."""
        right, total = score.fields
        self.right[panel, group] += weight * right
        self.total[panel, group] += weight * total
        self.whole[panel, group] += weight * score.whole


@dataclass(slots=True)
class Calibration:
    """Agreement against truth: agreement, to three places -> how often, and how often right."""

    counts: dict[float, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def add(self, agreement: float, *, right: bool) -> None:
        """Count one."""
        entry = self.counts[round(agreement, 3)]
        entry[0] += 1
        entry[1] += right


@dataclass(slots=True)
class Table:
    """The result of one kind of panel.

    Attributes:
        pool: the panels.
        groups: names of the groups, in the order of the tallies' columns.
        parts: the part of the set that each group belongs to.
        items: for every panel and group, how many items were decided.
        decided: items with a candidate, over all panels.
        tallies: method -> what it got right.
        by_field: agreement that the library reported, against truth, for fields.
        by_whole: the same for whole answers: the least agreement of any of its fields.
        synthetic: answers of the library that no candidate gave.
    """

    pool: Pool
    groups: tuple[str, ...]
    parts: tuple[str, ...]
    items: NDArray[np.float64]
    decided: int
    tallies: dict[str, Tally]
    by_field: Calibration = field(default_factory=Calibration)
    by_whole: Calibration = field(default_factory=Calibration)
    synthetic: int = 0


@dataclass(slots=True)
class Decisions:
    """Decisions already made: the same candidates in the same order are decided once.

    Attributes:
        methods: name -> method.
        weighted: the methods to which it matters how much each member is trusted, and not only the order.
    """

    methods: Mapping[str, Method]
    weighted: frozenset[str] = frozenset()
    made: dict[tuple[object, ...], Outcome] = field(default_factory=dict)

    def __call__(
        self, method: str, item: Item, said: Sequence[Said], keys: tuple[str, ...], trust: tuple[float, ...]
    ) -> Outcome:
        """Decide, or remember."""
        name = (method, id(item.shape), keys, trust if method in self.weighted else None)
        if name not in self.made:
            self.made[name] = self.methods[method](item.shape, said, trust)
        return self.made[name]


def run(
    recording: Recording,
    pool: Pool,
    fold_of: Mapping[str, int],
    trust: Sequence[Mapping[str, float]],
    decide: Decisions,
) -> Table:
    """Put every item to every panel.

    Args:
        recording: the set.
        pool: the panels.
        fold_of: group -> fold.
        trust: for each fold, model -> accuracy on the other folds.
        decide: the methods.
    """
    part_of = {item.group: item.part for item in recording.items}
    groups = tuple(sorted(part_of))
    column = {group: place for place, group in enumerate(groups)}
    size = (len(pool.panels), len(groups))
    names = (MEAN, BEST, *decide.methods, ORACLE)
    table = Table(
        pool,
        groups,
        tuple(part_of[group] for group in groups),
        np.zeros(size),
        0,
        {name: Tally.empty(*size) for name in names},
    )
    for row, panel in enumerate(pool.panels):
        orders = [sorted(panel, key=lambda model: (-fitted[model], model)) for fitted in trust]
        for item in recording.items:
            if item.asked.issuperset(panel):
                fold = fold_of[item.group]
                one(table, row, column[item.group], item, {model: trust[fold][model] for model in orders[fold]}, decide)
    return table


def one(table: Table, row: int, column: int, item: Item, order: Mapping[str, float], decide: Decisions) -> None:
    """Decide one item for one panel, by every method; ``order`` is the panel with its accuracies, the best first."""
    table.items[row, column] += 1
    scores = [item.score(item.said.get(model)) for model in order]
    for score in scores:
        table.tallies[MEAN].add(row, column, score, 1 / len(scores))
    table.tallies[BEST].add(row, column, scores[0])
    oracle(table.tallies[ORACLE], row, column, scores)
    said = [item.said[model] for model in order if model in item.said]
    if not said:
        for method in decide.methods:
            table.tallies[method].add(row, column, item.score(None))
        return
    table.decided += 1
    keys = tuple(each.key for each in said)
    trust = tuple(round(accuracy, 2) for model, accuracy in order.items() if model in item.said)
    for method in decide.methods:
        outcome = decide(method, item, said, keys, trust)
        tally = table.tallies[method]
        score = item.score(outcome.answer)
        tally.add(row, column, score)
        tally.invalid += outcome.answer is None
        if method == OURS and outcome.answer is not None:
            table.synthetic += outcome.answer.key not in keys
            calibrate(table, score, outcome)


def oracle(tally: Tally, row: int, column: int, scores: Sequence[Score]) -> None:
    """Whoever picks the right candidate, field by field or as a whole."""
    tally.right[row, column] += sum(any(score.right[name] for score in scores) for name in scores[0].right)
    tally.total[row, column] += len(scores[0].right)
    tally.whole[row, column] += any(score.whole for score in scores)


def calibrate(table: Table, score: Score, outcome: Outcome) -> None:
    """Set the reported agreement beside the truth."""
    if not outcome.agreement:
        return
    table.by_whole.add(min(outcome.agreement.values()), right=score.whole)
    for name, right in score.right.items():
        parts = [share for path, share in outcome.agreement.items() if within(path, name)]
        if parts:
            table.by_field.add(min(parts), right=right)


def within(path: str, name: str) -> bool:
    """Whether a path is a field or a part of it."""
    return path == name or (path.startswith(name) and path[len(name)] in ".[")


def accuracy(tally: Tally, items: Any, metric: str) -> NDArray[np.float64]:
    """Accuracy of every panel."""
    right, total = (tally.right, tally.total) if metric == "field" else (tally.whole, items)
    return np.asarray(right.sum(axis=1) / np.maximum(total.sum(axis=1), 1e-12))
